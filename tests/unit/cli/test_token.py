# SPDX-License-Identifier: Apache-2.0
"""`./run token`, on the tokens of a folder."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from app import ROOT
from app.access.tokens import LOCK_NAME, OPERATOR, TokenFile
from app.cli import token


@pytest.fixture
def tokens(tmp_path: Path) -> TokenFile:
    return TokenFile(tmp_path)


def test_the_command(
    tokens: TokenFile, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: tokens.path.parent.stat().st_uid)
    monkeypatch.setattr(token.os, "geteuid", lambda: 0)

    def run(*arguments: str) -> tuple[int, str, str]:
        status = token.main(["--run-dir", str(tokens.path.parent), *arguments])
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    if tokens.path.parent.stat().st_uid != 0:
        pytest.skip("the command is root's")
    status, out, errors = run("add", "lab1")
    assert (status, out) == (1, "")
    assert "is not the folder of a service" in errors
    (tokens.path.parent / LOCK_NAME).touch()  # as a service leaves it there
    status, secret, errors = run("add", "lab1", "--role", "operator")
    assert status == 0
    assert str(tokens.path.parent) in errors
    found = tokens.find(secret.strip())
    assert found is not None
    assert found.role == OPERATOR
    status, out, _ = run("list")
    assert (status, out.split()[:3]) == (0, ["lab1", "operator", "made"])
    assert secret.strip() not in out
    status, new, _ = run("rotate", "lab1")
    assert status == 0
    assert tokens.find(secret.strip()) is None
    assert tokens.find(new.strip()) is not None
    status, out, errors = run("revoke", "lab1")
    assert (status, out) == (0, "")
    assert str(tokens.path.parent) in errors
    assert tokens.all() == ()
    status, out, errors = run("revoke", "lab1")
    assert (status, out) == (1, "")
    assert "no token 'lab1'" in errors


@pytest.mark.parametrize("command", [["list"], ["add", "x"], ["rotate", "x"], ["revoke", "x"]])
@pytest.mark.parametrize("kind", ["missing", "empty", "file", "open"])
def test_a_folder_that_is_no_services_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], command: list[str], kind: str
) -> None:
    if os.geteuid() != 0:
        pytest.skip("the command is root's")
    folder = tmp_path / "run"
    if kind == "file":
        folder.touch()
    elif kind != "missing":
        folder.mkdir()
    if kind == "open":
        (folder / LOCK_NAME).touch()
        folder.chmod(0o777)
    before = sorted(tmp_path.rglob("*"))
    assert token.main(["--run-dir", str(folder), *command]) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert str(folder) in captured.err
    assert "--run-dir" in captured.err
    assert captured.err.count("\n") == 1
    assert sorted(tmp_path.rglob("*")) == before


def test_the_folder_may_be_named_behind_the_command(
    tokens: TokenFile, capsys: pytest.CaptureFixture[str]
) -> None:
    if os.geteuid() != 0:
        pytest.skip("the command is root's")
    folder = str(tokens.path.parent)
    (tokens.path.parent / LOCK_NAME).touch()
    assert token.main(["add", "x", "--run-dir", folder]) == 0
    assert token.main(["--run-dir", folder, "list"]) == 0
    assert "x " in capsys.readouterr().out


@pytest.mark.parametrize(
    ("redirection", "words"),
    [
        (">/dev/full", "No space left on device. The new token was taken back"),
        ("| sleep 0", "Broken pipe. The new token was taken back"),
        (">&-", "closed or /dev/null. Nothing was changed"),
        (">/dev/null", "closed or /dev/null. Nothing was changed"),
    ],
)
@pytest.mark.parametrize("command", ["add new", "rotate old"])
def test_a_token_that_cannot_be_shown_is_not_stored(
    tokens: TokenFile, command: str, redirection: str, words: str
) -> None:
    if os.geteuid() != 0:
        pytest.skip("the command is root's")
    (tokens.path.parent / LOCK_NAME).touch()
    tokens.add("old", OPERATOR)
    before = tokens.path.read_bytes()
    status, errors = shell(f"token {command} --run-dir {tokens.path.parent}", redirection)
    assert status == 1
    assert words in errors
    assert [line for line in errors.splitlines() if not line.startswith("Tokens in")] == [
        errors.splitlines()[-1]
    ]
    assert tokens.path.read_bytes() == before


@pytest.mark.parametrize("command", ["token list", "--help", "token --help"])
@pytest.mark.parametrize("redirection", [">/dev/full", "| sleep 0"])
def test_output_that_is_lost_is_a_failure_in_one_line(
    tokens: TokenFile, command: str, redirection: str
) -> None:
    if os.geteuid() != 0:
        pytest.skip("the command is root's")
    (tokens.path.parent / LOCK_NAME).touch()
    tokens.add("old", OPERATOR)
    if "list" in command:
        command += f" --run-dir {tokens.path.parent}"
    status, errors = shell(command, redirection)
    assert status == 1
    lines = [line for line in errors.splitlines() if not line.startswith("Tokens in")]
    assert len(lines) == 1
    assert lines[0].startswith("Standard output cannot be written: ")


def shell(command: str, redirection: str) -> tuple[int, str]:
    """Run a command with its output redirected; return its exit status and standard error."""
    python = shlex.quote(sys.executable)
    with tempfile.NamedTemporaryFile("r") as status:
        # `sleep`: the reader of the pipe has left by then.
        if redirection.startswith("|"):
            script = f"{{ sleep 0.5; {python} -m app {command}; echo $? >{status.name}; }} "
            script += redirection
        else:
            script = f"{python} -m app {command} {redirection}; echo $? >{status.name}"
        done = subprocess.run(
            ["sh", "-c", script], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60
        )
        return int(status.read()), done.stderr
