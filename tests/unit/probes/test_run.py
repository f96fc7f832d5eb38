# SPDX-License-Identifier: Apache-2.0
"""What a run makes of its tracer's frames; the tracer is a process that does nothing."""

from __future__ import annotations

import json
import socket
import subprocess
from collections.abc import Iterator
from typing import Any, ClassVar

import pytest

from app.columns.plan import Hook, Plan
from app.hub import Gap, Hub
from app.link.frames import HEADER, KIND_BATCH, KIND_JSON
from app.probes.planning import Columns
from app.probes.run import TracerRun
from app.probes.run_end import End
from app.probes.spawner import Tracer
from app.probes.spec import Filter, Where
from tests.support.waiting import PATIENCE_S, wait_until

KILLED = End("requested", "killed by the test")


class Stage:
    def __init__(self) -> None:
        ours, self.line = socket.socketpair()
        self.process = subprocess.Popen(["sleep", "1000"], stderr=subprocess.PIPE)
        self.hub = Hub(1 << 20, 1 << 20)
        self.changes: list[End | None] = []
        self.run = TracerRun(
            Tracer(self.process, ours),
            self.hub,
            self.hub.begin_run("fexit"),
            lambda run: self.changes.append(run.end),
        )
        self.run.begin(b"{}\n")
        self.heard = self.line.makefile("rb")
        assert self.heard.readline() == b"{}\n"

    def say(self, **message: Any) -> None:
        body = json.dumps(message).encode()
        self.line.sendall(HEADER.pack(len(body), KIND_JSON, 0) + body)

    def batch(self, rows: int) -> None:
        self.line.sendall(HEADER.pack(3, KIND_BATCH, rows) + b"abc")

    def report(self, produced: int, dropped: int) -> None:
        drops = {"ring_full": dropped}
        self.say(type="counters", produced=produced, dropped_kernel=dropped, drops=drops, cost=None)

    def gaps(self) -> list[tuple[str, int | None]]:
        items = self.hub.recent(None).items
        return [(item.where, item.rows) for item in items if isinstance(item, Gap)]

    def end(self) -> End:
        """Read all that was said, then end."""
        self.line.shutdown(socket.SHUT_WR)
        self.process.kill()
        self.run.join(PATIENCE_S)
        assert self.run.end is not None
        return self.run.end


@pytest.fixture
def stage() -> Iterator[Stage]:
    stage = Stage()
    yield stage
    stage.run.kill(KILLED)
    stage.run.join(PATIENCE_S)
    stage.heard.close()
    stage.line.close()


def test_losses_are_the_difference_of_totals(stage: Stage) -> None:
    stage.batch(5)
    stage.report(produced=7, dropped=2)
    stage.batch(4)
    stage.report(produced=14, dropped=3)  # one more in the kernel, and two in the pipe
    stage.report(produced=14, dropped=3)
    stage.end()
    assert stage.gaps() == [("kernel", 2), ("kernel", 1), ("pipe", 2)]
    assert stage.run.ledger.counters() == {
        "produced": 14,
        "delivered": 9,
        "dropped_kernel": 3,
        "dropped_pipe": 2,
        "dropped_client": 0,
    }
    assert stage.run.drops == {"ring_full": 3}


def test_filters_are_confirmed_in_order(stage: Stage) -> None:
    wanted = [Filter(uid=number) for number in range(3)]
    for number, each in enumerate(wanted):
        assert stage.run.change_filter(each, number + 1, f"caller {number}")
        assert stage.run.wanted_filter == each
    stage.say(type="filtered", number=2)  # and with it the first
    wait_until(lambda: stage.run.filtered == 2, "the confirmation")
    assert (stage.run.filter, stage.run.filter_by) == (wanted[1], "caller 1")
    assert stage.run.wanted_filter == wanted[2]
    stage.say(type="filtered", number=3)
    wait_until(lambda: stage.run.filtered == 3, "the last one")
    assert stage.run.wanted_filter is None


