# SPDX-License-Identifier: Apache-2.0
"""A machine's output, line by line, and when a lost machine is retried."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.machine import machine, qemu
from app.machine.machine import Lines, LostMachineError, with_second_try


def test_lines_are_whole_and_bounded() -> None:
    lines: list[str] = []
    taker = Lines(lines.append, longest_bytes=8)
    for piece in (b"a", b"b\nc", b"\n\n", b"0123456789", b"x\n", b"rest"):
        taker.feed(piece)
    taker.end()
    taker.end()
    assert lines == ["ab", "c", "", "0123456789", "x", "rest"]


class Boots:
    """A `boot` with given outcomes: lost machines, or exit statuses."""

    def __init__(self, *outcomes: LostMachineError | int) -> None:
        self.outcomes = list(outcomes)
        self.kvm: list[bool] = []

    def __call__(self, host: qemu.Host) -> int:
        self.kvm.append(host.kvm)
        outcome = self.outcomes.pop(0)
        if isinstance(outcome, LostMachineError):
            raise outcome
        return outcome


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    host = qemu.Host("qemu", Path("virtiofsd"), kvm=True, threads=True)
    monkeypatch.setattr(machine.qemu, "detect", lambda: host)
    return []


def test_a_lost_machine_is_tried_once_more_in_emulation_and_that_is_said(said: list[str]) -> None:
    boots = Boots(LostMachineError("panic", True, ["Oops"]), 4)
    assert with_second_try(boots, said.append) == 4
    assert boots.kvm == [True, False]
    assert said == ["lost the machine: panic\nOops\nTrying once more."]


def test_there_is_no_third_try(said: list[str]) -> None:
    boots = Boots(LostMachineError("first", False, []), LostMachineError("second", False, []))
    with pytest.raises(LostMachineError, match="second"):
        with_second_try(boots, said.append)


def test_an_exit_status_is_no_reason_to_try_again(said: list[str]) -> None:
    assert with_second_try(Boots(1), said.append) == 1
    assert said == []


@pytest.mark.parametrize(
    ("lost", "again_when_started"),
    [
        (LostMachineError("slow", True, [], timed_out=True), True),
        (LostMachineError("x", True, []), False),
    ],
)
def test_some_are_not_tried_again(
    said: list[str], lost: LostMachineError, again_when_started: bool
) -> None:
    with pytest.raises(LostMachineError):
        with_second_try(Boots(lost), said.append, again_when_started)
    assert said == []
