# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from app import ROOT
from app.tracer import clock
from app.tracer.clock import WallClock, namespace_offset_ns

SLACK_NS = 1_000_000  # of a row's time


def test_a_monotonic_stamp_becomes_the_wall_clock_time() -> None:
    """Bracketed by the wall clock, not by a tolerance."""
    wall_clock = WallClock()
    before = time.time_ns()
    stamp = wall_clock.now_ns()
    after = time.time_ns()
    wall_clock.sample()
    (wall,) = np.array([stamp]) + wall_clock.offset_ns(np.array([stamp]))
    assert before - SLACK_NS <= wall <= after + SLACK_NS


@pytest.mark.parametrize(
    ("text", "offset_ns"),
    [
        ("monotonic           0         0\nboottime            0         0\n", 0),
        ("monotonic       86400         0\nboottime            0         0\n", 86400 * 10**9),
        ("monotonic          -1 500000000\nboottime           5         0\n", -500_000_000),
    ],
)
def test_the_offset_of_a_time_namespace(tmp_path: Path, text: str, offset_ns: int) -> None:
    file = tmp_path / "timens_offsets"
    file.write_text(text)
    assert namespace_offset_ns(file) == offset_ns


def test_a_kernel_without_time_namespaces(tmp_path: Path) -> None:
    assert namespace_offset_ns(tmp_path / "absent") == 0


def test_a_file_that_is_another(tmp_path: Path) -> None:
    (tmp_path / "other").write_text("boottime 0 0\n")
    with pytest.raises(ValueError, match="no line"):
        namespace_offset_ns(tmp_path / "other")


@pytest.mark.parametrize("offset_s", [86400, -5])
def test_in_a_time_namespace_the_stamps_are_the_machines(offset_s: int) -> None:
    """What the kernel's programs stamp with is the same for all namespaces."""
    script = "from app.tracer.clock import WallClock; print(WallClock().now_ns())"
    namespace = ["unshare", "--time", f"--monotonic={offset_s}", "--fork"]
    before = time.clock_gettime_ns(time.CLOCK_MONOTONIC)
    done = subprocess.run(
        [*namespace, sys.executable, "-c", script],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    after = time.clock_gettime_ns(time.CLOCK_MONOTONIC)
    if done.returncode and "unshare" in done.stderr:
        pytest.skip(done.stderr)
    assert before <= int(done.stdout) <= after


class Clocks:
    """Both clocks of a machine, set by a test; reading them takes a while."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.monotonic_ns, self.ahead_ns = 10**12, 10**18
        monkeypatch.setattr(clock, "clock_gettime_ns", self.read)
        monkeypatch.setattr(clock, "namespace_offset_ns", lambda: 0)

    def read(self, which: int) -> int:
        self.monotonic_ns += 100
        return self.monotonic_ns + (self.ahead_ns if which == time.CLOCK_REALTIME else 0)


def offsets(wall_clock: WallClock, *stamps: int) -> list[int]:
    array = np.array(stamps, dtype=np.uint64)
    return [int(x) for x in np.zeros(len(stamps), dtype=np.int64) + wall_clock.offset_ns(array)]


def test_a_step_holds_from_when_it_may_have_been(monkeypatch: pytest.MonkeyPatch) -> None:
    clocks = Clocks(monkeypatch)
    wall_clock = WallClock()
    first = clocks.ahead_ns
    wall_clock.sample()
    before_step = clocks.monotonic_ns
    long_ago = before_step - 10**10
    clocks.monotonic_ns += 50_000_000
    clocks.ahead_ns += 3600 * 10**9  # set, or asleep for an hour
    second = clocks.ahead_ns
    wall_clock.sample()
    in_between, later = before_step + 1, clocks.monotonic_ns + 5
    assert offsets(wall_clock, long_ago, before_step - 1000, in_between, later) == [
        first,
        first,
        second,
        second,
    ]
    clocks.monotonic_ns += 50_000_000
    clocks.ahead_ns -= 7200 * 10**9
    third = clocks.ahead_ns
    wall_clock.sample()
    assert offsets(wall_clock, clocks.monotonic_ns, long_ago, in_between) == [third, first, second]


def test_slewing_is_followed_and_no_step(monkeypatch: pytest.MonkeyPatch) -> None:
    clocks = Clocks(monkeypatch)
    wall_clock = WallClock()
    for _ in range(1000):
        wall_clock.sample()
        clocks.ahead_ns += 10_000
    assert wall_clock.offset_ns(np.array([1])) == clocks.ahead_ns - 10_000


def test_steps_that_are_remembered_are_few(monkeypatch: pytest.MonkeyPatch) -> None:
    clocks = Clocks(monkeypatch)
    wall_clock = WallClock()
    for _ in range(1000):
        wall_clock.sample()
        clocks.ahead_ns += 10**10
    last = clocks.ahead_ns - 10**10
    assert offsets(wall_clock, clocks.monotonic_ns) == [last]
    assert offsets(wall_clock, 1) == [last - 10**10 * (clock.STEPS - 1)]
