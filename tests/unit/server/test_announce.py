# SPDX-License-Identifier: Apache-2.0
"""What the terminal shows, and what hostile text does to it: nothing."""

from __future__ import annotations

import logging
import shlex
import sys
from pathlib import Path
from typing import Any

import pytest

from app import ROOT
from app.config import Settings
from app.probes.modes import MODES
from app.server.announce import announce_tokens, summary, token_command
from app.server.server_log import FORMAT, EscapingFormatter, printable

RUN = shlex.quote(f"{ROOT}/run")


def probes(**reasons: str | None) -> list[dict[str, Any]]:
    return [
        {"id": name, "available": name not in reasons, "reason": reasons.get(name)}
        for name in MODES
    ]


def test_all_modes_work() -> None:
    assert summary(probes()) == ["  modes: fentry, fexit, kprobe, kretprobe, tracepoint"]


def test_what_does_not_work_says_why_once_and_what_helps() -> None:
    assert summary(probes(fentry="EPERM", fexit="EPERM", kprobe="no kprobes")) == [
        "  modes: kretprobe, tracepoint",
        "  not on this kernel: fentry, fexit (EPERM)",
        "  not on this kernel: kprobe (no kprobes)",
        "  ./run --vm shows all modes inside a virtual machine",
    ]


def test_nothing_works() -> None:
    lines = summary(probes(**dict.fromkeys(MODES)))
    assert lines[0] == "  modes: none on this kernel"
    assert lines[-1].startswith("  ./run --vm")


@pytest.mark.parametrize("on_terminal", [True, False])
def test_first_tokens_are_shown_to_a_person_and_to_no_log(
    on_terminal: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Under systemd the output is the journal, which others than root may read."""
    monkeypatch.setattr(sys.stdout, "isatty", lambda: on_terminal)
    announce_tokens({"operator": "pd_secret"}, Settings())
    said = capsys.readouterr().out
    assert ("pd_secret" in said) == on_terminal
    assert ("./run token rotate" in said) != on_terminal


@pytest.mark.parametrize(
    ("settings", "command"),
    [
        (Settings(), "./run token rotate x"),
        (Settings(run_dir=Path("/srv/a b")), "./run token rotate x --run-dir '/srv/a b'"),
        (Settings(owner_uid=1000), "sudo ./run token rotate x"),
        (
            Settings(run_dir=Path("/srv/r"), owner_uid=1000),
            "sudo ./run token rotate x --run-dir /srv/r",
        ),
        (Settings(trusted_peer="10.0.2.2"), f"./run --vm-exec {RUN} token rotate x"),
        (
            Settings(trusted_peer="10.0.2.2", port=5001, run_dir=Path("/run/r")),
            f"./run --port 5001 --vm-exec {RUN} token rotate x --run-dir /run/r",
        ),
    ],
)
def test_the_command_for_tokens_is_whole(settings: Settings, command: str) -> None:
    """Without its folder, it would change the tokens of another instance."""
    assert token_command(settings, "rotate", "x") == command


@pytest.mark.parametrize("on_terminal", [True, False])
def test_the_start_tells_that_command(
    on_terminal: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: on_terminal)
    announce_tokens({"operator": "pd_secret"}, Settings(run_dir=Path("/srv/r")))
    assert " --run-dir /srv/r" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain é \U0001f600", "plain é \U0001f600"),
        ("a\nb\r\tc", "a\\nb\\r\\tc"),
        ("\x1b[31m\x07\x00\x7f", "\\x1b[31m\\x07\\x00\\x7f"),
        ("\u009b\u202e\u2028", "\\x9b\\u202e\\u2028"),
        ("\udcff", "\\udcff"),
    ],
)
def test_printable(text: str, shown: str) -> None:
    assert printable(text) == shown


def test_a_message_stays_one_line_and_a_traceback_lines() -> None:
    try:
        raise ValueError("evil\x1b[2J\nFAKE 2026 ERROR line")
    except ValueError as error:
        record = logging.LogRecord(
            "x", logging.ERROR, "f", 1, "GET %s", ("/a\nb",), (type(error), error, None)
        )
    shown = EscapingFormatter(FORMAT).format(record)
    assert "GET /a\\nb" in shown.splitlines()[0]
    assert "\x1b" not in shown
    assert "ValueError: evil\\x1b[2J" in shown.splitlines()[1]
