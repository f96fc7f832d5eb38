# SPDX-License-Identifier: Apache-2.0
"""`./run service` without systemd, or without root; the rest is in tests/systemd."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from app.cli import service as command


@pytest.fixture
def unit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the unit would be; systemd is not there, and nothing of it may be called."""
    path = tmp_path / command.NAME
    monkeypatch.setattr(command, "UNIT", path)
    monkeypatch.setattr(command, "BOOTED", tmp_path / "none")
    monkeypatch.setenv("PATH", str(tmp_path))
    return path


@pytest.mark.parametrize(("uid", "words"), [(0, "systemd does not run"), (1000, "sudo ./run")])
def test_nothing_is_installed_without_systemd_or_root(
    unit: Path,
    uid: int,
    words: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: uid)
    assert command.main(["install"]) == 1
    assert words in capsys.readouterr().err
    assert not unit.exists()


def test_a_unit_is_removed_where_systemd_no_longer_runs(
    unit: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    unit.touch()
    assert command.main(["remove"]) == 0
    assert not unit.exists()
    assert command.main(["remove"]) == 0
    assert "no service to remove" in capsys.readouterr().out


@pytest.mark.parametrize("argv", [[], ["begin"], ["remove", "--port=1"], ["install", "--port=0"]])
def test_wrong_commands_are_refused_in_words(
    unit: Path, argv: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        command.main(argv)
    assert ended.value.code == 2
    assert "./run service" in capsys.readouterr().err


def test_folders_that_others_can_change_are_found(tmp_path: Path) -> None:
    owner = os.getuid()
    project = tmp_path / "open" / "project"
    project.mkdir(parents=True)
    project.chmod(0o755)
    project.parent.chmod(0o777)
    assert command.changeable(project, owner) == [project.parent]
    project.parent.chmod(0o1777)  # as /tmp: what is in there is its owner's
    assert command.changeable(project, owner) == []
    project.chmod(0o1777)  # but what is made in there is anyone's
    assert command.changeable(project, owner) == [project]
