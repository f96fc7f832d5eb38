# SPDX-License-Identifier: Apache-2.0
"""When a probe is called blind, and when it sees again; the kernel and its programs are fakes."""

from __future__ import annotations

import re
import struct
from pathlib import Path

import pytest

from app import ROOT
from app.kernel import hints
from app.tracer import canary
from app.tracer.canary import INTERVAL_S, MISSES, RETRY_S, Seen, Sight, calls_of, unseen
from app.tracer.records import CANARY

CANARY_C = (ROOT / "bpf/canary.c").read_text()
ALL = {"unlink": Seen(1, 1), "unlinkat": Seen(1, 1), "rmdir": Seen(1, 1)}


class Kernel:
    """The map `canary`, and programs that see a call or not."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.value = bytes(struct.calcsize(CANARY))
        self.calls: list[str] = []
        self.tokens: list[int] = []
        self.runs = True
        monkeypatch.setattr(canary, "fail_to", self.call)

    def set(self, key: bytes, value: bytes) -> None:
        self.value = value

    def get(self, key: bytes) -> bytes:
        return self.value

    def call(self, call: str, token: int) -> None:
        self.calls.append(call)
        self.tokens.append(token)
        _, own, entered, left, missed = struct.unpack(CANARY, self.value)
        if self.runs and own == token:
            self.value = struct.pack(CANARY, 7, own, entered + 1, left + 1, missed)


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch) -> Kernel:
    return Kernel(monkeypatch)


def test_every_hook_of_a_mode_is_called(kernel: Kernel) -> None:
    calls = calls_of("tracepoint", ["on_enter_unlink", "on_exit"])
    assert canary.send(calls, kernel) == {call: Seen(1, 1) for call in calls}
    assert kernel.calls == ["unlink", "unlinkat", "rmdir", "rename", "renameat", "renameat2"]
    assert len(set(kernel.tokens)) == len(calls)
    assert calls_of("kprobe", ["on_entry"]) == ("unlinkat",)
    assert calls_of("fexit", ["on_entry", "on_rename"]) == ("unlinkat", "renameat2")


def test_nothing_is_left_of_the_last_canary(kernel: Kernel) -> None:
    canary.send(["unlinkat"], kernel)
    kernel.runs = False
    assert canary.send(["unlinkat"], kernel) == {"unlinkat": Seen(0, 0)}


def test_what_the_kernel_did_not_show_is_kept(kernel: Kernel) -> None:
    canary.add_missed(kernel, 2)
    canary.send(["unlink", "rename"], kernel)
    canary.add_missed(kernel, 1)
    assert canary.missed(kernel) == 3


@pytest.mark.parametrize(
    ("mode", "seen", "in_progress", "missing"),
    [
        ("fexit", {"unlinkat": Seen(1, 1)}, 0, []),
        ("fexit", {"unlinkat": Seen(1, 0)}, 5, ["the return of unlinkat"]),
        ("fexit", {"unlinkat": Seen(0, 1)}, 0, ["the entry of unlinkat"]),
        ("fentry", {"unlinkat": Seen(1, 0)}, 0, []),
        ("kprobe", {"unlinkat": Seen(0, 0)}, 0, ["the entry of unlinkat"]),
        ("kretprobe", {"unlinkat": Seen(1, 0)}, 0, ["the return of unlinkat"]),
        # Its instances may all be in use: what is missed then is counted as lost.
        ("kretprobe", {"unlinkat": Seen(1, 0)}, 1, []),
        ("kretprobe", {"unlinkat": Seen(0, 0)}, 1, ["the entry of unlinkat"]),
        (
            "tracepoint",
            {**ALL, "rmdir": Seen(0, 0), "unlink": Seen(1, 0)},
            0,
            ["the entry of rmdir", "the return of unlink", "the return of rmdir"],
        ),
    ],
)
def test_what_is_missing(
    mode: str, seen: dict[str, Seen], in_progress: int, missing: list[str]
) -> None:
    assert unseen(mode, seen, in_progress) == missing


class Checks:
    """What is missing at each check; time advances by a second."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *missing: bool) -> None:
        self.missing = list(missing)
        self.seconds = 0
        monkeypatch.setattr(canary, "now", self.now)
        self.reason = "why"
        monkeypatch.setattr(canary, "why_silent", lambda mode, missing: (self.reason, "how"))
        monkeypatch.setattr(canary.time, "sleep", lambda seconds: None)

    def now(self) -> str:
        self.seconds += 1
        return f"second {self.seconds}"

    def send(self) -> list[str]:
        return ["the entry"] if self.missing.pop(0) else []


