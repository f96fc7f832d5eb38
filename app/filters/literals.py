# SPDX-License-Identifier: Apache-2.0
"""Literals in a filter: numbers with units or names, and times.

All arithmetic uses integers: as a float 16.002 s would be 16,002,000,000.000002 ns.
"""

from __future__ import annotations

import calendar
import re
import time
from collections.abc import Callable
from dataclasses import dataclass

from app.filters.fault import Form, ValueFault, quoted

NS_PER_UNIT = {"ns": 1, "us": 1_000, "ms": 1_000_000, "s": 1_000_000_000}
NUMBER = re.compile(
    r"([+-]?)(\d{1,3}(?:,\d{3})+|\d+)(?:\.(\d+))?\s*([a-zµμ]*)\Z", re.IGNORECASE | re.ASCII
)
HEX = re.compile(r"([+-]?)0x([0-9a-f]{1,16})\Z", re.IGNORECASE | re.ASCII)
SIGNED_BITS = {"int32": 32, "int64": 64}
MAX_DIGITS = 30  # no column has more, and longer literals only cost time
UNIT = re.compile(
    r"(?:[nuµμm]?s|[nuµμm]?secs?|seconds?|m|min|minutes?|h|hours?)\Z", re.IGNORECASE | re.ASCII
)

NumberOf = Callable[[str], "int | None"]


@dataclass(frozen=True)
class Literal:
    """The meaning of a literal.

    `low` and `high`: the value, rounded up and down to integers; `first` to `last`: what `=`
    matches; `until`: the last value that `<=` and a range up to it match.
    """

    low: int
    high: int
    first: int
    last: int
    until: int


Read = Callable[[str], "list[Literal]"]


def is_unit(word: str) -> bool:
    """Whether a bare word is a unit or resembles one, and so belongs to the number before it."""
    return UNIT.match(word) is not None


def number_literal(
    unit: str | None, number_of: NumberOf | None = None, column_type: str | None = None
) -> Read:
    """Return a reader of numbers.

    With `=` a number with a unit matches all values that round to it, since the page's table
    shows rounded values: 1.2ms is 1.15 ms to 1.25 ms. `number_of` looks up names of numbers. In a
    signed column 0xffffffff is -1, as it is shown. The reader raises ValueFault.
    """

    def read(literal: str) -> list[Literal]:
        ascii_minus = literal.replace("\u2212", "-", 1)  # the minus sign that the table shows
        hexadecimal = HEX.match(ascii_minus)
        if hexadecimal:
            return [_exactly(_hex_value(hexadecimal, SIGNED_BITS.get(column_type or "")))]
        match = NUMBER.match(ascii_minus)
        if not match or len(match[0]) > MAX_DIGITS:
            return [_named(literal, number_of)]
        sign, whole, fraction, suffix = match[1], match[2], match[3] or "", match[4]
        digits = int(whole.replace(",", "") + fraction) * (-1 if sign == "-" else 1)
        factor = _unit_factor(unit, suffix.lower())
        scale = 10 ** len(fraction)
        low, high = _upwards(digits * factor, scale), digits * factor // scale
        if not suffix:
            return [Literal(low, high, low, high, high)]
        first = _upwards((2 * digits - 1) * factor, 2 * scale)
        last = (2 * digits + 1) * factor // (2 * scale)
        return [Literal(low, high, first, last, high)]

    return read


