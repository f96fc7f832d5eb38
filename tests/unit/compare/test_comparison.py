# SPDX-License-Identifier: Apache-2.0
"""Comparing modes around a fake of the probe manager; rows are JSON here."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from app.compare import comparison as module
from app.compare.agreement import Row
from app.compare.comparison import CALLS, Comparison
from app.errors import ProbedeckError
from app.hub import Hub, Ledger
from app.probes.spec import Filter, ProbeSpec, Target
from app.web.api.rows import rfc3339

READ = ProbeSpec(target=Target("function", "vfs_read"))


class FakeManager:
    """A fake of ProbeManager, whose probes show the calls of `FakeCalls`."""

    def __init__(self, hub: Hub) -> None:
        self.hub = hub
        self.running: dict[str, tuple[ProbeSpec, Ledger]] = {}
        self.unavailable: set[str] = set()
        self.fails: set[str] = set()
        self.hides: dict[str, int] = {}  # of each mode, how many calls of each time

    def start(self, probe_id: str, spec: ProbeSpec, _actor: str) -> None:
        assert spec.mode is not None
        if spec.mode in self.unavailable:
            raise ProbedeckError(501, "unavailable", "not here", reason="why", hint="what")
        if spec.mode in self.fails:
            raise ProbedeckError(502, "tracer_failed", "it failed")
        self.running[probe_id] = spec, self.hub.begin_run(probe_id)

    def stop(self, probe_id: str, _actor: str) -> dict[str, Any]:
        spec, ledger = self.running.pop(probe_id)
        cost = {"calls": 1, "ns_per_call": 7.0} if spec.mode == "fexit" else None
        return {"counters": ledger.counters(), "cost": cost}

    def call(self, count: int) -> None:
        for probe_id, (spec, ledger) in self.running.items():
            assert spec.mode is not None
            shown = count - self.hides.get(spec.mode, 0)
            now = rfc3339([time.time_ns()])[0]
            rows = [{"time": now, "probe": probe_id, "mode": spec.mode, "tid": 1}] * shown
            self.hub.publish(ledger, shown, json.dumps(rows).encode())


class FakeCalls:
    """A fake of OwnCalls: a call takes 100 ns, and 50 more for each probe."""

    manager: FakeManager
    pid = 77

    def __enter__(self) -> FakeCalls:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def make(self, calls: int) -> float:
        self.manager.call(calls)
        return 100.0 + 50.0 * len(self.manager.running)


@pytest.fixture
def manager(monkeypatch: pytest.MonkeyPatch) -> FakeManager:
    fake = FakeManager(Hub(64 << 20, 1 << 20))
    monkeypatch.setattr(FakeCalls, "manager", fake, raising=False)
    monkeypatch.setattr(module, "OwnCalls", FakeCalls)
    monkeypatch.setattr(module, "SETTLE_S", 0.1)
    return fake


def rows_of(data: bytes) -> Iterator[Row]:
    yield from json.loads(data)


def compare(
    manager: FakeManager, spec: ProbeSpec, modes: list[str] | None = None
) -> dict[str, Any]:
    comparison = Comparison(manager, manager.hub)  # type: ignore[arg-type]
    return comparison.compare(spec, modes, 0.1, actor="ann", rows_of=rows_of)


def test_own_calls(manager: FakeManager) -> None:
    manager.unavailable = {"fentry"}
    found = compare(manager, ProbeSpec())
    assert found["agree"] is True
    assert (found["calls"], found["untraced_ns_per_call"]) == (CALLS, 100.0)
    modes = {each["mode"]: each for each in found["modes"]}
    assert modes["fentry"] == {
        **dict.fromkeys(modes["fentry"]),
        "mode": "fentry",
        "available": False,
        "reason": "why",
        "hint": "what",
    }
    for mode in ("fexit", "kprobe", "kretprobe", "tracepoint"):
        each = modes[mode]
        assert (each["rows"], each["missing"], each["lost"]) == (CALLS, 0, 0)
        assert (each["added_ns_per_call"], each["slow_down"]) == (50.0, 1.5)
        assert each["program_ns_per_call"] == (7.0 if mode == "fexit" else None)
    assert manager.running == {}


def test_what_a_mode_does_not_show_is_told(manager: FakeManager) -> None:
    manager.hides = {"kprobe": 3}
    found = compare(manager, ProbeSpec(), ["fexit", "kprobe"])
    missing = {each["mode"]: each["missing"] for each in found["modes"]}
    assert (found["agree"], missing) == (False, {"fexit": 0, "kprobe": 3})
    manager.hides = dict.fromkeys(("fexit", "kprobe"), 2)  # as it is known how many there were
    found = compare(manager, ProbeSpec(), ["fexit", "kprobe"])
    assert [each["missing"] for each in found["modes"]] == [2, 2]


def test_one_mode_agrees_with_none(manager: FakeManager) -> None:
    manager.unavailable = {"kprobe"}
    assert compare(manager, ProbeSpec(), ["fexit", "kprobe"])["agree"] is None
    manager.unavailable = {"fexit", "kprobe"}
    found = compare(manager, ProbeSpec(), ["fexit", "kprobe"])
    assert (found["agree"], found["compared"], found["differences"]) == (None, [], [])


@pytest.mark.parametrize(
    "spec",
    [READ, ProbeSpec(filter=Filter(uid=5)), ProbeSpec(where="comm=rm"), READ],
)
def test_calls_of_others_are_waited_for(manager: FakeManager, spec: ProbeSpec) -> None:
    timer = threading.Timer(0.05, lambda: manager.call(5))
    timer.start()
    found = compare(manager, spec, ["fentry", "fexit"])
    timer.join()
    assert (found["calls"], found["untraced_ns_per_call"], found["agree"]) == (None, None, True)
    assert [each["rows"] for each in found["modes"]] == [5, 5]
    assert [each["slow_down"] for each in found["modes"]] == [None, None]


def test_after_a_failure_nothing_runs(manager: FakeManager) -> None:
    manager.fails = {"kprobe"}
    with pytest.raises(ProbedeckError, match="it failed"):
        compare(manager, READ)
    assert manager.running == {}


def test_modes_that_cannot_trace_the_target(manager: FakeManager) -> None:
    with pytest.raises(ProbedeckError, match="tracepoint: a function can be traced in fexit"):
        compare(manager, READ, ["fexit", "tracepoint"])


def test_one_comparison_at_a_time(manager: FakeManager, monkeypatch: pytest.MonkeyPatch) -> None:
    comparison = Comparison(manager, manager.hub)  # type: ignore[arg-type]
    refused = []

    def start(*_: object) -> None:
        with pytest.raises(ProbedeckError) as caught:
            comparison.compare(READ, None, 0.1, actor="ann", rows_of=rows_of)
        refused.append(caught.value.code)
        raise ProbedeckError(501, "unavailable", "not here")

    monkeypatch.setattr(manager, "start", start)
    comparison.compare(READ, ["fentry", "fexit"], 0.01, actor="ann", rows_of=rows_of)
    assert refused == ["comparison_running"] * 2
    monkeypatch.undo()