def test_both_filters_are_confirmed_by_number(stage: Stage) -> None:
    where = Where("a>1", {"tests": []}, "b=glob*")
    assert stage.run.change_where(where, 1, "ann")
    assert stage.run.change_filter(Filter(uid=1), 2, "bob")
    assert stage.run.wanted_filter == Filter(uid=1)
    assert stage.run.change_where(Where(), 3, "eve")
    assert stage.run.wanted_filter == Filter(uid=1)
    sent = [json.loads(stage.heard.readline()) for _ in range(3)]
    assert [(each["type"], each["number"]) for each in sent] == [
        ("where", 1),
        ("filter", 2),
        ("where", 3),
    ]
    assert (sent[0]["where"], sent[2]["where"]) == ({"tests": []}, None)
    stage.say(type="filtered", number=1)
    wait_until(lambda: stage.run.filtered == 1, "the first")
    assert (stage.run.where, stage.run.filter, stage.run.filter_by) == (where, None, "ann")
    stage.say(type="filtered", number=3)
    wait_until(lambda: stage.run.filtered == 3, "the last one")
    assert (stage.run.where, stage.run.filter) == (Where(), Filter(uid=1))
    assert (stage.run.filter_by, stage.run.wanted_filter) == ("eve", None)


def test_time_without_sight_is_a_gap(stage: Stage) -> None:
    blind = {"since": "2026-01-01T00:00:00.000000Z", "reason": "why", "hint": "what"}
    stage.say(type="sight", blind=blind)
    wait_until(lambda: stage.run.blind, "the report")
    assert stage.gaps() == []
    stage.end()
    assert stage.gaps() == [("unwatched", None)]
    assert stage.run.blind is None


def test_another_reason_is_no_other_gap(stage: Stage) -> None:
    blind = {"since": "2026-01-01T00:00:00.000000Z", "reason": "why", "hint": "what"}
    stage.say(type="sight", blind=blind)
    other = {**blind, "reason": "switched off"}
    stage.say(type="sight", blind=other)
    wait_until(lambda: stage.run.blind == other, "the second report")
    assert stage.gaps() == []
    stage.end()
    assert stage.gaps() == [("unwatched", None)]


@pytest.mark.parametrize(
    "message",
    [
        {"type": "nope"},
        {"kind": "stopped"},
        {"type": "counters"},
        {"type": "maps", "rings": [64], "drops": 5},
        {"type": "maps", "rings": [64], "drops": []},
        {"type": "sight", "blind": {}},
        {"type": "filtered", "number": "x"},
    ],
)
def test_a_malformed_message_ends_the_run(stage: Stage, message: dict[str, Any]) -> None:
    stage.run.change_filter(Filter(), 1)
    stage.say(**message)
    stage.run.join(PATIENCE_S)
    end = stage.run.end
    assert end and (end.code, end.detail) == ("tracer_failed", "malformed frame from tracer")
    assert stage.changes[-1] is end


@pytest.mark.parametrize(
    ("last_word", "code"),
    [
        ({"type": "stopped", "code": "duration", "detail": "over"}, "duration"),
        ({"type": "failed", "code": "unavailable", "detail": "no", "status": 501}, "unavailable"),
    ],
)
def test_the_last_word(stage: Stage, last_word: dict[str, Any], code: str) -> None:
    stage.say(**last_word, **({"reason": "why"} if code == "unavailable" else {}))
    end = stage.end()
    assert (end.code, end.orderly) == (code, code == "duration")
    assert end.extra == ({} if end.orderly else {"reason": "why"})