def _upwards(value: int, by: int) -> int:
    return -(-value // by)


def _named(literal: str, number_of: NumberOf | None) -> Literal:
    value = number_of(literal) if number_of else None
    if value is None:
        names = " or a known name" if number_of else ""
        raise ValueFault(f"{quoted(literal)} is not a number{names}", _number_forms(literal))
    return _exactly(value)


def _exactly(value: int) -> Literal:
    return Literal(value, value, value, value, value)


def _hex_value(match: re.Match[str], bits: int | None) -> int:
    """Read a hexadecimal number; one with the sign bit set is negative in a signed column."""
    value = int(match[2], 16)
    if match[1] == "-":
        return -value
    return value - (1 << bits) if bits and value >> (bits - 1) == 1 else value


def bool_literal(literal: str) -> list[Literal]:
    """Read `true` or `false`, or 1 or 0, of a bool column. Raises ValueFault."""
    lower = literal.lower()
    if lower in ("true", "1"):
        return [_exactly(1)]
    if lower in ("false", "0"):
        return [_exactly(0)]
    raise ValueFault(f"{quoted(literal)} is not true or false", [Form("=true"), Form("=false")])


def _number_forms(literal: str) -> list[Form]:
    """Return what an invalid number may mean: 1,2 is `in (1, 2)`, 1-5 is `=1..5`."""
    matched = re.match(
        r"([+-]?[\d.]+[a-zµμ]*)(?:-|\u2013|:|\.{3}|to)([+-]?[\d.]+[a-zµμ]*)\Z",
        literal,
        re.IGNORECASE | re.ASCII,
    )
    if matched:
        return [Form(f"={matched[1]}..{matched[2]}")]
    parts = [part for part in re.split(r"[,;|]", literal) if part]
    is_list = len(parts) > 1 and not re.search(r"[<>=~!]", literal)  # 0|ret>5 holds a test
    return [Form(f" in ({', '.join(parts)})", is_list=True)] if is_list else []


def _unit_factor(unit: str | None, suffix: str) -> int:
    if not suffix:
        return 1
    if unit != "ns":
        raise ValueFault(f"{quoted(suffix)} is not expected: this column has no unit")
    named = re.sub(r"[µμ]", "u", suffix)
    named = re.sub(r"^([num]?)(?:secs?|seconds?)$", r"\1s", named)
    if named not in NS_PER_UNIT:
        raise ValueFault(f"{quoted(suffix)} is not a unit: use ns, µs, ms or s")
    return NS_PER_UNIT[named]


TIME = re.compile(
    r"(?:(\d{4})-(\d{2})-(\d{2})[T ]\s*)?"
    r"(\d{1,2}):(\d{2})(?::(\d{2})(?:\.(\d{1,9}))?)?"
    r"\s*(Z|[+\u2212-]\d{2}:?\d{2})?\Z",
    re.IGNORECASE | re.ASCII,
)
NS_PER_S = 1_000_000_000
S_PER_DAY = 86_400


def time_literal(now_s: float | None = None) -> Read:
    """Return a reader of times: `10:15`, `10:15:20`, `10:15:20.5` in local time on the day of now.

    With a date `2026-11-22T10:15`; in another zone with `Z` or `+01:00` at the end. The literal
    means the whole minute, second or fraction, both times if the clocks were set back and it
    occurred twice. In nanoseconds since 1970, UTC. The reader raises ValueFault.
    """

    def read(literal: str) -> list[Literal]:
        match = TIME.match(literal)
        if not match:
            raise ValueFault(f"{quoted(literal)} is not a time such as 10:15:20")
        year, month, day, hour, minute, second, fraction, zone = match.groups()
        offset_s = None if zone is None else _zone_seconds(literal, zone)
        if year is None:
            date = _today(time.time() if now_s is None else now_s, offset_s)
        else:
            date = (int(year), int(month), int(day))
        clock = (int(hour), int(minute), int(second or 0))
        digits = fraction or ""
        length = 60 * NS_PER_S if second is None else 10 ** (9 - len(digits))
        found = []
        for start_s in _starts(literal, date, clock, offset_s):
            first = start_s * NS_PER_S + int(digits.ljust(9, "0"))
            last = first + length - 1
            found.append(Literal(first, first, first, last, last))
        return found

    return read


def _starts(
    literal: str, date: tuple[int, int, int], clock: tuple[int, int, int], offset_s: int | None
) -> list[int]:
    """Return the instants of a date and time, in seconds since 1970; earliest first."""
    year, month, day = date
    hour, minute, second = clock

    def wrong(why: str) -> ValueFault:
        return ValueFault(f"{quoted(literal)} is not a time: {why}")

    if hour > 23:
        raise wrong("hours range from 0 to 23")
    if minute > 59 or second > 59:
        raise wrong("minutes and seconds range from 0 to 59")
    if not 1 <= month <= 12:
        raise wrong("months range from 01 to 12")
    if year < 1:
        raise wrong("years range from 0001 to 9999")
    days = calendar.monthrange(year, month)[1]
    if not 1 <= day <= days:
        raise wrong(f"{year:04}-{month:02} has {days} days")
    utc_s = calendar.timegm((year, month, day, hour, minute, second))
    if offset_s is not None:
        return [utc_s - offset_s]
    # The clocks may change that day: try the offsets before and after it.
    offsets = {_local_offset_s(utc_s + days * S_PER_DAY) for days in (-1, 1)}
    starts = [utc_s - offset for offset in offsets]
    starts = [start for start in starts if start + _local_offset_s(start) == utc_s]
    if not starts:
        raise wrong("the clocks skipped it")
    return sorted(starts)


def _local_offset_s(instant_s: float) -> int:
    return time.localtime(instant_s).tm_gmtoff


def _zone_seconds(literal: str, zone: str) -> int:
    if zone in "Zz":
        return 0
    digits = zone[1:].replace(":", "")
    hours, minutes = int(digits[:2]), int(digits[2:])
    if hours > 23 or minutes > 59:
        raise ValueFault(f"{quoted(literal)} is not a time: zones range from -23:59 to +23:59")
    return 60 * (60 * hours + minutes) * (1 if zone[0] == "+" else -1)


def _today(now_s: float, offset_s: int | None) -> tuple[int, int, int]:
    """Return the current year, month and day in a zone, by default the local one."""
    offset_s = _local_offset_s(now_s) if offset_s is None else offset_s
    there = time.gmtime(now_s + offset_s)
    return there.tm_year, there.tm_mon, there.tm_mday
