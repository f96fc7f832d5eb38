# SPDX-License-Identifier: Apache-2.0
"""The command line before anything is installed: help, wrong options, no root."""

from __future__ import annotations

import os
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
        *("--host-names=a.", "--host-names=a:5000", "--host-names=*.example"),
    ],
)
def test_wrong_options_are_refused_in_words(argument: str) -> None:
    done = run(f"main([{argument!r}])")
    assert done.returncode == 2
    assert "error: " in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("settings", "address"),
    [
        (Settings(), "http://localhost:5000/"),
        (Settings(tls_self_signed=True), "https://localhost:5000/"),
        (Settings(listen="0.0.0.0", tls_self_signed=True), "https://localhost:5000/"),
        (Settings(listen="192.0.2.1", tls_self_signed=True), "https://192.0.2.1:5000/"),
        (Settings(listen="2001:db8::1", tls_self_signed=True), "https://[2001:db8::1]:5000/"),
        (
            Settings(listen="::", tls_self_signed=True, host_names=("lab1",)),
            "https://lab1:5000/",
        ),
    ],
)
def test_the_address_that_people_are_told(settings: Settings, address: str) -> None:
    assert settings.checked().address == address


def test_the_worker_gets_the_same_settings() -> None:
    settings = Settings(
        port=8080,
        owner_uid=7,
        trusted_peer="10.0.2.2",
        listen="10.0.2.15",
        run_dir=Path("/r"),
        tls_cert=Path("/c"),
        tls_key=Path("/k"),
        host_names=("lab1", "lab1.example"),
    )
    assert Settings.from_environment({**os.environ, **settings.environment()}) == settings