def test_a_canary_may_go_unseen_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    checks = Checks(monkeypatch, *([True] * (MISSES - 1) + [False]) * 3)
    sight = Sight("fentry", checks.send)
    waits = []
    while checks.missing:
        assert not sight.check()
        waits.append(sight.interval_s)
    assert sight.blind is None
    assert waits == ([RETRY_S] * (MISSES - 1) + [INTERVAL_S]) * 3


def test_blind_since_it_last_saw_until_it_sees(monkeypatch: pytest.MonkeyPatch) -> None:
    checks = Checks(monkeypatch, False, *[True] * 6, False, False)
    sight = Sight("fentry", checks.send)
    assert [sight.check() for _ in range(9)] == [
        *(False, False, False, True, False, False, False, True, False)
    ]
    assert sight.blind is None
    checks.missing = [True] * MISSES
    while checks.missing:
        sight.check()
    assert sight.blind == {"since": "second 10", "reason": "why", "hint": "how"}
    assert sight.interval_s == INTERVAL_S


def test_the_reason_is_that_of_the_last_check(monkeypatch: pytest.MonkeyPatch) -> None:
    checks = Checks(monkeypatch, *[True] * (MISSES + 2))
    sight = Sight("kprobe", checks.send)
    assert [sight.check() for _ in range(MISSES)] == [False, False, True]
    before = sight.blind
    checks.reason = "switched off now"
    assert [sight.check(), sight.check()] == [True, False]
    assert before
    assert sight.blind == {**before, "reason": "switched off now"}


@pytest.mark.parametrize(
    ("missing", "answer"),
    [
        ([False], None),
        ([True, True, False], None),
        ([True] * MISSES, ("why", "how")),
    ],
)
def test_right_after_attaching(
    monkeypatch: pytest.MonkeyPatch, missing: list[bool], answer: tuple[str, str] | None
) -> None:
    checks = Checks(monkeypatch, *missing)
    assert Sight("fentry", checks.send).check_attached() == answer
    assert not checks.missing


def test_layout_is_that_of_the_c_text() -> None:
    body = re.search(r"struct canary \{(.*?)\n\};", CANARY_C, re.S)
    assert body
    kinds = re.findall(r"^\s+(\w+) \w+;", body[1], re.M)
    assert "=" + "".join({"u64": "Q", "u32": "I"}[kind] for kind in kinds) == CANARY


@pytest.fixture
def switches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "kprobes").mkdir()
    (tmp_path / hints.KPROBES_ENABLED).write_text("1\n")
    (tmp_path / "ftrace_enabled").write_text("1\n")
    monkeypatch.setattr(hints, "FTRACE_ENABLED", tmp_path / "ftrace_enabled")
    monkeypatch.setattr(hints, "DEBUGFS", tmp_path)
    return tmp_path


@pytest.mark.parametrize("mode", ["fentry", "fexit", "kprobe", "kretprobe", "tracepoint"])
@pytest.mark.parametrize(
    ("switch", "silenced", "reason", "hint"),
    [
        ("ftrace_enabled", {"fentry", "fexit", "kprobe", "kretprobe"}, "is 0", "sysctl -w"),
        (hints.KPROBES_ENABLED, {"kprobe", "kretprobe"}, "is 0", "echo 1"),
    ],
)
def test_why_programs_do_not_run(
    switches: Path, mode: str, switch: str, silenced: set[str], reason: str, hint: str
) -> None:
    (switches / switch).write_text("0\n")
    why, remedy = hints.why_silent(mode, ["the entry of unlinkat"])
    assert "the entry of unlinkat" in why
    if mode in silenced:
        assert switch in why
        assert reason in why
        assert hint in remedy
        assert switch in remedy
    else:
        assert switch not in why + remedy
