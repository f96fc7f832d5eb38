# SPDX-License-Identifier: Apache-2.0
"""What `run` and `test` install: once, again when something changed, never half."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

TREE = Path(__file__).resolve().parents[2]
INSTALL = TREE / "app/install.sh"
PYTHON = """\
#!/bin/sh
# Stands for the interpreter: makes a virtual environment whose pip notes what it installs.
case "$*" in
-VV) cat version ;;
"-m venv"*) mkdir -p "$4/bin" && cp "$0" "$4/bin/python" ;;
*"pip install"*) echo installed >>log && exit "$(cat status)" ;;
esac
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "a project"
    folder.mkdir()
    (folder / "python").write_text(PYTHON)
    (folder / "python").chmod(0o755)
    for name, text in (("version", "3.11"), ("status", "0"), ("requirements.txt", "flask==1")):
        (folder / name).write_text(text)
    return folder


def make(project: Path) -> int:
    """Make the environment, and give the exit status."""
    script = f'. "{INSTALL}"; python=$PWD/python; make_environment .venv requirements.txt'
    done = subprocess.run(["sh", "-euc", script], cwd=project, capture_output=True, check=False)
    return done.returncode


def installations(project: Path) -> int:
    log = project / "log"
    return len(log.read_text().splitlines()) if log.exists() else 0


def test_an_environment_is_made_once(project: Path) -> None:
    assert [make(project), make(project)] == [0, 0]
    assert installations(project) == 1


@pytest.mark.parametrize("name", ["version", "requirements.txt"])
def test_a_change_makes_it_anew(project: Path, name: str) -> None:
    make(project)
    (project / name).write_text("changed")
    assert make(project) == 0
    assert installations(project) == 2


def test_an_installation_that_failed_is_begun_again(project: Path) -> None:
    (project / "status").write_text("1")
    assert make(project) == 1
    assert not (project / ".venv/.installed").exists()
    (project / "status").write_text("0")
    assert make(project) == 0
    assert installations(project) == 2


@pytest.mark.skipif(os.geteuid() != 0, reason="root becomes somebody else here")
def test_without_root_nothing_is_installed_and_the_way_is_shown(tmp_path: Path) -> None:
    run = TREE / "run"
    program = (
        f"import os; os.setuid(65534); os.execv({str(run)!r}, [{str(run)!r}, '--port', '5001'])"
    )
    done = subprocess.run(
        ["/usr/bin/python3", "-c", program],
        cwd=tmp_path,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 1
    assert f"sudo {run} --port 5001" in done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (["service"], 2, "usage: ./run service"),
        (["service", "install", "--help"], 0, "--tls-self-signed"),
        (["service", "install", "--port=0"], 2, "usage: ./run service install"),
        (["service", "remove", "--vm"], 2, "--vm"),  # boots nothing
    ],
)
def test_the_service_command_is_explained_with_nothing_installed(
    arguments: list[str], status: int, words: str
) -> None:
    # In a namespace where systemd does not run, whatever runs here: nothing is installed.
    hidden = ["unshare", "--mount", "sh", "-c", 'mount -t tmpfs none /run; exec "$@"', "sh"]
    done = subprocess.run(
        [*(hidden if os.geteuid() == 0 else []), str(TREE / "run"), *arguments],
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == status
    assert words in done.stdout + done.stderr
