# SPDX-License-Identifier: Apache-2.0
"""Probes with names of their own: what each command does, at once too, and that nothing stays.

The tracers and the planner are fakes.
"""

from __future__ import annotations

import gc
from concurrent.futures import Future
from dataclasses import replace
from typing import Any

import pytest

from app.columns.plan import Plan
from app.errors import ProbedeckError
from app.hub import Hub, Subscription
from app.presets.deletions.own_plan import own_plan
from app.probes import registry
from app.probes.modes import MODES
from app.probes.run_end import End
from app.probes.spec import DEFAULT_TARGET, FUNCTION, PRESET, Filter, ProbeSpec, Target
from tests.support.fake_planner import NOT_SEEN
from tests.support.hub_clients import take_all
from tests.support.manager_stage import DIED, MODE, OTHER, STOPPED, FakeRun, Stage, problem
from tests.support.waiting import PATIENCE_S, wait_until

NAME = "reads"
READ = Target(FUNCTION, "vfs_read")
WRITE = Target(FUNCTION, "vfs_write")


def messages(client: Subscription) -> list[Any]:
    return [item for item in take_all(client) if isinstance(item, dict)]


def begin_stop(stage: Stage, run: FakeRun, name: str = NAME) -> Future[Any]:
    stopping = stage.pool.submit(stage.manager.stop, name, "bob")
    assert run.asked_to_stop.wait(PATIENCE_S)
    return stopping


def stop(stage: Stage, run: FakeRun, name: str = NAME) -> Any:
    stopping = begin_stop(stage, run, name)
    run.report(end=STOPPED)
    return stopping.result(PATIENCE_S)


def names(stage: Stage) -> list[str]:
    return [probe["id"] for probe in stage.manager.describe_all()["probes"]]


def test_it_exists_from_its_start_to_its_stop(stage: Stage) -> None:
    assert names(stage) == list(MODES)
    run = stage.start(NAME, target=READ, columns=("count", "state"), where="count>1")
    assert (run.request.probe, run.request.mode, run.request.function) == (NAME, MODE, "vfs_read")
    assert run.request.where == {"tests": [{"text": "count>1"}], "clauses": [[1, 1]]}
    assert names(stage) == [*MODES, NAME]
    described = stage.manager.describe(NAME)
    assert (described["id"], described["mode"], described["available"]) == (NAME, MODE, True)
    assert described["target"] == {"kind": "function", "name": "vfs_read"}
    assert (described["where"], described["where_in_service"]) == ("count>1", None)
    assert described["expressions"] == ["count", "state"]
    assert [column["name"] for column in described["columns"]][-2:] == ["count", "state"]
    assert [(each["value"], each["name"]) for each in described["names"]["state"]] == [
        (0, "RUNNING"),
        (1, "SLEEPING"),
    ]
    assert described["not_seen"] == []
    stage.hub.publish(run.ledger, 5, b"x")
    stopped = stop(stage, run)
    assert (stopped["state"], stopped["counters"]["delivered"]) == ("stopped", 5)
    assert stopped["changed_by"]["who"] == "bob"
    assert names(stage) == list(MODES)
    for call in (stage.manager.describe, stage.manager.stop):
        assert problem(lambda call=call: call(NAME)) == (404, "unknown_probe")  # type: ignore[misc]
    assert stage.hub.holds(NAME)  # the log keeps its rows


def test_what_a_client_is_told(stage: Stage) -> None:
    with stage.hub.subscribe(
        kind="test", peer="-", probes=None, recent=False, states_in_order=True
    ) as client:
        client.get(0)
        stop(stage, stage.start(NAME, target=READ))
        told: Any = messages(client)
    states = [message["state"] for message in told if message["type"] == "state"]
    assert states == ["starting", "running", "stopping", "stopped"]
    assert told[-1] == {"type": "forgotten", "probe": NAME}
    with stage.hub.subscribe(
        kind="test", peer="-", probes=None, recent=True, states_in_order=True
    ) as later:
        assert NAME not in {message["probe"]["id"] for message in messages(later)}


