# SPDX-License-Identifier: Apache-2.0
"""Which command a command line names, and what `run` installs for it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import pytest

from app import ROOT
from app.cli import serve, service, token, vm, vm_exec
from app.cli.command import Command, Need
from app.cli.command_table import COMMANDS, find


@pytest.mark.parametrize(
    ("line", "command", "arguments", "needs"),
    [
        ("", serve, "", "root service environment"),
        ("--port 5001", serve, "--port 5001", "root service environment"),
        ("--port=0 token", serve, "--port=0 token", "root service environment"),
        ("--tls-self-signed", serve, "--tls-self-signed", "root service environment openssl"),
        ("--help", serve, "--help", ""),
        ("--port 1 -h --vm", serve, "--help", ""),
        ("--vm --help", serve, "--help", ""),
        ("--help --vm-exec ls", serve, "--help", ""),
        ("--vm", vm, "--vm", "root service environment machine"),
        ("--suite bookworm --vm", vm, "--suite bookworm --vm", "root service environment machine"),
        ("--vm-exec ls --help", vm_exec, "--vm-exec ls --help", "root"),
        ("--port 1 --vm-exec ls", vm_exec, "--port 1 --vm-exec ls", "root"),
        ("--vm --vm-exec ls --vm", vm_exec, "--vm --vm-exec ls --vm", "root"),
        ("token", token, "", ""),
        ("token add --help", token, "add --help", ""),
        ("token --vm", token, "--vm", ""),
        ("service status", service, "status", ""),
        ("service remove --vm", service, "remove --vm", ""),
        ("service install", service, "install", "root service environment"),
        ("service install --help", service, "install --help", ""),
        (
            "service install --tls-self-signed",
            service,
            "install --tls-self-signed",
            "root service environment openssl",
        ),
    ],
)
def test_the_command_and_its_needs(
    line: str,
    command: Command,
    arguments: str,
    needs: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(service, "BOOTED", tmp_path)
    monkeypatch.setattr(service.os, "geteuid", lambda: 0)
    found, rest = find(line.split())
    assert found is command
    assert list(rest) == arguments.split()
    assert list(found.needs(rest)) == needs.split()


@pytest.mark.parametrize(("uid", "booted"), [(0, False), (1000, True)])
def test_a_service_that_cannot_be_installed_needs_nothing(
    uid: int, booted: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "BOOTED", tmp_path if booted else tmp_path / "none")
    monkeypatch.setattr(service.os, "geteuid", lambda: uid)
    assert service.needs(["install"]) == ()


def test_every_command_is_in_the_table() -> None:
    modules = {path.stem for path in (ROOT / "app/cli").glob("*.py")}
    modules -= {"__init__", "command", "needs", "command_table"}
    named = {name.removeprefix("--").replace("-", "_") for name in COMMANDS}
    assert named | {"serve"} == modules


def test_run_provides_every_need() -> None:
    provided = re.findall(r"^    (\w+)\)", (ROOT / "run").read_text(), re.MULTILINE)
    assert sorted(provided) == sorted(get_args(Need))
