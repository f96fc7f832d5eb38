# SPDX-License-Identifier: Apache-2.0
"""The cases of tests/vectors/filter_cases.json, and records of their rows as a program writes."""

from __future__ import annotations

import json
import re
import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from app import ROOT
from app.columns.column import Column
from app.columns.names import ERRORS
from app.columns.plan import ENTRY, MAX_TEXT_BYTES, RETURN, STRING, Hook, Output, Plan, Read, Text
from app.filters import Vocabulary
from app.filters.kernel_filter import PATH_OPEN, TEXT_CUT

FILE: dict[str, Any] = json.loads((ROOT / "tests/vectors/filter_cases.json").read_text())
WIDE = ("int64", "uint64")
HEAD = ("time", "pid", "tid", "uid", "process", "comm", "ret", "errno", "latency_ns")
SHOWN_BYTE = re.compile(r"\\x([0-9a-f]{2})")
MODE = "fexit"
ELLIPSIS = "…"

Row = dict[str, Any]


@dataclass(frozen=True)
class Table:
    """Rows, and what filters of them pass.

    `rows` are as app/web/api/rows.py makes them; `rests`, what the kernel does not test of a
    filter.
    """

    columns: tuple[Column, ...]
    tables: Mapping[str, Mapping[int, str]]
    users: Mapping[str, int]
    rows: tuple[Row, ...]
    passes: tuple[tuple[str, list[int]], ...]
    rests: Mapping[str, str | None]
    faults: tuple[dict[str, Any], ...]

    @property
    def vocabulary(self) -> Vocabulary:
        return Vocabulary.of(self.columns, self.tables, self.users.get)


def _table(members: Mapping[str, Any]) -> Table:
    columns = tuple(
        Column(**column, help="", nullable=True)
        for column in members["columns"]
        if column["name"] != "probe"
    )
    wide = {column.name for column in columns if column.type in WIDE}

    tables = {
        name: {entry["value"]: entry["name"] for entry in entries}
        for name, entries in members.get("names", {}).items()
    }
    named = {c.name: tables[c.names] for c in columns if c.render == "name" and c.names}

    def cell(name: str, value: Any) -> Any:
        if name in named:
            return named[name].get(value, value)
        return int(value) if name in wide and value is not None else value

    return Table(
        columns,
        tables,
        members["users"],
        tuple(
            {"mode": MODE, **{name: cell(name, value) for name, value in row.items()}}
            for row in members["rows"]
        ),
        tuple((case["filter"], case["rows"]) for case in members["passes"]),
        {case["filter"]: case.get("rest") for case in members["passes"]},
        tuple(members["faults"]),
    )


TABLES = {"deletions": _table(FILE), "typed": _table(FILE["typed"])}


def plan_of(columns: Iterable[Column], tables: Mapping[str, Mapping[int, str]]) -> Plan:
    """Return a plan whose columns beside those of the head are values and texts, in order."""
    values, texts, outputs = [], [], []
    for column in columns:
        if column.name in HEAD:
            outputs.append(Output(column, "head"))
        elif column.type == "text":
            outputs.append(Output(column, "text", texts=(len(texts),)))
            texts.append(Text(STRING, Read(ENTRY, 0), MAX_TEXT_BYTES))
        else:
            names = tables.get(column.names or "")
            decoder = "bool" if column.type == "bool" else "name" if names else "number"
            place = (len(values),)
            outputs.append(
                Output(column, decoder, place, names=tuple(names.items()) if names else ())
            )
            # Not all at entry, so that tests have several phases.
            at = RETURN if len(values) % 3 == 2 else ENTRY
            values.append(Read(at, 0, signed=column.type.startswith("int")))
    return Plan(Hook("function", "f"), MODE, True, tuple(values), tuple(texts), tuple(outputs), {})


def pack(row: Row, plan: Plan) -> tuple[bytes, list[bytes | None]]:
    """Return the record of a row: its fixed part, and its texts, which "…" marks as cut."""
    values, texts, unreadable = [0] * len(plan.values), [None] * len(plan.texts), 0
    flags = 0
    for output in plan.outputs:
        cell = row[output.column.name]
        if output.texts:
            (place,) = output.texts
            text = cell or ""
            flags |= (PATH_OPEN if text.startswith(ELLIPSIS) else 0) << place
            text = text.removeprefix(ELLIPSIS)
            flags |= (TEXT_CUT if text.endswith(ELLIPSIS) else 0) << place
            texts[place] = None if cell is None else to_bytes(text.removesuffix(ELLIPSIS))
        elif output.values and cell is None:
            unreadable |= 1 << output.values[0]
            values[output.values[0]] = 0xDEAD
        elif output.values:
            if isinstance(cell, str):
                cell = {name: value for value, name in output.names}[cell]
            # A bool is any number but 0.
            values[output.values[0]] = 6 if cell is True else int(cell) & (2**64 - 1)
    sizes = [-1 if text is None else len(text) for text in texts]
    sizes += [-1] * (4 - len(sizes))
    head = struct.pack(
        "<QQq6I4i16s16s",
        123,
        row.get("latency_ns") or 0,
        row.get("ret") or 0,
        row["pid"],
        row.get("tid", 77),
        row["uid"],
        1,
        flags,
        unreadable,
        *sizes,
        to_bytes(row["comm"]),
        to_bytes(row["process"]),
    )
    return head + struct.pack(f"<{len(values)}Q", *values), texts


def to_bytes(text: str) -> bytes:
    r"""Return the bytes of a text of a row, which shows a byte that is not UTF-8 as \xNN."""
    parts = SHOWN_BYTE.split(text)
    return b"".join(
        bytes([int(part, 16)]) if i % 2 else part.encode() for i, part in enumerate(parts)
    )


__all__ = ["ERRORS", "FILE", "TABLES", "Table", "pack", "plan_of"]