def test_columns_are_confirmed_with_their_filters_or_refused(stage: Stage) -> None:
    plan = Plan(Hook("syscall", "openat"), "tracepoint", True, (), (), (), {})
    wanted = Columns(("filename",), plan, Where("a>1"), Filter(uid=1))
    assert stage.run.change_columns(wanted, 1, "ann")
    assert stage.run.is_changing_columns
    stage.say(type="refused", number=1, code="tracer_failed", detail="no", status=502)
    wait_until(lambda: stage.run.refused, "the refusal")
    assert (stage.run.columns, stage.run.is_changing_columns) == (None, False)
    assert stage.run.change_columns(wanted, 2, "ann")
    stage.say(type="filtered", number=2)
    wait_until(lambda: stage.run.filtered == 2, "the confirmation")
    assert (stage.run.columns, stage.run.where) == (wanted, wanted.where)
    assert (stage.run.filter, stage.run.filter_by) == (wanted.filter, "ann")


class SetLedger:
    """A fake of KernelLedger: what the kernel counts is in the message."""

    open_sets: ClassVar[list[str]] = []

    def __init__(self, message: dict[str, Any], descriptors: list[int]) -> None:
        self.message, descriptors[:] = message, []
        self.groups: int | None = message.get("groups")
        self.open_sets.append(message["name"])

    def read(self, *, counts_misses: bool = True) -> dict[str, Any]:
        ring_full, missed = self.message["ring_full"], 1 if counts_misses else 0
        dropped = ring_full + missed
        return {
            "produced": self.message["records"] + dropped,
            "dropped_kernel": dropped,
            "drops": {"ring_full": ring_full, "recursion": missed},
        }

    def close(self) -> None:
        self.open_sets.remove(self.message["name"])


@pytest.fixture
def sets(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.setattr("app.probes.run.KernelLedger", SetLedger)
    monkeypatch.setattr(SetLedger, "open_sets", [])
    return SetLedger.open_sets


@pytest.mark.parametrize("retired", [[], [1], [0], [1, 0], [0, 0]])
def test_a_killed_tracer_s_sets_add_up(stage: Stage, sets: list[str], retired: list[int]) -> None:
    """However far a change of columns was, the totals are those of all sets."""
    for name, records, ring_full in (("a", 3, 0), ("b", 5, 2), ("c", 7, 4)):
        stage.say(type="maps", name=name, records=records, ring_full=ring_full)
    for place in retired:
        stage.say(type="retired", set=place)
    stage.batch(6)
    wait_until(lambda: stage.run.ledger.received == 6, "the batch")
    left = ["a", "b", "c"]
    for place in retired:
        del left[place]
    assert sets == left
    stage.end()
    assert sets == []
    assert stage.run.drops == {"ring_full": 6, "recursion": 1}  # misses are all sets' at once
    assert stage.gaps() == [("kernel", 7), ("pipe", 9)]
    assert stage.run.ledger.counters()["produced"] == 3 + 5 + 7 + 7


@pytest.mark.parametrize(
    ("groups", "is_orderly", "delivered"),
    [(7, False, [b"counted"]), (7, True, []), (None, False, [])],
)
@pytest.mark.usefixtures("sets")
def test_what_a_dead_tracer_has_counted_is_delivered(
    stage: Stage,
    groups: int | None,
    is_orderly: bool,
    delivered: list[bytes],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("app.probes.run.last_counts", lambda _request, _ledger: b"counted")
    stage.say(type="maps", name="a", records=0, ring_full=0, groups=groups)
    if is_orderly:
        stage.say(type="stopped", code="duration", detail="over")
    stage.end()
    snapshot = stage.hub.snapshot(stage.run.ledger.probe)
    assert ([] if snapshot is None else [snapshot.data]) == delivered


@pytest.mark.parametrize("place", [-1, 1, 2])
def test_the_set_in_force_is_not_retired(stage: Stage, sets: list[str], place: int) -> None:
    for name in ("a", "b"):
        stage.say(type="maps", name=name, records=1, ring_full=0)
    stage.say(type="retired", set=place)
    stage.run.join(PATIENCE_S)
    assert stage.run.end and stage.run.end.detail == "malformed frame from tracer"
    assert sets == []