def test_a_mode_traces_a_target_while_it_runs(stage: Stage) -> None:
    run = stage.start(MODE, target=READ)
    assert stage.manager.describe(MODE)["target"] == {"kind": "function", "name": "vfs_read"}
    assert stop(stage, run, MODE)["state"] == "stopped"
    assert names(stage) == list(MODES)
    again = stage.start(MODE)
    assert Plan.from_json(again.request.plan) == own_plan("deletions", MODE)
    assert (again.request.where, again.request.function) == (None, "f")
    described = stage.manager.describe(MODE)
    assert (described["target"], described["names"]) == (None, {})
    assert "filename" in [column["name"] for column in described["columns"]]


def test_deletions_under_another_name(stage: Stage) -> None:
    run = stage.start("mine", target=DEFAULT_TARGET, mode="kprobe")
    assert Plan.from_json(run.request.plan) == own_plan("deletions", "kprobe")
    assert (run.request.mode, run.request.function) == ("kprobe", "f")
    described = stage.manager.describe("mine")
    assert described["target"] == {"kind": "preset", "name": "deletions"}
    assert described["not_seen"] == ["not by kprobe"]
    stage.start("kprobe", target=DEFAULT_TARGET)
    assert stage.manager.start("kprobe", ProbeSpec())[1] is False  # that is what it runs


def test_what_a_preset_does_not_see_is_said(stage: Stage) -> None:
    """While it runs, and with other columns."""
    run = stage.start(NAME, target=Target(PRESET, "reads"), columns=("count",))
    assert stage.manager.describe(NAME)["not_seen"] == list(NOT_SEEN)
    stop(stage, run)
    stage.start(NAME, target=READ)
    assert stage.manager.describe(NAME)["not_seen"] == []


def test_starting_what_runs(stage: Stage) -> None:
    stage.start(NAME, target=READ, columns=("count",))
    spec = ProbeSpec(target=READ, columns=("count",))
    assert stage.manager.start(NAME, spec)[1] is False
    with_mode = ProbeSpec(target=READ, columns=("count",), mode=MODE)
    assert stage.manager.start(NAME, with_mode)[1] is False  # it runs in that mode
    for other in (
        ProbeSpec(target=WRITE, columns=("count",)),
        ProbeSpec(target=READ, columns=("pos",)),
        ProbeSpec(target=READ, columns=("count",), where="count>1"),
        ProbeSpec(target=READ, columns=("count",), mode="kprobe"),
    ):
        with pytest.raises(ProbedeckError) as caught:
            stage.manager.start(NAME, other)
        assert (caught.value.status, caught.value.code) == (409, "running_differently")
        assert caught.value.extra["running"]["target"] == {"kind": "function", "name": "vfs_read"}
    assert len(stage.runs) == 1


def test_a_mode_that_this_kernel_does_not_allow(stage: Stage) -> None:
    with pytest.raises(ProbedeckError) as caught:
        stage.manager.start(NAME, ProbeSpec(target=READ, mode="fentry"))
    assert (caught.value.status, caught.value.code) == (501, "unavailable")
    assert caught.value.extra["alternatives"] == ["fexit", "kprobe", "preset reads"]
    assert caught.value.extra["instead"] == [
        {"kind": "preset", "name": "reads", "note": "instead of vfs_read"}
    ]
    sched = ProbeSpec(target=Target("tracepoint", "sched:sched_switch"))
    with pytest.raises(ProbedeckError) as none:
        stage.manager.start(NAME, sched)
    assert (none.value.status, none.value.extra["alternatives"]) == (501, [])
    assert names(stage) == list(MODES)  # what never ran leaves nothing


