# SPDX-License-Identifier: Apache-2.0
"""Compiling in the background, one mode after the other, until a start or the end of it all."""

from __future__ import annotations

import logging
import subprocess
import sys
from collections.abc import Sequence

import pytest

from app.link.compiler import COMPILED
from app.probes.precompile import Precompiler
from tests.support.waiting import PATIENCE_S, wait_until

SLEEP = [sys.executable, "-c", "import time; time.sleep(1000)"]
FAIL = [sys.executable, "-c", "import sys; sys.exit('no such function')"]
ALL = [sys.executable, "-c", "print('fexit kprobe tracepoint')"]  # what is missing
QUICK = [sys.executable, "-c", f"raise SystemExit({COMPILED})"]


class FakeSpawner:
    """A fake of app.probes.spawner.Spawner, which starts processes from the caller's thread."""

    def __init__(self) -> None:
        self.processes: list[subprocess.Popen[bytes]] = []
        self.problem: OSError | None = None

    def start(self, command: Sequence[str]) -> subprocess.Popen[bytes]:
        if self.problem:
            raise self.problem
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.processes.append(process)
        return process


def precompiler(
    spawner: FakeSpawner, missing: Sequence[str] = ALL, **commands: Sequence[str]
) -> Precompiler:
    return Precompiler(spawner, commands, missing)  # type: ignore[arg-type]


def wait_for_end(made: Precompiler) -> None:
    made._thread.join(PATIENCE_S)
    assert not made._thread.is_alive()


def test_each_mode_is_compiled(caplog: pytest.LogCaptureFixture) -> None:
    spawner = FakeSpawner()
    wait_for_end(precompiler(spawner, fexit=QUICK, kprobe=QUICK))
    assert [process.returncode for process in spawner.processes] == [0, 0, 0]
    assert caplog.text == ""


def test_what_is_there_is_not_compiled_again(caplog: pytest.LogCaptureFixture) -> None:
    spawner = FakeSpawner()
    nothing = [sys.executable, "-c", ""]
    wait_for_end(precompiler(spawner, nothing, fexit=FAIL, kprobe=FAIL))
    assert len(spawner.processes) == 1
    kprobe = [sys.executable, "-c", "print('kprobe')"]
    wait_for_end(precompiler(spawner, kprobe, fexit=FAIL, kprobe=QUICK))
    assert [process.returncode for process in spawner.processes[1:]] == [0, 0]
    assert caplog.text == ""


def test_if_that_is_not_known_all_are_compiled(caplog: pytest.LogCaptureFixture) -> None:
    spawner = FakeSpawner()
    with caplog.at_level(logging.WARNING):
        wait_for_end(precompiler(spawner, FAIL, fexit=QUICK, kprobe=QUICK))
    assert len(spawner.processes) == 3
    assert "finding out what is missing: status 1: no such function" in caplog.text


def test_a_failure_is_logged_and_the_next_mode_compiled(caplog: pytest.LogCaptureFixture) -> None:
    spawner = FakeSpawner()
    with caplog.at_level(logging.WARNING):
        wait_for_end(precompiler(spawner, fexit=FAIL, kprobe=QUICK))
    assert caplog.messages == ["precompiling: fexit: status 1: no such function"]
    assert len(spawner.processes) == 3


def test_a_start_cancels_its_mode_only(caplog: pytest.LogCaptureFixture) -> None:
    spawner = FakeSpawner()
    made = precompiler(spawner, fexit=SLEEP, kprobe=QUICK, tracepoint=SLEEP)
    wait_until(lambda: len(spawner.processes) == 2, "the compiler")
    made.cancel("tracepoint")  # before its turn
    made.cancel("kretprobe")  # not asked for
    assert spawner.processes[1].poll() is None
    made.cancel("fexit")  # in its turn
    wait_for_end(made)
    assert [process.returncode for process in spawner.processes] == [0, -9, 0]
    assert caplog.text == ""


def test_the_end_of_the_service(caplog: pytest.LogCaptureFixture) -> None:
    spawner = FakeSpawner()
    made = precompiler(spawner, fexit=SLEEP, kprobe=SLEEP)
    wait_until(lambda: len(spawner.processes) == 2, "the compiler")
    made.close()
    assert [process.returncode for process in spawner.processes] == [0, -9]
    assert caplog.text == ""


def test_no_process_can_be_started(caplog: pytest.LogCaptureFixture) -> None:
    spawner = FakeSpawner()
    spawner.problem = OSError(12, "Cannot allocate memory")
    with caplog.at_level(logging.WARNING):
        wait_for_end(precompiler(spawner, fexit=QUICK))
    assert "Cannot allocate memory" in caplog.text
