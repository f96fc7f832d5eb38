# SPDX-License-Identifier: Apache-2.0
"""Plans of deletions, whose programs are not filled in from them."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping

from app.columns.column import CALLER, RESULT, Column
from app.columns.plan import ENTRY, PATH_AT, PROGRAMS, STRING, Hook, Output, Plan, Read, Text
from app.errors import invalid
from app.presets.deletions import hooks
from app.presets.deletions.columns import OF_CALL, PATH_COLUMN, columns_of
from app.presets.preset import AT_ENTRY, BY_TRACEPOINT

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
    if columns is not None:
        _check(name, mode, columns)
    wants_path = columns is not None and PATH_COLUMN in columns
    kinds = (STRING, PATH_AT) if wants_path else (STRING,)
    return Plan(
        Hook(PROGRAMS, name),
        mode,
        sees_return=mode not in AT_ENTRY,
        # Where their programs find them is for them to know.
        values=tuple(Read(ENTRY, place, size=0) for place in hooks.VALUES),
        texts=tuple(Text(kind, Read(ENTRY, 0, size=0)) for kind in kinds),
        outputs=tuple(_output(column, mode) for column in columns_of(mode, columns)),
        kernel_offsets=dict(offsets(wants_path)),
    )


def _output(column: Column, mode: str) -> Output:
    if column.name in _HEAD:
        return Output(column, "head")
    replaced = "unknown" if mode in BY_TRACEPOINT else "yes"
    renames = [number for number, _ in hooks.CALLS if number >= hooks.FIRST_RENAME]
    return {
        "syscall": Output(column, "label", (hooks.CALL,), names=hooks.CALLS),
        "flags": Output(column, "flags", (hooks.CALL, hooks.FLAGS), names=hooks.CALL_FLAGS),
        "dfd": Output(column, "number", (hooks.DFD,)),
        "filename": Output(column, "text", texts=(hooks.NAME,)),
        "path": Output(column, "path_at", texts=(hooks.PATH,)),
        "replaced": Output(
            column,
            "label",
            (hooks.CALL,),
            names=tuple((number, replaced) for number in renames),
        ),
    }[column.name]


def _check(preset: str, mode: str, columns: tuple[str, ...]) -> None:
    known = [column.name for column in OF_CALL[mode]]
    for place, name in enumerate(columns):
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            guess = f" Did you mean {near[0]}?" if near else ""
            message = f"The preset {preset} has no column {name[:64]!r} in mode {mode}.{guess}"
            raise invalid(f"columns.{place}", f"{message} Known: {', '.join(known)}.")
    if len(set(columns)) < len(columns):
        raise invalid("columns", "A column is named twice.")
