# SPDX-License-Identifier: Apache-2.0
"""An interrupted ./test leaves nothing behind: it ends its pytest, and all that this started."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from app import ROOT
from tests.support.waiting import PATIENCE_S, wait_until

# ./test with one part, whose pytest is given less time to end in order.
RUNNER = """
import signal
import sys
signal.signal(signal.SIGHUP, signal.SIG_DFL)  # as a terminal has it; under nohup it is ignored
from pathlib import Path
from tests.runner import parts, processes
folder = Path(sys.argv[1])
parts.RESULTS = folder / "results"
parts.HERE["case"] = lambda: parts.pytest("case", "--rootdir", str(folder), str(folder))
parts.PARTS.append("case")
parts.WITHOUT_ROOT.add("case")
if sys.argv[2] == "stubborn":
    processes.UNWIND_TIMEOUT_S = 0.5
sys.exit(parts.main(["case"]))
"""
# A child with a session of its own, as a service has, and one that has lost its parent.
CASE = """
import os, signal, subprocess, time
from pathlib import Path
import pytest

FOLDER = Path(__file__).parent
ORPHAN = "sleep 500 & echo $! >$0/orphan"

@pytest.fixture
def service():
    service = subprocess.Popen(["sleep", "500"], start_new_session=True)
    subprocess.run(["setsid", "sh", "-c", ORPHAN, str(FOLDER)], check=True)
    (FOLDER / "pytest").write_text(str(os.getpid()))
    (FOLDER / "new").write_text(str(service.pid))
    (FOLDER / "new").rename(FOLDER / "service")
    yield
    (FOLDER / "torn down").touch()

def test_hangs(service):
    STUBBORN
    while True:
        time.sleep(500)
"""
# A child whose parent has ended, and that is gone, not a zombie, once it ends itself.
ORPHANED = """
import subprocess
from pathlib import Path
from tests.support.waiting import wait_until

def test_an_orphan_is_reaped():
    started = subprocess.run(
        ["setsid", "sh", "-c", "sleep 0.2 >/dev/null 2>&1 & echo $!"],
        check=True, capture_output=True, text=True,
    )
    orphan = Path("/proc", started.stdout.strip())
    wait_until(lambda: not orphan.exists(), "the orphan to be gone", 20)
"""
IGNORE = "signal.signal(signal.SIGINT, signal.SIG_IGN)"


def start(folder: Path, case: str, kind: str = "obedient") -> subprocess.Popen[str]:
    (folder / "test_case.py").write_text(case)
    return subprocess.Popen(
        [sys.executable, "-c", RUNNER, str(folder), kind],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def start_hanging(folder: Path, kind: str) -> subprocess.Popen[str]:
    runner = start(folder, CASE.replace("STUBBORN", IGNORE if kind == "stubborn" else "pass"), kind)
    wait_until((folder / "service").exists, "the test to run")
    return runner


def alive(folder: Path) -> list[str]:
    found = []
    for name in ("pytest", "service", "orphan"):
        pid = int((folder / name).read_text())
        if Path(f"/proc/{pid}").exists():
            found.append(name)
    return found


@pytest.mark.parametrize("kind", ["obedient", "stubborn"])
@pytest.mark.parametrize("sig", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_whatever_interrupts_it_leaves_no_process(
    tmp_path: Path, sig: signal.Signals, kind: str
) -> None:
    runner = start_hanging(tmp_path, kind)
    assert alive(tmp_path) == ["pytest", "service", "orphan"]
    runner.send_signal(sig)
    said, _ = runner.communicate(timeout=PATIENCE_S)
    assert alive(tmp_path) == []
    assert (tmp_path / "torn down").exists() == (kind == "obedient")
    # SIGINT by the signal, as a program started by -c has it.
    assert runner.returncode == (-sig if sig == signal.SIGINT else 128 + sig)
    assert " passed, " not in said.splitlines()[-1]


def test_what_a_finished_pytest_leaves_is_ended_too(tmp_path: Path) -> None:
    runner = start_hanging(tmp_path, "obedient")
    os.kill(int((tmp_path / "pytest").read_text()), signal.SIGKILL)
    said, _ = runner.communicate(timeout=PATIENCE_S)
    assert alive(tmp_path) == []
    assert (runner.returncode, said.splitlines()[-1]) == (1, "0 passed, 1 failed")


def test_what_loses_its_parent_is_reaped_when_it_ends(tmp_path: Path) -> None:
    said, _ = start(tmp_path, ORPHANED).communicate(timeout=PATIENCE_S)
    assert said.splitlines()[-1] == "1 passed, 0 failed", said
