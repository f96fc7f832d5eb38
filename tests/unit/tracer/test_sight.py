# SPDX-License-Identifier: Apache-2.0
"""When a probe is called blind, and when it sees again; the kernel is a fake."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.kernel import hints
from app.tracer import sight as sights
from app.tracer.sight import INTERVAL_S, MISSES, RETRY_S, Sight


class Checks:
    """What is missing at each check; time advances by a second."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *missing: bool) -> None:
        self.missing = list(missing)
        self.seconds = 0
        monkeypatch.setattr(sights, "now", self.now)
        self.reason = "why"
        monkeypatch.setattr(sights, "why_silent", lambda mode, missing: (self.reason, "how"))
        monkeypatch.setattr(sights.time, "sleep", lambda seconds: None)

    def now(self) -> str:
        self.seconds += 1
        return f"second {self.seconds}"

    def send(self) -> list[str]:
        return ["the entry"] if self.missing.pop(0) else []


def test_a_check_may_fail_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
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
