# SPDX-License-Identifier: Apache-2.0
"""`./run token`, on the tokens of a folder."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

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
