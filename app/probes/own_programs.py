# SPDX-License-Identifier: Apache-2.0
"""Plans of programs that are written for one question."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping

from app.columns.column import CALLER, RESULT, Column
from app.columns.plan import ENTRY, PATH_AT, PROGRAMS, STRING, Hook, Output, Plan, Read, Text
from app.presets import deletions
from app.probes.modes import MODES, PATH_COLUMN
from app.probes.planning import invalid

_HEAD = {column.name for column in (*CALLER, *RESULT)}


def own_plan(
    name: str,
    mode: str,
    columns: tuple[str, ...] | None = None,
    offsets: Callable[[bool], Mapping[str, int]] = lambda _: {},
) -> Plan:
    """Return the plan of a preset's own programs with these of the mode's columns, in their order;
    None: all that cost nothing more.

    `offsets` returns the plan's `kernel_offsets`, with or without those for a path. Raises
    ProbedeckError 422 with the field, and what that raises.
    """
    shown = MODES[mode]
    if columns is not None:
        _check(name, mode, columns)
    wants_path = columns is not None and PATH_COLUMN in columns
    kinds = (STRING, PATH_AT) if wants_path else (STRING,)
    return Plan(
        Hook(PROGRAMS, name),
        mode,
        sees_return=shown.sees_return,
        # Where their programs find them is for them to know.
        values=tuple(Read(ENTRY, place, size=0) for place in deletions.VALUES),
        texts=tuple(Text(kind, Read(ENTRY, 0, size=0)) for kind in kinds),
        outputs=tuple(_output(column, mode) for column in shown.chosen(columns)),
        kernel_offsets=dict(offsets(wants_path)),
    )


def _output(column: Column, mode: str) -> Output:
    if column.name in _HEAD:
        return Output(column, "head")
    replaced = "unknown" if mode in deletions.BY_TRACEPOINT else "yes"
    renames = [number for number, _ in deletions.CALLS if number >= deletions.FIRST_RENAME]
    return {
        "syscall": Output(column, "label", (deletions.CALL,), names=deletions.CALLS),
        "flags": Output(
            column, "flags", (deletions.CALL, deletions.FLAGS), names=deletions.CALL_FLAGS
        ),
        "dfd": Output(column, "number", (deletions.DFD,)),
        "filename": Output(column, "text", texts=(deletions.NAME,)),
        "path": Output(column, "path_at", texts=(deletions.PATH,)),
        "replaced": Output(
            column,
            "label",
            (deletions.CALL,),
            names=tuple((number, replaced) for number in renames),
        ),
    }[column.name]


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