def test_only_failures_needs_a_result(stage: Stage) -> None:
    stage.working.add("tracepoint")
    for spec in (
        ProbeSpec(Filter(only_failures=True), target=READ, mode="kprobe"),
        ProbeSpec(Filter(only_failures=True), target=Target("tracepoint", "sched:sched_switch")),
    ):
        assert problem(lambda spec=spec: stage.manager.start(NAME, spec)) == (422, "not_at_entry")  # type: ignore[misc]
    stage.start(NAME, target=READ, filter=Filter(only_failures=True))


def test_no_tracer_can_be_started(stage: Stage) -> None:
    stage.spawner.problem = OSError(11, "Resource temporarily unavailable")
    spec = ProbeSpec(target=READ)
    assert problem(lambda: stage.manager.start(NAME, spec)) == (502, "tracer_failed")
    assert names(stage) == list(MODES)


def test_one_that_failed_is_there_until_it_is_deleted(stage: Stage) -> None:
    starting = stage.pool.submit(stage.manager.start, NAME, ProbeSpec(target=READ))
    stage.run(1).report(end=DIED)
    assert problem(starting) == (502, "tracer_failed")
    assert stage.manager.describe(NAME)["state"] == "failed"
    stage.start(NAME, target=WRITE).report(end=DIED)  # and can be started differently
    described = stage.manager.describe(NAME)
    assert (described["state"], described["function"]) == ("failed", "g")
    assert stage.manager.stop(NAME)["state"] == "failed"
    assert names(stage) == list(MODES)


def test_the_time_since_a_failure_is_a_gap_when_it_is_deleted(stage: Stage) -> None:
    stage.start(NAME, target=READ).report(end=DIED, ended_s=1.0)
    stage.manager.stop(NAME)
    (gap,) = stage.hub.recent(None).items
    assert (gap.probe, gap.where, gap.since_s) == (NAME, "unwatched", 1.0)  # type: ignore[union-attr]


def test_one_whose_duration_is_over_is_there_until_it_is_deleted(stage: Stage) -> None:
    run = stage.start(NAME, target=READ, duration_s=5.0)
    stage.hub.publish(run.ledger, 5, b"x")
    run.report(end=End("duration", "over"))
    ended = stage.manager.describe(NAME)
    assert (ended["state"], ended["ended"] and ended["ended"]["code"]) == ("stopped", "duration")
    deleted = stage.manager.stop(NAME)
    assert deleted["ended"] and deleted["ended"]["code"] == "duration"
    assert deleted["counters"]["delivered"] == 5
    assert names(stage) == list(MODES)


def test_a_stop_that_fails_forgets_nothing(stage: Stage) -> None:
    run = stage.start(NAME, target=READ)
    stopping = begin_stop(stage, run)
    run.report(end=DIED)
    assert problem(stopping) == (502, "tracer_failed")
    assert stage.manager.describe(NAME)["state"] == "failed"
    assert stage.manager.stop(NAME)["state"] == "failed"
    assert names(stage) == list(MODES)


