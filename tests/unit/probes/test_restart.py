# SPDX-License-Identifier: Apache-2.0
"""When a failed probe is started again: the waits, and what ends them."""

from __future__ import annotations

import pytest

from app.probes import restart
from app.probes.restart import FIRST_WAIT_S, LONGEST_WAIT_S, STEADY_AFTER_S, Restarts


class Clock:
    def __init__(self) -> None:
        self.now_s = 1000.0

    def monotonic(self) -> float:
        return self.now_s


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(restart, "time", clock)
    return clock


def test_not_asked_for() -> None:
    restarts = Restarts()
    restarts.attached()
    assert restarts.failed() is None


def test_a_first_start_that_fails_is_not_repeated() -> None:
    assert Restarts(wanted=True).failed() is None


def test_waits_double_up_to_the_longest(clock: Clock) -> None:
    restarts = Restarts(wanted=True)
    restarts.attached()
    waits = []
    for _ in range(8):
        waits.append(restarts.failed())
        restarts.begin()  # and does not attach
    assert waits == [1, 2, 4, 8, 16, LONGEST_WAIT_S, LONGEST_WAIT_S, LONGEST_WAIT_S]
    assert restarts.count == 8


def test_the_wait_is_short_after_a_steady_run(clock: Clock) -> None:
    restarts = Restarts(wanted=True)
    restarts.attached()
    assert [restarts.failed(), restarts.failed(), restarts.failed()][0] == FIRST_WAIT_S
    restarts.begin()
    restarts.attached()
    clock.now_s += STEADY_AFTER_S
    assert restarts.failed() == FIRST_WAIT_S


def test_the_duration_counts_from_the_first_start(clock: Clock) -> None:
    restarts = Restarts(wanted=True, duration_s=100.0)
    assert restarts.left_s() == 100.0
    restarts.attached()
    clock.now_s += 60
    assert restarts.failed() == FIRST_WAIT_S
    restarts.begin()
    assert restarts.left_s() == 40.0
    restarts.attached()
    clock.now_s += 39.5
    assert restarts.failed() is None  # it would be over before the next start
    assert not restarts.is_waiting
