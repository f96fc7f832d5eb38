# SPDX-License-Identifier: Apache-2.0
"""A process ends with its parent, and has the name that it sets."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from app import ROOT
from app.linux.process import AUTOGROUP, is_child_of
from tests.support.waiting import PATIENCE_S, wait_until

# Prints its child's pid, and waits to be killed.
PARENT = """
import subprocess, sys
child = subprocess.Popen([sys.executable, "-c", sys.argv[1]], stdout=subprocess.PIPE)
child.stdout.readline()
print(child.pid, flush=True)
child.wait()
"""
CHILD = """
import os, time
from app.linux.process import end_with_parent
end_with_parent(os.getppid())
print("ready", flush=True)
time.sleep(600)
"""
ORPHAN = """
from app.linux.process import end_with_parent
try:
    end_with_parent(1 << 30)
except ProcessLookupError as error:
    print(error)
"""
NICED = """
import os
from app.linux.process import AUTOGROUP, keep_niceness
niceness = os.nice(3)
os.setsid()
print(keep_niceness(), niceness, AUTOGROUP.read_text().split()[-1])
"""
NAMED = """
from pathlib import Path
from app.linux.process import set_process_name
set_process_name("a name that is longer")
print(Path("/proc/self/comm").read_text(), end="")
"""


def output_of(program: str) -> str:
    return subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        check=True,
        capture_output=True,
        encoding="utf-8",
        timeout=PATIENCE_S,
    ).stdout


def has_ended(pid: int) -> bool:
    """Return whether it is gone, or a zombie that nobody reaps."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


def test_a_child_ends_with_its_killed_parent() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", PARENT, CHILD], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        assert not has_ended(child)
        parent.send_signal(signal.SIGKILL)
    wait_until(lambda: has_ended(child), "the child to end")


def test_a_parent_that_has_ended_is_noticed() -> None:
    assert output_of(ORPHAN) == f"the parent, process {1 << 30}, has ended\n"
    assert is_child_of(os.getppid())


def test_a_name_is_cut_after_15_bytes() -> None:
    assert output_of(NAMED) == "a name that is \n"


@pytest.mark.skipif(not os.access(AUTOGROUP, os.W_OK), reason="no CONFIG_SCHED_AUTOGROUP")
def test_a_new_session_is_as_nice_as_its_first_process() -> None:
    kept, niceness, of_session = output_of(NICED).split()
    assert (kept, of_session) == ("True", niceness)
