# SPDX-License-Identifier: Apache-2.0
"""Modes of an entry on a kernel: reasons of the entry before those of the mode."""

from __future__ import annotations

import pytest

from app.kernel.availability import Availability
from app.kernel.functions import Entry, Facts, Sources
from app.probes import function_modes
from app.probes.function_modes import entries_json, refusal_in
from app.probes.modes import MODES
from app.probes.planning import Other
from app.probes.spec import Target

WORKS = {mode: Availability(True, "do_unlinkat") for mode in MODES}
NO_KPROBES = {**WORKS, "kprobe": Availability(False, None, "there is no PMU", "build one")}
FOUND = Facts.SYMBOL | Facts.FTRACE
READ = Entry("vfs_read", "function", function_id=7, facts=FOUND)
VARARGS = Entry("sprintf", "function", function_id=8, facts=FOUND, signature_problem="varargs")


def nothing_else(_: Entry) -> list[Other]:
    return []


@pytest.fixture(autouse=True)
def lockdown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(function_modes, "lockdown_mode", lambda: "none")


def test_available() -> None:
    (answer,) = entries_json([READ], WORKS, nothing_else)
    available = {mode: answer["modes"][mode]["available"] for mode in MODES}
    assert available == {**dict.fromkeys(MODES, True), "tracepoint": False}
    assert answer["modes"]["fexit"] == {
        "available": True,
        "code": None,
        "reason": None,
        "hint": None,
        "instead": [],
    }


def test_a_mode_that_does_not_work_here() -> None:
    (answer,) = entries_json([READ], NO_KPROBES, nothing_else)
    assert answer["modes"]["kprobe"] == {
        "available": False,
        "code": "mode_unavailable",
        "reason": "kprobe does not work on this kernel: there is no PMU",
        "hint": "build one",
        "instead": [],
    }
    refusal = refusal_in(READ, "kprobe", NO_KPROBES)
    assert refusal is not None
    assert refusal.code == "mode_unavailable"
    assert refusal_in(READ, "kretprobe", NO_KPROBES) is None


def test_each_refused_mode_says_what_works_instead() -> None:
    offer = Other(Target("syscall", "read"), "traces calls of read")
    (answer,) = entries_json([READ], NO_KPROBES, lambda entry: [offer] if entry is READ else [])
    wanted = [{"kind": "syscall", "name": "read", "note": "traces calls of read"}]
    for mode, found in answer["modes"].items():
        assert found["instead"] == (wanted if mode in ("kprobe", "tracepoint") else [])


def test_lockdown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(function_modes, "lockdown_mode", lambda: "confidentiality")
    refusal = refusal_in(READ, "kprobe", NO_KPROBES)
    assert refusal is not None
    assert refusal.code == "lockdown"


def test_what_is_about_the_function_comes_first() -> None:
    nothing = {mode: Availability(False, None, "no", None) for mode in MODES}
    (answer,) = entries_json([VARARGS], nothing, nothing_else)
    codes = {mode: answer["modes"][mode]["code"] for mode in MODES}
    assert codes == {
        "fentry": "varargs",
        "fexit": "varargs",
        "kprobe": "mode_unavailable",
        "kretprobe": "mode_unavailable",
        "tracepoint": "not_a_tracepoint",
    }


def test_without_a_signature() -> None:
    (answer,) = entries_json([Entry("memcpy", "function", sources=Sources())], WORKS, nothing_else)
    assert answer["signature"] is None
    assert answer["parameters"] is None
    assert answer["modes"]["fentry"]["code"] == "no_symbol"
