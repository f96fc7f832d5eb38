# SPDX-License-Identifier: Apache-2.0
"""`python -m app.cli.needs`, as `run` calls it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from app import ROOT


def test_a_python_without_packages_prints_the_needs() -> None:
    if not Path("/usr/bin/python3").exists():
        pytest.skip("no distribution Python here")
    done = subprocess.run(
        ["/usr/bin/python3", "-S", "-B", "-m", "app.cli.needs", "--vm"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (done.stdout, done.stderr) == ("root service environment machine\n", "")


def test_nothing_is_said_when_run_has_ended() -> None:
    """As after a SIGTERM to `run`, whose pipe then has no reader."""
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [sys.executable, "-m", "app.cli.needs"],
        cwd=ROOT,
        stdout=writing,
        stderr=subprocess.PIPE,
        check=False,
        timeout=60,
    )
    os.close(writing)
    assert (done.returncode, done.stderr) == (1, b"")


@pytest.mark.parametrize("module", ["app", "app.cli.needs"])
def test_an_interrupt_during_the_imports_is_silent(module: str) -> None:
    code = (
        "import runpy, sys\n"
        "class Interrupt:\n"
        "    def find_spec(self, name, *_):\n"
        "        if name in ('app.cli.serve', 'app.cli.command'): raise KeyboardInterrupt\n"
        "sys.meta_path.insert(0, Interrupt())\n"
        f"sys.argv = ['run']; runpy.run_module({module!r}, run_name='__main__', alter_sys=True)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, check=False, timeout=60
    )
    assert (done.returncode, done.stdout, done.stderr) == (130, b"", b"")
