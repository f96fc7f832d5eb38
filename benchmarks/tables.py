# SPDX-License-Identifier: Apache-2.0
"""Aligned text tables, which are valid Markdown. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from benchmarks.comparison import UNTRACED, Summary
from benchmarks.figures import Spread


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table with the first column left-aligned, the others right-aligned."""
    widths = [max(len(row[i]) for row in [head, *rows]) for i in range(len(head))]

    def line(cells: Sequence[str]) -> str:
        first, *rest = (
            cell.ljust(width) if i == 0 else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(cells, widths, strict=True))
        )
        return "| " + " | ".join([first, *rest]) + " |"

    rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
    return "\n".join([line(head), "| " + " | ".join(rule) + " |", *map(line, rows)])


def number(value: float) -> str:
    """Return a number with three significant digits."""
    if value == 0:
        return "0"
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def shown(spread: Spread) -> str:
    """Return the median, with the smallest and largest value in brackets."""
    if spread.low == spread.high:
        return number(spread.median)
    return f"{number(spread.median)} ({number(spread.low)}-{number(spread.high)})"


def comparison(found: Mapping[str, Summary]) -> str:
    """Return the table of all tracers."""
    head = ["", "ns a call", "x untraced", "x its CPU", "reader µs a row", "client µs"]
    head += ["lost %", "no row %", "bytes a row", "start ms"]
    rows = []
    for name, it in found.items():
        cells = [name, *map(shown, (it.call_ns, it.slowdown, it.cpu_slowdown))]
        if name == UNTRACED:
            cells += [""] * 6
        else:
            client = shown(it.client_us) if it.client_us.high else ""
            cells += [shown(it.reader_us), client]
            cells += [shown(it.lost), shown(it.missing), shown(it.row_bytes), shown(it.start_ms)]
        rows.append(cells)
    return table(head, rows)
