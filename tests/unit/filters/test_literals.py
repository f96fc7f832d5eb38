# SPDX-License-Identifier: Apache-2.0
"""Times in the service's zone; numbers are in tests/vectors/filter_cases.json."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import datetime, timezone

import pytest

from app.filters.fault import ValueFault
from app.filters.literals import Literal, time_literal

NS = 1_000_000_000
# 2026-06-15 12:00 UTC: 14:00 in Berlin.
NOON_S = int(datetime(2026, 6, 15, 12, tzinfo=timezone.utc).timestamp())


@pytest.fixture(params=["UTC", "Europe/Berlin", "America/St_Johns"])
def zone(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    yield from _zone(request.param, monkeypatch)


@pytest.fixture
def berlin(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    yield from _zone("Europe/Berlin", monkeypatch)


def _zone(name: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    with monkeypatch.context() as changed:
        changed.setenv("TZ", name)
        time.tzset()
        yield name
    time.tzset()


def starts(text: str, now_s: float = NOON_S) -> list[int]:
    return [each.first for each in time_literal(now_s)(text)]


def test_a_time_without_a_zone_is_the_services(zone: str) -> None:
    local = time.strftime("%H:%M", time.localtime(NOON_S))
    assert starts(local) == [NOON_S * NS]
    assert starts(f"2026-06-15T{local}") == [NOON_S * NS]
    assert starts("12:00Z") == [NOON_S * NS]
    assert starts("2026-06-15 13:00+01:00") == [NOON_S * NS]


def test_today_is_that_of_the_zone_that_is_given(berlin: str) -> None:
    late_s = int(datetime(2026, 6, 15, 23, 30, tzinfo=timezone.utc).timestamp())
    assert starts("01:30", late_s) == [late_s * NS]
    assert starts("23:30Z", late_s) == [late_s * NS]


def test_a_literal_is_as_long_as_its_last_part() -> None:
    for text, length in (("12:00Z", 60 * NS), ("12:00:00Z", NS), ("12:00:00.25Z", NS // 100)):
        (found,) = time_literal(NOON_S)(text)
        assert found == Literal(
            found.first, found.first, found.first, found.first + length - 1, found.until
        )
        assert found.until == found.last


def test_a_local_time_that_occurs_twice_or_never(berlin: str) -> None:
    first = int(datetime(2026, 10, 25, 0, 30, tzinfo=timezone.utc).timestamp()) * NS
    assert starts("2026-10-25T02:30") == [first, first + 3600 * NS]
    with pytest.raises(ValueFault, match="the clocks skipped it"):
        starts("2026-03-29T02:30")
    assert starts("2026-03-29T02:30Z")


def test_the_ends_of_the_calendar() -> None:
    assert starts("9999-12-31T23:59Z")
    with pytest.raises(ValueFault, match="years range from 0001"):
        starts("0000-01-01T00:00Z")
