# SPDX-License-Identifier: Apache-2.0
"""Plans of programs that are written for one question, which fill in no template."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping

from app.columns.plan import OWN_DECODER, PROGRAMS, Hook, Output, Plan
from app.probes.modes import MODES, PATH_COLUMN
from app.probes.planning import invalid


def own_plan(
    name: str,
    mode: str,
    columns: tuple[str, ...] | None = None,
    path_offsets: Callable[[], Mapping[str, int]] = dict,
) -> Plan:
    """Return the plan of a preset's own programs with these of the mode's columns, in their order;
    None: all that cost nothing more.

    `path_offsets` returns what a path needs (app.columns.kernel_offsets). Raises ProbedeckError
    422 with the field, and what that raises.
    """
    shown = MODES[mode]
    if columns is not None:
        _check(name, mode, columns)
    wants_path = columns is not None and PATH_COLUMN in columns
    return Plan(
        Hook(PROGRAMS, name),
        mode,
        sees_return=shown.sees_return,
        values=(),
        texts=(),
        outputs=tuple(Output(column, OWN_DECODER) for column in shown.chosen(columns)),
        kernel_offsets=path_offsets() if wants_path else {},
    )


def _check(preset: str, mode: str, columns: tuple[str, ...]) -> None:
    known = [column.name for column in MODES[mode].call]
    for place, name in enumerate(columns):
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            guess = f" Did you mean {near[0]}?" if near else ""
            message = f"The preset {preset} has no column {name[:64]!r} in mode {mode}.{guess}"
            raise invalid(f"columns.{place}", f"{message} Known: {', '.join(known)}.")
    if len(set(columns)) < len(columns):
        raise invalid("columns", "A column is named twice.")
