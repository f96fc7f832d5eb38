# SPDX-License-Identifier: Apache-2.0
"""Which command a command line names, and what `run` installs for it."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import get_args

import pytest

from app import ROOT
from app.cli import serve, service, token, vm, vm_exec
from app.cli.command import Command, Need
from app.cli.command_table import COMMANDS, DEFAULT, find
from app.config import CALLERS_FOLDER


@pytest.mark.parametrize(
    ("line", "command", "arguments", "needs"),
    [
        ("", serve, "", "root service environment"),
        ("--port 5001", serve, "--port 5001", "root service environment"),
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


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("--port=0", "0 is not between 1 and 65535"),
        ("--prot 80", "unrecognized arguments: --prot 80"),
        ("--vm-exe rm f", "unrecognized arguments: --vm-exe rm f"),
        ("--vm-exec=ls", "write the command after a space"),
        ("--port 7110 --vm-exec=ls -l", "write the command after a space"),
        ("--vm=yes", "argument --vm: "),
        ("--suite bookworm", "add --vm"),
        ("--suite=bookworm --port 1", "add --vm"),
        ("--vm --suite foo", "invalid choice: 'foo'"),
        ("--vm --prot 80", "unrecognized arguments: --prot 80"),
        ("--tls-self", "unrecognized arguments: --tls-self"),
        ("--vm --listen 0.0.0.0", "--vm serves this machine only"),
        ("--vm --hsts-max-age-s 1", "--vm serves this machine only"),
        ("--vm --tls-key /k", "--vm serves this machine only"),
        ("foo", "unknown command 'foo': the commands are token and service"),
        ("help", "unknown command 'help': the commands are token and service"),
        ("--port 7150 token list", "'token' must come before all options: ./run token"),
        ("--port=1 --vm service", "'service' must come before all options"),
        ("service install --prot 80", "unrecognized arguments: --prot 80"),
        ("service install --vm", "unrecognized arguments: --vm"),
    ],
)
def test_wrong_arguments_are_refused_before_anything_is_installed(
    line: str,
    words: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(service, "BOOTED", tmp_path)
    monkeypatch.setattr(service.os, "geteuid", lambda: 0)
    found, rest = find(line.split())
    for run in (found.needs, found.main):
        with pytest.raises(SystemExit) as ended:
            run(rest)
        assert ended.value.code == 2
        captured = capsys.readouterr()
        assert captured.out == ""  # which `run` reads
        assert words in captured.err.splitlines()[-1]


@pytest.mark.parametrize("line", ["add x --ro viewer", "--run /r list", "list --run /r"])
def test_no_option_of_tokens_is_abbreviated(line: str) -> None:
    with pytest.raises(SystemExit) as ended:
        token.main(line.split())
    assert ended.value.code == 2


def test_only_the_command_that_runs_is_imported() -> None:
    code = (
        "import sys; from app.cli.command_table import find; find(['token']); print(*sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    loaded = {name for name in done.stdout.split() if name.startswith("app.cli.")}
    assert loaded == {"app.cli.command", "app.cli.command_table", "app.cli.token"}


def test_relative_paths_for_a_machine_become_absolute(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(CALLERS_FOLDER, str(tmp_path))
    _, rest = vm.parse(["--vm", "--audit-log", "a.jsonl", "--port", "81"])
    assert rest == ["--audit-log", "a.jsonl", "--port", "81", f"--audit-log={tmp_path}/a.jsonl"]


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
    assert {f"app.cli.{module}" for module in modules} == {DEFAULT, *COMMANDS.values()}


def test_run_provides_every_need() -> None:
    provided = re.findall(r"^    (\w+)\)", (ROOT / "run").read_text(), re.MULTILINE)
    assert sorted(provided) == sorted(get_args(Need))
