# SPDX-License-Identifier: Apache-2.0
"""The turns of measuring; the kernel and the clock are fakes."""

from __future__ import annotations

import errno
import os

import pytest

from app.tracer import cost
from app.tracer.cost import ENOUGH_CALLS, PAUSE_S, CostMeter, RunTime


class Kernel:
    """Counts run time only while someone has it do so."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.time_s = 100.0
        self.totals = RunTime(7000, 3)  # from an earlier turn of someone else's
        self.opened: list[int] = []
        monkeypatch.setattr(cost, "monotonic", lambda: self.time_s)
        monkeypatch.setattr(cost, "enable_run_time_stats", self.enable)

    def enable(self) -> int:
        self.opened.append(os.open("/dev/null", os.O_RDONLY | os.O_CLOEXEC))
        return self.opened[-1]

    def run(self, calls: int, ns_per_call: int) -> None:
        if self.is_measuring():
            self.totals = RunTime(
                self.totals.time_ns + calls * ns_per_call, self.totals.calls + calls
            )

    def is_measuring(self) -> bool:
        return any(is_open(fd) for fd in self.opened)


def is_open(fd: int) -> bool:
    try:
        os.fstat(fd)
    except OSError:
        return False
    return True


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch) -> Kernel:
    return Kernel(monkeypatch)


def test_few_calls_are_measured_without_rest(kernel: Kernel) -> None:
    with CostMeter(lambda: kernel.totals) as meter:
        assert meter.measure() is None  # begins
        assert meter.measure() is None  # nothing was called
        kernel.run(2, 500)
        assert meter.measure() == {"calls": 2, "ns_per_call": 500.0}
        kernel.time_s += 1000
        kernel.run(1, 800)
        assert meter.measure() == {"calls": 3, "ns_per_call": 600.0}
        assert kernel.is_measuring()
    assert not kernel.is_measuring()


def test_pauses_after_enough_calls_and_then_measures_again(kernel: Kernel) -> None:
    with CostMeter(lambda: kernel.totals) as meter:
        meter.measure()
        kernel.run(ENOUGH_CALLS, 300)
        first = meter.measure()
        assert first == {"calls": ENOUGH_CALLS, "ns_per_call": 300.0}
        assert not kernel.is_measuring()
        kernel.run(50, 1)
        kernel.time_s += PAUSE_S / 2
        assert meter.measure() == first
        kernel.time_s += PAUSE_S / 2
        assert meter.measure() == first
        assert kernel.is_measuring()
        kernel.run(10, 900)
        assert meter.measure() == {"calls": 10, "ns_per_call": 900.0}
    assert not kernel.is_measuring()


def test_canaries_are_in_no_cost(kernel: Kernel) -> None:
    with CostMeter(lambda: kernel.totals) as meter:
        meter.measure()
        start = kernel.totals
        kernel.totals = RunTime(start.time_ns + 10 * 50, start.calls, 10, 50.0)
        assert meter.measure() is None
        kernel.totals = RunTime(start.time_ns + 10 * 50 + 2 * 700, start.calls + 2, 10, 50.0)
        assert meter.measure() == {"calls": 2, "ns_per_call": 700.0}


def test_kernel_that_cannot(kernel: Kernel, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def refuse() -> int:
        asked.append(True)
        raise OSError(errno.EINVAL, "Invalid argument")

    monkeypatch.setattr(cost, "enable_run_time_stats", refuse)
    with CostMeter(lambda: kernel.totals) as meter:
        assert [meter.measure() for _ in range(3)] == [None] * 3
    assert len(asked) == 1
