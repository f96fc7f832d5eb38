# SPDX-License-Identifier: Apache-2.0
"""The time of a row is the wall clock's, also after the wall clock was set."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support import kernel
from tests.support.batches import time_ns
from tests.support.fixtures import skip
from tests.support.recording import TIME_TOLERANCE_NS, Recording, mark
from tests.support.service import Service, running_service

HOUR_S = 3600


@contextmanager
def clock_set_by(seconds: int) -> Iterator[None]:
    """Set the wall clock forward or back, and back to the right time on leaving."""
    if not kernel.in_test_machine():
        pytest.skip("the clock is set only in the test machines")
    time.clock_settime(time.CLOCK_REALTIME, time.time() + seconds)
    try:
        yield
    finally:
        time.clock_settime(time.CLOCK_REALTIME, time.time() - seconds)


@pytest.mark.parametrize("seconds", [HOUR_S, -HOUR_S])
def test_time_is_right_after_the_clock_was_set(
    tracing: Service, modes: tuple[str, ...], seconds: int
) -> None:
    recording = Recording(tracing, modes)
    recording.rows()
    with clock_set_by(seconds):
        before_ns = time.time_ns()
        name = mark()
        after_ns = time.time_ns()
        rows = recording.rows()
    for mode in modes:
        (shown,) = (row for row in rows[mode] if row["filename"] == name)
        assert before_ns - TIME_TOLERANCE_NS <= time_ns(shown["time"])
        assert time_ns(shown["time"]) <= after_ns + TIME_TOLERANCE_NS


@pytest.mark.suites("bookworm")
@pytest.mark.parametrize("seconds", [86400, -1])
def test_time_is_right_in_a_time_namespace(
    modes: tuple[str, ...], tmp_path: Path, cache: Path, seconds: int
) -> None:
    """`unshare -T --monotonic=86400 ./run`: the service's monotonic clock is not the kernel's."""
    if not Path("/proc/self/timens_offsets").exists():
        return  # a kernel without time namespaces
    mode = modes[-1]
    prefix = ("unshare", "--time", f"--monotonic={seconds}")
    if subprocess.run([*prefix, "true"], check=False).returncode:
        skip("no time namespace can be made here")
    with running_service(tmp_path, cache, prefix=prefix) as service:
        service.start(mode)
        (tracer,) = service.tracers()
        offsets = Path(f"/proc/{tracer.pid}/timens_offsets").read_text()
        assert offsets.split()[:2] == ["monotonic", str(seconds)]
        recording = Recording(service, [mode])
        before_ns = time.time_ns()
        name = mark()
        after_ns = time.time_ns()
        (shown,) = (row for row in recording.rows()[mode] if row["filename"] == name)
        assert before_ns - TIME_TOLERANCE_NS <= time_ns(shown["time"])
        assert time_ns(shown["time"]) <= after_ns + TIME_TOLERANCE_NS
        service.stop(mode)


def test_times_bracket_the_call(tracing: Service, modes: tuple[str, ...]) -> None:
    recording = Recording(tracing, modes)
    brackets = {}
    for _ in range(20):
        before_ns = time.time_ns()
        name = mark()
        brackets[name] = (before_ns - TIME_TOLERANCE_NS, time.time_ns() + TIME_TOLERANCE_NS)
    for mode, rows in recording.rows().items():
        times = {row["filename"]: time_ns(row["time"]) for row in rows}
        for name, (earliest, latest) in brackets.items():
            assert earliest <= times[name] <= latest, mode
