# SPDX-License-Identifier: Apache-2.0
"""`python -m app.cli.needs`, as `run` calls it."""

from __future__ import annotations

import subprocess
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