def test_a_restart_and_one_that_is_cancelled(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    first = stage.start(NAME, target=READ, where="count>1", restart=True)
    first.report(end=DIED, ended_s=1.0)
    second = stage.run(2)
    assert second.request.plan == first.request.plan
    assert second.request.where == first.request.where
    second.report(attached=True)
    wait_until(lambda: stage.manager.describe(NAME)["state"] == "running", "the restart")
    monkeypatch.setattr("app.probes.restart.FIRST_WAIT_S", 1000.0)
    second.report(end=DIED, ended_s=2.0)
    assert stage.manager.stop(NAME)["state"] == "stopped"
    assert names(stage) == list(MODES)
    assert len(stage.runs) == 2


def test_where_is_shown_once_it_is_confirmed(stage: Stage) -> None:
    run = stage.start(NAME, target=READ)
    change = stage.pool.submit(stage.manager.change, NAME, {"where": "comm=glob*"}, "eve")
    wait_until(lambda: run.sent, "the request")
    assert stage.manager.describe(NAME)["where"] is None
    run.confirm()
    changed = change.result(PATIENCE_S)
    assert (changed["where"], changed["where_in_service"]) == ("comm=glob*", "comm=glob*")
    assert changed["changed_by"]["what"] == "filter"
    spec = ProbeSpec(target=READ, where="comm=glob*")
    assert stage.manager.start(NAME, spec)[1] is False
    removal = stage.pool.submit(stage.manager.change, NAME, {"where": None})
    wait_until(lambda: len(run.sent) == 2, "the request")
    run.confirm()
    assert removal.result(PATIENCE_S)["where"] is None


def test_where_and_filter_are_changed_together(stage: Stage) -> None:
    run = stage.start(NAME, target=READ, filter=Filter(uid=1))
    changes = {"where": "count>1", "filter": {"pid": 7}}
    change = stage.pool.submit(stage.manager.change, NAME, changes)
    wait_until(lambda: len(run.sent) == 2, "both requests")
    run.confirm(0)
    run.confirm(1)
    changed = change.result(PATIENCE_S)
    assert (changed["where"], changed["filter"]["pid"], changed["filter"]["uid"]) == (
        "count>1",
        7,
        1,
    )


def test_a_bad_where_changes_nothing(stage: Stage) -> None:
    run = stage.start(NAME, target=READ)
    changes = {"where": "!", "filter": {"pid": 7}}
    assert problem(lambda: stage.manager.change(NAME, changes)) == (422, "invalid")
    changes = {"where": "a>1", "filter": {"only_failures": True}}
    entry = stage.start("entry", target=READ, mode="kprobe")
    assert problem(lambda: stage.manager.change("entry", changes)) == (422, "not_at_entry")
    assert (run.sent, entry.sent) == ([], [])


def test_columns_are_shown_once_they_are_confirmed(stage: Stage) -> None:
    run = stage.start(NAME, target=READ, columns=("count",), where="count>1", filter=Filter(uid=1))
    wanted = {"columns": ["pos", "state"], "filter": {"pid": 7}}
    change = stage.pool.submit(stage.manager.change, NAME, wanted, "eve")
    wait_until(lambda: run.sent, "the request")
    later = stage.pool.submit(stage.manager.change, NAME, {"where": "pos>2"})
    before = stage.manager.describe(NAME)
    assert (before["expressions"], before["filter"]["pid"]) == (["count"], None)
    ((_, sent, _),) = run.sent  # the other change waits, as its columns are not known yet
    assert (sent.where.text, sent.filter) == ("count>1", Filter(uid=1, pid=7))
    assert [each.column.name for each in sent.plan.outputs][-2:] == ["pos", "state"]
    run.confirm()
    changed = change.result(PATIENCE_S)
    assert (changed["expressions"], changed["filter"]["pid"]) == (["pos", "state"], 7)
    assert [changed["changed_by"][each] for each in ("who", "what")] == ["eve", "columns"]
    wait_until(lambda: len(run.sent) == 2, "the other request")
    run.confirm()
    assert later.result(PATIENCE_S)["where"] == "pos>2"
    spec = ProbeSpec(
        target=READ, columns=("pos", "state"), where="pos>2", filter=Filter(uid=1, pid=7)
    )
    assert stage.manager.start(NAME, spec)[1] is False  # the same as what runs


def test_a_restart_is_with_the_last_columns(stage: Stage) -> None:
    first = stage.start(NAME, target=READ, columns=("count",), restart=True)
    change = stage.pool.submit(stage.manager.change, NAME, {"columns": ["pos"], "where": "pos>2"})
    wait_until(lambda: first.sent, "the request")
    first.confirm()
    change.result(PATIENCE_S)
    first.report(end=DIED, ended_s=1.0)
    second = stage.run(2)
    ((_, sent, _),) = first.sent
    assert Plan.from_json(second.request.plan) == sent.plan
    assert second.request.where == sent.where.kernel


def test_columns_that_the_tracer_refuses_change_nothing(stage: Stage) -> None:
    run = stage.start(NAME, target=READ, columns=("count",))
    change = stage.pool.submit(stage.manager.change, NAME, {"columns": ["pos"]})
    wait_until(lambda: run.sent, "the request")
    refused = (run.sent[0][0], End("tracer_failed", "no memory", 502))
    run.report(refused=refused, is_changing_columns=False)
    assert problem(lambda: change.result(PATIENCE_S)) == (502, "tracer_failed")
    assert stage.manager.describe(NAME)["expressions"] == ["count"]


def test_columns_that_cannot_be(stage: Stage) -> None:
    run = stage.start(NAME, target=READ, where="count>1")
    for changes in ({"columns": ["+"]}, {"columns": ["pos"], "where": "!"}):
        assert problem(lambda: stage.manager.change(NAME, changes)) == (422, "invalid")  # noqa: B023
    assert run.sent == []


def test_columns_of_what_was_attached_before(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its module was loaded again meanwhile, so the function has another number in BTF."""
    run = stage.start(NAME, target=READ)
    make = stage.planner.make_plan

    def make_moved(*arguments: Any) -> Plan:
        plan = make(*arguments)
        return replace(plan, hook=replace(plan.hook, function_id=9))

    monkeypatch.setattr(stage.planner, "make_plan", make_moved)
    change = {"columns": ["pos"]}
    assert problem(lambda: stage.manager.change(NAME, change)) == (409, "running_differently")
    assert run.sent == []


def test_columns_of_own_programs(stage: Stage) -> None:
    """Only those that the running programs read."""
    run = stage.start(MODE, columns=("path", "dfd"))
    for number, wanted in enumerate((["dfd"], ["path"])):
        change = stage.pool.submit(stage.manager.change, MODE, {"columns": wanted})
        wait_until(lambda: len(run.sent) == number + 1, "the request")  # noqa: B023
        run.confirm()
        described = change.result(PATIENCE_S)
        assert [column["name"] for column in described["columns"]][6:7] == wanted
        assert described["expressions"] == wanted
    assert problem(lambda: stage.manager.change(MODE, {"columns": ["a"]})) == (422, "invalid")
    other = stage.start(OTHER)
    changes = {"columns": ["path"]}
    assert problem(lambda: stage.manager.change(OTHER, changes)) == (409, "running_differently")
    assert other.sent == []


# --- At once ---


def test_starts_at_the_same_time_are_one_start(stage: Stage) -> None:
    spec = ProbeSpec(target=READ)
    futures = [stage.pool.submit(stage.manager.start, NAME, spec) for _ in range(8)]
    stage.run(1).report(attached=True)
    answers = [future.result(PATIENCE_S) for future in futures]
    assert sorted(is_new for _, is_new in answers) == [False] * 7 + [True]
    assert len(stage.runs) == 1


def test_stops_at_the_same_time_are_one_stop(stage: Stage) -> None:
    run = stage.start(NAME, target=READ)
    futures = [stage.pool.submit(stage.manager.stop, NAME) for _ in range(8)]
    assert run.asked_to_stop.wait(PATIENCE_S)
    run.report(end=STOPPED)
    failed = [future for future in futures if future.exception(PATIENCE_S)]
    assert {problem(future) for future in failed} <= {(404, "unknown_probe")}
    assert len(failed) < 8
    assert names(stage) == list(MODES)


def test_a_start_during_a_stop_is_a_new_probe_or_the_next_run(stage: Stage) -> None:
    """Whoever is first: the probe that the start answered with is there afterwards."""
    for round_ in range(50):
        run = stage.start(NAME, target=READ)
        count = len(stage.runs)
        stopping = begin_stop(stage, run)
        starting = stage.pool.submit(stage.manager.start, NAME, ProbeSpec(target=WRITE))
        run.report(end=STOPPED)
        assert stopping.result(PATIENCE_S)["state"] == "stopped"
        stage.run(count + 1).report(attached=True, function="w")
        assert starting.result(PATIENCE_S)[1], round_
        described = stage.manager.describe(NAME)
        assert (described["state"], described["function"]) == ("running", "w")
        stop(stage, stage.runs[-1])
        assert names(stage) == list(MODES)


def test_a_stop_overtaken_by_a_start_forgets_nothing(stage: Stage) -> None:
    run = stage.start(NAME, target=READ)
    stopping = begin_stop(stage, run)
    attaching = stage.attach_after(stopping, 2)
    with stage.manager._registry.get(NAME).changed:
        run.report(end=STOPPED)
        stage.manager.start(NAME, ProbeSpec(target=WRITE))
    attaching.result(PATIENCE_S)
    stopped = stopping.result(PATIENCE_S)
    assert (stopped["state"], stopped["target"]["name"]) == ("stopped", "vfs_read")
    assert stage.manager.describe(NAME)["state"] == "running"


def test_what_a_tracer_says_after_it_was_forgotten_is_told_to_nobody(stage: Stage) -> None:
    run = stage.start(NAME, target=READ)
    stop(stage, run)
    with stage.hub.subscribe(
        kind="test", peer="-", probes=None, recent=False, states_in_order=True
    ) as client:
        client.get(0)
        run.report(blind={"since": "", "reason": "", "hint": ""})
        stage.manager._monitor.poll()
        assert NAME not in {message["probe"]["id"] for message in messages(client)}


def test_the_end_of_the_service(stage: Stage) -> None:
    run = stage.start(NAME, target=READ)
    closing = stage.pool.submit(stage.manager.close)
    assert run.asked_to_stop.wait(PATIENCE_S)
    run.report(end=STOPPED)
    closing.result(PATIENCE_S)
    assert problem(lambda: stage.manager.start(NAME, ProbeSpec(target=READ))) == (503, "stopping")
    assert stage.manager.describe(NAME)["ended"]["code"] == "stopping"


# --- Many ---


def test_there_are_at_most_so_many(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "MAX_OWN_PROBES", 2)
    stage.start("a", target=READ)
    run = stage.start("b", target=READ)
    spec = ProbeSpec(target=READ)
    assert problem(lambda: stage.manager.start("c", spec)) == (429, "too_many_probes")
    assert stage.manager.start("a", spec)[1] is False
    stage.start(MODE, target=READ)  # the modes are always there
    stop(stage, run, "b")
    stage.start("c", target=READ)


class QuickRun(FakeRun):
    """A fake run that attaches and stops at once, after a batch."""

    def begin(self, request: bytes) -> None:
        super().begin(request)
        self.report(attached=True)

    def stop(self) -> None:
        self.hub.publish(self.ledger, 3, bytes(100))
        self.report(end=STOPPED)


def test_thousands_of_names_leave_nothing(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    stage.hub = hub = Hub(64 << 10, 64 << 10)  # which holds some 180 of the batches
    stage.manager = manager = stage.make_manager(stage.settings)
    monkeypatch.setattr("app.probes.launcher.TracerRun", QuickRun)
    with (
        hub.subscribe(kind="a", peer="-", probes=None, recent=True) as quick,
        hub.subscribe(kind="b", peer="-", probes=None, recent=True, states_in_order=True) as slow,
        hub.subscribe(kind="c", peer="-", probes=frozenset({"x"}), recent=True) as other,
    ):

        def rounds(names: range) -> int:
            for number in names:
                assert manager.start(f"p{number}", ProbeSpec(target=READ))[1]
                stopped = manager.stop(f"p{number}")
                assert stopped["counters"]["delivered"] == 3
                if number % 10 == 0:
                    for client in (quick, slow, other):
                        messages(client)
                    manager._monitor.poll()
            stage.planner.planned.clear()
            gc.collect()
            return len(gc.get_objects())

        before = rounds(range(300))
        after = rounds(range(300, 2000))
        assert after < before + 500  # objects; one for each name would be 1,700
        start = hub.recent(None)
        assert len(start.rows_before(start.next_row)) <= 64
        assert sum(batch.rows for batch in start.batches) + start.missed == 6_000
    assert names(stage) == list(MODES)
