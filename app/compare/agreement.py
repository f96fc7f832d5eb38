# SPDX-License-Identifier: Apache-2.0
"""Whether several modes have shown the same calls.

Modes do not begin and end at the same instant, and each takes the time of a call itself. So a row
is certainly of the time in which all modes traced if it is further than EDGE_NS from both ends, and
possibly if it is not further than that beyond. Of each mode, as many rows as are certain must be
possible in every other mode: of the same thread, with the same values.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

Row = Mapping[str, Any]
EDGE_NS = 20_000_000
MAX_EXAMPLES = 5
# What no two modes can have the same of.
_OWN = {"time", "probe", "mode", "latency_ns"}
_NS_PER_S = 1_000_000_000


@dataclass(frozen=True)
class Agreement:
    """`missing` has for each mode how many calls it did not show and another mode did; `examples`
    has some of them, with the mode that shows them in `mode`."""

    compared: tuple[str, ...]  # columns
    missing: Mapping[str, int]
    examples: Sequence[Row]


def agreement(rows: Mapping[str, Sequence[Row]], begin_ns: int, end_ns: int) -> Agreement:
    """Compare the rows of modes that all traced from `begin_ns` to `end_ns` (Unix time).

    The columns compared are those that all modes have, and those that several have, among these.
    """
    missing: Counter[str] = Counter(dict.fromkeys(rows, 0))
    examples: list[Row] = []
    compared: dict[str, None] = {}
    for modes in _alike(rows):
        columns = _common(rows[mode] for mode in modes)
        compared |= dict.fromkeys(columns)
        certain, possible = {}, {}
        for mode in modes:
            inside = [(row, _time_ns(row["time"])) for row in rows[mode]]
            certain[mode] = _counted(inside, columns, begin_ns + EDGE_NS, end_ns - EDGE_NS)
            possible[mode] = _counted(inside, columns, begin_ns - EDGE_NS, end_ns + EDGE_NS)
        for mode in modes:
            wanted: Counter[tuple[Any, ...]] = Counter()
            shown_by: dict[tuple[Any, ...], str] = {}
            for other in modes:
                for key, count in certain[other].items():
                    if count > wanted[key]:
                        wanted[key], shown_by[key] = count, other
            lacking = wanted - possible[mode]
            missing[mode] = max(missing[mode], lacking.total())
            for key in list(lacking)[: MAX_EXAMPLES - len(examples)]:
                examples.append({**dict(zip(columns, key, strict=True)), "mode": shown_by[key]})
    return Agreement(tuple(compared), dict(missing), examples)


def _alike(rows: Mapping[str, Sequence[Row]]) -> list[list[str]]:
    """Return all modes, and those that see results, which have more columns in common."""
    modes = [mode for mode in rows if rows[mode]] or list(rows)
    at_return = [mode for mode in modes if rows[mode] and "latency_ns" in rows[mode][0]]
    groups = [list(rows)]
    if 1 < len(at_return) < len(modes):
        groups.append(at_return)
    return groups


def _common(rows: Iterable[Sequence[Row]]) -> list[str]:
    """Return the columns that the rows of all modes have that have any."""
    columns: list[str] | None = None
    for each in rows:
        if each:
            own = [name for name in each[0] if name not in _OWN]
            columns = own if columns is None else [name for name in columns if name in own]
    return columns or []


def _counted(
    rows: Iterable[tuple[Row, int]], columns: Sequence[str], begin_ns: int, end_ns: int
) -> Counter[tuple[Any, ...]]:
    return Counter(
        tuple(row[name] for name in columns)
        for row, time_ns in rows
        if begin_ns <= time_ns <= end_ns
    )


def _time_ns(text: str) -> int:
    """Return Unix time of `2026-11-28T06:13:36.430199123Z`."""
    whole, _, fraction = text.removesuffix("Z").partition(".")
    seconds = int(datetime.fromisoformat(f"{whole}+00:00").timestamp())
    return seconds * _NS_PER_S + int(fraction)
