# SPDX-License-Identifier: Apache-2.0
"""The command line before anything is installed: help, wrong options, no root."""

from __future__ import annotations

import subprocess
from dataclasses import fields
from pathlib import Path

import pytest

from app import ROOT
from app.config import Settings

# Without site packages: what `./run --help` has on a fresh machine.
BARE = ["/usr/bin/python3", "-I", "-S", "-W", "error", "-c"]
START = f"import sys; sys.path.insert(0, {str(ROOT)!r}); from app.__main__ import main; "


def run(code: str) -> subprocess.CompletedProcess[str]:
    if not Path(BARE[0]).exists():
        pytest.skip("no distribution Python here")
    return subprocess.run(
        [*BARE, START + code], capture_output=True, text=True, timeout=60, check=False, cwd="/"
    )


def test_help_lists_every_option() -> None:
    done = run("main(['--help'])")
    assert (done.returncode, done.stderr) == (0, "")
    for field in fields(Settings):
        assert "--" + field.name.replace("_", "-") in done.stdout
    for other in ("--vm ", "--vm-exec", "--suite", "./run token", "./run service"):
        assert other in done.stdout


def test_without_root_it_says_what_to_do() -> None:
    done = run("import os; os.geteuid = lambda: 1000; sys.exit(main([]))")
    assert (done.returncode, done.stdout) == (1, "")
    assert "sudo ./run" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "argument",
    [
        *("--port=0", "--port=x", "--ring-mib=3", "--nonesuch"),
        *("--run-dir=", "--state-dir=", "--cache-dir=", "--audit-log=", "--btf-path="),
        *("--listen=0.0.0.0", "--listen=localhost", "--tls-cert=/c", "--hsts-max-age-s=1"),
        *("--port=1_0", "--port=\u0661", "--port= 80", "--start-timeout-s=1_0", "--owner-uid=1_0"),
        *("--tls-cert=", "--tls-key=", "--host-names=", "--host-names=,,", "--listen="),
        *("--trusted-peer=", "--suite=bookworm", "--vm-exec=ls", "--vm-exe", "foo"),
        *("--host-names=a.", "--host-names=a:5000", "--host-names=*.example"),
    ],
)
def test_wrong_options_are_refused_in_words(argument: str) -> None:
    done = run(f"main([{argument!r}])")
    assert done.returncode == 2
    assert "error: " in done.stderr
    assert "Traceback" not in done.stderr
