# SPDX-License-Identifier: Apache-2.0
"""Running programs, and leaving none of their processes behind, however the run ends.

pytest, the services that it starts and Chromium have sessions of their own, so a signal to one
process group does not reach them all. This process is therefore their subreaper
(PR_SET_CHILD_SUBREAPER, prctl(2)): whatever loses its parent becomes its child, where it is found.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from app import ROOT
from app.linux.libc import prctl

PR_SET_CHILD_SUBREAPER = 36  # linux/prctl.h
PART_TIMEOUT_S = 2400.0
# For an interrupted pytest, to tear down its fixtures; then it is killed with all it started.
UNWIND_TIMEOUT_S = 30.0
KILL_TIMEOUT_S = 10.0
REAP_EVERY_S = 0.05

_lock = threading.Lock()
_adopting = False
# Direct children that `command` did not start, and must not kill.
_others: set[int] = set()


def say(text: str) -> None:
    """Print a line and flush it, as the output may be a pipe."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def adopt_orphans() -> None:
    """Become the parent of every descendant that loses its own; raises OSError.

    From now on each child is one of `command` or `beside`: others are killed.
    """
    global _adopting  # noqa: PLW0603 - a property of the process
    prctl(PR_SET_CHILD_SUBREAPER, 1)
    _adopting = True


def command(argv: Sequence[str], timeout_s: float = PART_TIMEOUT_S, **environment: str) -> int:
    """Run a program at the root of the tree; return its exit status, 124 after a time-out.

    When this process is interrupted, the program is too, and has UNWIND_TIMEOUT_S to end in order.
    """
    with _lock:
        process = subprocess.Popen(
            argv, cwd=ROOT, env={**os.environ, **environment}, start_new_session=True
        )
    deadline = time.monotonic() + timeout_s
    try:
        while time.monotonic() < deadline:
            if _wait(process, REAP_EVERY_S):
                return process.returncode
            if _adopting:
                _reap(process.pid)
        say(f"{argv[0]}: not done within {timeout_s:g} s")
        return 124
    except BaseException:
        process.send_signal(signal.SIGINT)
        _wait(process, UNWIND_TIMEOUT_S)
        raise
    finally:
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass  # no process of the group is left, as it should be
        process.wait()
        if _adopting:
            kill_descendants()


def _wait(process: subprocess.Popen[bytes], timeout_s: float) -> bool:
    """Return whether the process has ended within that time."""
    try:
        process.wait(timeout_s)
    except subprocess.TimeoutExpired:
        return False
    return True


def _reap(running: int) -> None:
    """Reap adopted processes that have ended, as process 1 would: a test may wait for that."""
    with _lock:
        for pid in children(os.getpid()) - _others - {running}:
            os.waitpid(pid, os.WNOHANG)


def kill_descendants() -> None:
    """Kill what earlier commands left; not the processes of `beside`."""
    deadline = time.monotonic() + KILL_TIMEOUT_S
    while time.monotonic() < deadline:
        with _lock:
            left = [pid for child in children(os.getpid()) - _others for pid in family(child)]
            for pid in left:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    continue  # it ended in the meantime
                try:
                    os.waitpid(pid, os.WNOHANG)
                except ChildProcessError:
                    pass  # not ours yet: it is once its parent has ended
        if not left:
            return
        time.sleep(0.02)
    say(f"processes that do not end: {left}")


def children(pid: int) -> set[int]:
    """Return the children of a process, those of all its threads."""
    found: set[int] = set()
    try:
        for task in Path(f"/proc/{pid}/task").iterdir():
            found |= {int(child) for child in (task / "children").read_text().split()}
    except (FileNotFoundError, ProcessLookupError):
        pass  # it has ended
    return found


def family(pid: int) -> list[int]:
    """Return a process and its descendants."""
    return [pid, *(found for child in children(pid) for found in family(child))]


@contextmanager
def beside(argv: Sequence[str], output: IO[bytes]) -> Iterator[subprocess.Popen[bytes]]:
    """Run a program that `command` does not take for a remnant; on leaving, end it in order."""
    with _lock:
        process = subprocess.Popen(
            argv,
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        _others.add(process.pid)
    try:
        yield process
    finally:
        process.terminate()
        _wait(process, UNWIND_TIMEOUT_S)
        process.kill()
        process.wait()
        with _lock:
            _others.discard(process.pid)
