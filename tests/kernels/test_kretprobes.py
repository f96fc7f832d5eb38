# SPDX-License-Identifier: Apache-2.0
"""kretprobes follow many calls at once, and leave nothing in tracefs, however a tracer ends."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from tests.support import kernel
from tests.support.calls import EXIT_MODES, hold_names
from tests.support.fixtures import skip
from tests.support.recording import Recording, change
from tests.support.service import Service
from tests.support.waiting import wait_until

# More than any kernel follows by default on the CPUs of a test machine.
AT_ONCE = 100


@pytest.mark.suites("bullseye", "trixie-backports")
def test_as_many_at_once_as_other_modes(tracing: Service, modes: tuple[str, ...]) -> None:
    if not Path("/dev/fuse").exists():
        skip("FUSE, which holds the calls up, is not in this kernel")
    exit_modes = [mode for mode in modes if mode in EXIT_MODES]
    before = tracing.accounts(modes)
    recording = Recording(tracing, exit_modes)
    held = hold_names([20] * AT_ONCE, prefix="at-once-")
    for mode, rows in recording.rows().items():
        own = [row for row in rows if row["tid"] in held.names]
        assert {row["tid"]: row["filename"] for row in own} == held.names, mode
        assert len(own) == AT_ONCE
    after = tracing.accounts(modes)
    for mode in exit_modes:
        assert change("drops", before[mode], after[mode])["missed_return"] == 0, mode


def own_events() -> set[str]:
    return {line for line in kernel.tracefs_events() if ":probedeck/" in line}


def removers() -> set[int]:
    found = kernel.processes()
    return {
        process.pid
        for process in found
        if process.alive and any("kprobe_event_remover" in word for word in process.command)
    }


@pytest.mark.parametrize("dies", ["tracer", "remover and tracer"])
def test_killed_they_leave_no_event(idle: Service, modes: tuple[str, ...], dies: str) -> None:
    if "kretprobe" not in modes:
        skip("no kretprobes")
    assert own_events() == set()
    idle.start("kretprobe")
    assert own_events()
    assert removers()
    (tracer,) = idle.tracers()
    if dies == "remover and tracer":
        for pid in removers():
            os.kill(pid, signal.SIGKILL)
    os.kill(tracer.pid, signal.SIGKILL)
    wait_until(lambda: idle.probe("kretprobe")["state"] == "failed", "the probe to have failed")
    if dies == "remover and tracer":  # then the next start removes what was left
        assert own_events()
        idle.start("kretprobe")
        idle.stop("kretprobe")
    wait_until(lambda: not own_events(), "its events to be gone")
    wait_until(lambda: not removers(), "what removes them to have ended")
