# SPDX-License-Identifier: Apache-2.0
"""The values that match a comparison of a number or a time: `5`, `1..5`, `..5`, `5..`."""

from __future__ import annotations

import re
from dataclasses import dataclass

from app.filters.fault import Form, ValueFault, quoted
from app.filters.literals import Read

RANGE = re.compile(r"(.*?)\s*\.\.\s*(.*)\Z", re.DOTALL)


@dataclass(frozen=True)
class Interval:
    """Integers from `low` to `high`, both inclusive; None is unbounded."""

    low: int | None
    high: int | None

    def within(self, least: int, most: int) -> tuple[int, int] | None:
        """Return the part within a type's range, None if it is empty."""
        low = least if self.low is None else max(self.low, least)
        high = most if self.high is None else min(self.high, most)
        return (low, high) if low <= high else None


def intervals_of(operator: str, text: str, read: Read) -> list[Interval]:
    """Return the alternatives that match `operator` (=, <, <=, > or >=) and a value.

    `read` is of app.filters.literals. Raises ValueFault.
    """
    ends = RANGE.match(text)
    if ends is None:
        return _compared(operator, text, read)
    if operator == "=":
        return _between(ends[1], ends[2], read)
    raise ValueFault(
        f"{quoted(text)} is a range, which works with = but not with {operator}",
        [Form(f"={text}")],
    )


def _compared(operator: str, text: str, read: Read) -> list[Interval]:
    # `>10:15` starts after the first nanosecond of that minute, `<=10:15` ends with its last.
    found = read(text)
    if operator == "=":
        return [Interval(each.first, each.last) for each in found]
    if operator == "<":
        return [Interval(None, found[0].low - 1)]
    if operator == "<=":
        return [Interval(None, found[-1].until)]
    if operator == ">":
        return [Interval(found[0].high + 1, None)]
    return [Interval(found[0].low, None)]


def _between(first: str, last: str, read: Read) -> list[Interval]:
    if not first and not last:
        raise ValueFault("a range needs a value before or after ..")
    if not first:
        return _compared("<=", last, read)
    if not last:
        return _compared(">=", first, read)
    low, least = read(first)[0].low, read(first)[0].high
    high = read(last)[-1].until
    if least > high:
        raise ValueFault(
            f"{first} is greater than {last}: the range is empty", [Form(f"={last}..{first}")]
        )
    return [Interval(low, high)]
