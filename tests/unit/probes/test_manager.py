# SPDX-License-Identifier: Apache-2.0
"""The manager: what each command does in each state, and what callers at the same time get.

The tracers are fakes: their conversation is tested in tests/integration/test_tracer_talk.py.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from app.config import Settings
from app.errors import ProbedeckError
from app.probes import manager as manager_module
from app.probes.manager import ProbeManager
from app.probes.run_end import End
from app.probes.spec import Filter, ProbeSpec
from tests.support.manager_stage import (
    BROKEN,
    DIED,
    MODE,
    OTHER,
    STOPPED,
    Stage,
    ended_by,
    problem,
)
from tests.support.waiting import PATIENCE_S, wait_until


def test_start_and_stop(stage: Stage) -> None:
    run = stage.start()
    future = stage.pool.submit(stage.manager.stop, MODE, "bob")
    assert run.asked_to_stop.wait(PATIENCE_S)
    assert stage.state == "stopping"
    run.report(end=STOPPED)
    described = future.result(PATIENCE_S)
    assert described["state"] == "stopped"
    assert described["changed_by"] and described["changed_by"]["who"] == "bob"
    assert problem(lambda: stage.manager.stop(MODE)) == (404, "not_running")


@pytest.mark.parametrize(
    "call",
    [
        lambda manager: manager.describe("x"),
        lambda manager: manager.start("x", ProbeSpec()),
        lambda manager: manager.change("x", {"filter": None}),
        lambda manager: manager.stop("x"),
    ],
)
def test_an_unknown_probe(stage: Stage, call: Callable[[ProbeManager], Any]) -> None:
    assert problem(lambda: call(stage.manager)) == (404, "unknown_probe")


def test_starting_what_runs(stage: Stage) -> None:
    stage.start()
    described, is_new = stage.manager.start(MODE, ProbeSpec())
    assert (described["state"], is_new) == ("running", False)
    other = ProbeSpec(Filter(uid=1))
    assert problem(lambda: stage.manager.start(MODE, other)) == (409, "running_differently")
    assert len(stage.runs) == 1


def test_starts_at_the_same_time_are_one_start(stage: Stage) -> None:
    futures = [stage.pool.submit(stage.manager.start, MODE, ProbeSpec()) for _ in range(8)]
    stage.run(1).report(attached=True)
    answers = [future.result(PATIENCE_S) for future in futures]
    assert sorted(is_new for _, is_new in answers) == [False] * 7 + [True]
    assert {described["state"] for described, _ in answers} == {"running"}
    assert len(stage.runs) == 1


def test_stops_at_the_same_time_are_one_stop(stage: Stage) -> None:
    run = stage.start()
    futures = [stage.pool.submit(stage.manager.stop, MODE) for _ in range(8)]
    assert run.asked_to_stop.wait(PATIENCE_S)
    run.report(end=STOPPED)
    failed = [future for future in futures if future.exception(PATIENCE_S)]
    assert [problem(future) for future in failed] == [(404, "not_running")] * 7


def test_a_stop_waits_for_the_start_before_it(stage: Stage) -> None:
    starting = stage.pool.submit(stage.manager.start, MODE, ProbeSpec())
    run = stage.run(1)
    stopping = stage.pool.submit(stage.manager.stop, MODE)
    assert not run.asked_to_stop.is_set()
    run.report(attached=True)
    assert starting.result(PATIENCE_S)[1]
    assert run.asked_to_stop.wait(PATIENCE_S)
    run.report(end=STOPPED)
    assert stopping.result(PATIENCE_S)["state"] == "stopped"


def test_no_answer_shows_a_state_that_the_run_has_left(stage: Stage) -> None:
    """The reader has noted a fact and waits for the lock, which the caller holds."""
    probe = stage.manager._registry.get(MODE)
    starting = stage.pool.submit(stage.manager.start, MODE, ProbeSpec())
    run = stage.run(1)
    with probe.changed:
        run.attached = True
        probe.changed.notify_all()
    assert starting.result(PATIENCE_S)[0]["state"] == "running"
    stopping = stage.pool.submit(stage.manager.stop, MODE)
    assert run.asked_to_stop.wait(PATIENCE_S)
    with probe.changed:
        run.end = STOPPED
        probe.changed.notify_all()
    assert stopping.result(PATIENCE_S)["state"] == "stopped"
    run.report()  # the reader's turn: nothing is new
    assert stage.state == "stopped"


def test_a_stop_of_what_has_just_ended(stage: Stage) -> None:
    run = stage.start()
    run.end = End("duration", "over")  # and its reader has not told yet
    assert problem(lambda: stage.manager.stop(MODE)) == (404, "not_running")
    ended = stage.manager.describe(MODE)["ended"]
    assert ended and ended["code"] == "duration"


def test_a_start_that_fails(stage: Stage) -> None:
    starting = stage.pool.submit(stage.manager.start, MODE, ProbeSpec())
    stage.run(1).report(end=DIED)
    assert problem(starting) == (502, "tracer_failed")
    assert stage.state == "failed"
    stage.start()  # and can be started again


@pytest.mark.parametrize("restart", [False, True])
def test_a_tracer_that_dies_is_logged_once_with_what_was_lost(
    stage: Stage, caplog: pytest.LogCaptureFixture, restart: bool
) -> None:
    run = stage.start(restart=restart)
    run.ledger.received = 7
    run.ledger.count_lost("kernel", 3)
    run.ledger.count_lost("pipe", 2)
    run.report(end=DIED)
    run.report()  # told again, and nothing new
    if restart:
        stage.run(2).report(attached=True)
        stage.wait_for("running")
    assert caplog.messages == [
        f"{MODE} failed: tracer_failed: it died; of 12 rows, 3 were lost in the kernel and 2 "
        "between tracer and service",
        *([f"{MODE} is started again"] if restart else []),
    ]


def test_one_that_dies_instead_of_stopping_is_logged_too(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    run = stage.start()
    stopping = stage.pool.submit(stage.manager.stop, MODE)
    assert run.asked_to_stop.wait(PATIENCE_S)
    run.report(end=DIED)
    assert problem(stopping) == (502, "tracer_failed")
    assert [message.partition(";")[0] for message in caplog.messages] == [
        f"{MODE} failed: tracer_failed: it died"
    ]


def test_an_end_in_order_is_not_logged(stage: Stage, caplog: pytest.LogCaptureFixture) -> None:
    stage.start().report(end=STOPPED)
    assert stage.state == "stopped"
    assert caplog.messages == []


def test_no_tracer_can_be_started(stage: Stage) -> None:
    stage.spawner.problem = OSError(11, "Resource temporarily unavailable")
    assert problem(lambda: stage.manager.start(MODE, ProbeSpec())) == (502, "tracer_failed")
    assert stage.state == "stopped"


def test_a_start_that_takes_too_long(stage: Stage) -> None:
    manager = stage.make_manager(Settings(owner_uid=0, start_timeout_s=0.01))
    assert problem(lambda: manager.start(MODE, ProbeSpec())) == (504, "start_timeout")
    assert manager.describe(MODE)["state"] == "failed"


def test_a_mode_that_does_not_work_is_checked_again(stage: Stage) -> None:
    before = stage.checks
    assert problem(lambda: stage.manager.start(BROKEN, ProbeSpec())) == (501, "unavailable")
    assert stage.checks == before + 1
    stage.working.add(BROKEN)
    future = stage.pool.submit(stage.manager.start, BROKEN, ProbeSpec())
    stage.run(1).report(attached=True)
    assert future.result(PATIENCE_S)[0]["available"]


def test_a_filter_is_shown_once_it_is_confirmed(stage: Stage) -> None:
    run = stage.start(filter=Filter(uid=1))
    with stage.hub.subscribe(
        kind="test", peer="-", probes=None, recent=False, states_in_order=True
    ) as client:
        client.get(0)
        change = stage.pool.submit(stage.manager.change, MODE, {"filter": {"pid": 7}}, "eve")
        wait_until(lambda: run.sent, "the request")
        assert stage.manager.describe(MODE)["filter"]["pid"] is None
        run.confirm()
        described = change.result(PATIENCE_S)
        assert (described["filter"]["pid"], described["filter"]["uid"]) == (7, 1)
        assert described["changed_by"] and described["changed_by"]["who"] == "eve"
        (told,) = client.get(PATIENCE_S)
        assert isinstance(told, dict)
        assert told["probe"]["filter"]["pid"] == 7
        assert client.get(0) == []  # told once


def test_a_change_during_a_stop(stage: Stage) -> None:
    run = stage.start()
    stopping = stage.pool.submit(stage.manager.stop, MODE)
    assert run.asked_to_stop.wait(PATIENCE_S)
    change = stage.pool.submit(stage.manager.change, MODE, {"filter": {"pid": 7}})
    run.report(end=STOPPED)
    assert stopping.result(PATIENCE_S)["state"] == "stopped"
    assert problem(change) == (404, "not_running")
    assert run.sent == []


def test_a_stop_during_a_change(stage: Stage) -> None:
    run = stage.start()
    change = stage.pool.submit(stage.manager.change, MODE, {"filter": {"pid": 7}})
    wait_until(lambda: run.sent, "the request")
    stopping = stage.pool.submit(stage.manager.stop, MODE)
    assert run.asked_to_stop.wait(PATIENCE_S)
    run.report(end=STOPPED)
    assert problem(change) == (404, "not_running")
    assert stopping.result(PATIENCE_S)["state"] == "stopped"


def test_a_filter_that_the_mode_cannot_test(stage: Stage) -> None:
    wanted = ProbeSpec(Filter(only_failures=True))
    assert problem(lambda: stage.manager.start(OTHER, wanted)) == (422, "not_at_entry")


def test_a_restart(stage: Stage) -> None:
    first = stage.start(restart=True, filter=Filter(uid=3))
    first.report(end=DIED, ended_s=1.0)
    second = stage.run(2)
    second.report(attached=True)
    stage.wait_for("running")
    described = stage.manager.describe(MODE)
    assert (described["restarts"], described["filter"]["uid"]) == (1, 3)
    (gap,) = stage.hub.recent(None).items
    assert (gap.where, gap.since_s) == ("unwatched", 1.0)  # type: ignore[union-attr]


def test_a_restart_that_is_cancelled(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.probes.restart.FIRST_WAIT_S", 1000.0)
    stage.start(restart=True).report(end=DIED, ended_s=1.0)
    ended = stage.manager.describe(MODE)["ended"]
    assert ended and ended["restart_at"] > ended["at"]
    described = stage.manager.stop(MODE)
    assert (described["state"], described["ended"]["code"]) == ("stopped", "requested")  # type: ignore[index]
    assert len(stage.runs) == 1


def test_a_failure_while_stopping_is_not_restarted(stage: Stage) -> None:
    run = stage.start(restart=True)
    stopping = stage.pool.submit(stage.manager.stop, MODE)
    assert run.asked_to_stop.wait(PATIENCE_S)
    run.report(end=DIED)
    assert problem(stopping) == (502, "tracer_failed")
    assert stage.state == "failed"
    assert "restart_at" not in (stage.manager.describe(MODE)["ended"] or {})


# --- Each answer is about the run that the caller handled ---


def test_a_stop_overtaken_by_a_start(stage: Stage) -> None:
    """It answers with the run that it stopped, and not with the next one."""
    run = stage.start(filter=Filter(pid=7))
    stage.hub.publish(run.ledger, 5, b"")
    stopping = stage.pool.submit(stage.manager.stop, MODE, "bob")
    assert run.asked_to_stop.wait(PATIENCE_S)
    stage.hub.lost(run.ledger, "kernel", 2)
    attaching = stage.attach_after(stopping, 2)
    spec = ProbeSpec(Filter(uid=1))
    next_one, is_new = stage.overtake(
        run, lambda: stage.manager.start(MODE, spec, "eve"), end=STOPPED
    )
    attaching.result(PATIENCE_S)
    assert (next_one["state"], next_one["filter"]["uid"], is_new) == ("running", 1, True)
    stopped = stopping.result(PATIENCE_S)
    assert (stopped["state"], stopped["ended"]["code"]) == ("stopped", "requested")
    assert (stopped["filter"]["pid"], stopped["filter"]["uid"]) == (7, None)
    assert stopped["changed_by"]["who"] == "bob"
    assert (stopped["counters"]["produced"], stopped["counters"]["delivered"]) == (7, 5)


def test_a_stop_that_failed_overtaken_by_a_start(stage: Stage) -> None:
    run = stage.start()
    stage.hub.publish(run.ledger, 5, b"")
    stopping = stage.pool.submit(stage.manager.stop, MODE)
    assert run.asked_to_stop.wait(PATIENCE_S)
    stage.hub.lost(run.ledger, "pipe", 2)
    attaching = stage.attach_after(stopping, 2)
    stage.overtake(run, lambda: stage.manager.start(MODE, ProbeSpec()), end=DIED)
    attaching.result(PATIENCE_S)
    error = stopping.exception(PATIENCE_S)
    assert isinstance(error, ProbedeckError)
    assert (error.status, error.code, error.extra["reason"]) == (502, "tracer_failed", "died")
    assert error.detail == "fexit did not stop in order: it died"
    assert error.extra["counters"] == {
        "produced": 7,
        "delivered": 5,
        "dropped_kernel": 0,
        "dropped_pipe": 2,
        "dropped_client": 0,
    }


def test_a_stop_that_takes_too_long(stage: Stage) -> None:
    run = stage.start()
    stage.manager._settings = replace(stage.settings, stop_timeout_s=0.01)
    stage.hub.publish(run.ledger, 5, b"")
    with pytest.raises(ProbedeckError) as caught:
        stage.manager.stop(MODE)
    assert (caught.value.status, caught.value.code) == (504, "stop_timeout")
    assert caught.value.extra["counters"]["produced"] == 5
    assert stage.state == "failed"


@pytest.mark.parametrize("end", [None, STOPPED, DIED], ids=["stopping", "stopped", "died"])
def test_a_start_overtaken_by_a_stop(stage: Stage, end: End | None) -> None:
    """It attached, whatever came of it since."""
    starting = stage.pool.submit(stage.manager.start, MODE, ProbeSpec(), "ann")
    run = stage.run(1)

    def end_it() -> None:
        if end is None:
            starting.exception(PATIENCE_S)
        assert run.asked_to_stop.wait(PATIENCE_S)
        run.report(end=end or STOPPED)

    ending = stage.pool.submit(end_it)
    stage.overtake(run, lambda: ended_by(stage.manager.stop, MODE, "bob"), attached=True)
    ending.result(PATIENCE_S)
    started, is_new = starting.result(PATIENCE_S)
    assert (started["state"], started["ended"], is_new) == ("running", None, True)
    assert started["changed_by"]["who"] == "ann"


def test_a_start_whose_run_attached_and_ended_at_once(stage: Stage) -> None:
    starting = stage.pool.submit(stage.manager.start, MODE, ProbeSpec())
    stage.run(1).report(attached=True, end=DIED)
    assert starting.result(PATIENCE_S)[0]["state"] == "running"
    assert stage.state == "failed"


def test_a_start_that_failed_overtaken_by_a_start(stage: Stage) -> None:
    starting = stage.pool.submit(stage.manager.start, MODE, ProbeSpec())
    run = stage.run(1)

    def attach_the_next() -> None:
        starting.exception(PATIENCE_S)
        stage.run(2).report(attached=True)

    attaching = stage.pool.submit(attach_the_next)
    stage.overtake(run, lambda: stage.manager.start(MODE, ProbeSpec()), end=DIED)
    attaching.result(PATIENCE_S)
    assert problem(starting) == (502, "tracer_failed")
    assert stage.state == "running"


def test_a_change_overtaken_by_a_stop(stage: Stage) -> None:
    run = stage.start(filter=Filter(uid=1))
    change = stage.pool.submit(stage.manager.change, MODE, {"filter": {"pid": 7}}, "eve")
    wait_until(lambda: run.sent, "the request")

    def end_it() -> None:
        change.exception(PATIENCE_S)
        run.report(end=STOPPED)

    ending = stage.pool.submit(end_it)
    with stage.manager._registry.get(MODE).changed:
        run.confirm()
        stage.manager.stop(MODE, "bob")
    ending.result(PATIENCE_S)
    changed = change.result(PATIENCE_S)
    assert (changed["state"], changed["filter"]["pid"], changed["filter"]["uid"]) == (
        "running",
        7,
        1,
    )
    assert changed["changed_by"]["who"] == "eve"


def test_a_change_overtaken_by_the_next(stage: Stage) -> None:
    run = stage.start()
    changes = []
    for wanted in ({"pid": 7}, {"uid": 1}):
        changes.append(stage.pool.submit(stage.manager.change, MODE, {"filter": wanted}))
        wait_until(lambda: len(run.sent) == len(changes), "the request")
    with stage.manager._registry.get(MODE).changed:
        run.confirm(0)
        run.confirm(1)
    shown = [change.result(PATIENCE_S)["filter"] for change in changes]
    assert [(each["pid"], each["uid"]) for each in shown] == [(7, None), (None, 1)]


def test_a_change_that_was_not_sent_is_not_confirmed_by_the_next(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = stage.start()
    monkeypatch.setattr(manager_module, "FILTER_TIMEOUT_S", 0.3)
    asked = threading.Event()

    def refuse(*_: Any) -> bool:
        asked.set()
        return False

    monkeypatch.setattr(run, "change_filter", refuse)
    refused = stage.pool.submit(stage.manager.change, MODE, {"filter": {"pid": 7}})
    assert asked.wait(PATIENCE_S)
    run.report(filtered=1 << 30, filter=Filter(uid=1))
    assert problem(refused) == (502, "tracer_failed")


def test_nobody_is_waited_for_in_the_end(stage: Stage) -> None:
    run = stage.start()
    stopping = stage.pool.submit(stage.manager.stop, MODE)
    assert run.asked_to_stop.wait(PATIENCE_S)
    run.report(end=STOPPED)
    stopping.result(PATIENCE_S)
    assert stage.manager._registry.get(MODE).moments == []


def test_the_end_of_the_service(stage: Stage) -> None:
    run = stage.start()
    closing = stage.pool.submit(stage.manager.close)
    assert run.asked_to_stop.wait(PATIENCE_S)
    run.report(end=STOPPED)
    closing.result(PATIENCE_S)
    described = stage.manager.describe(MODE)
    assert (described["state"], described["ended"]["code"]) == ("stopped", "stopping")
    assert stage.spawner.closed
    assert problem(lambda: stage.manager.start(MODE, ProbeSpec())) == (503, "stopping")


def test_the_end_of_the_service_during_a_start(stage: Stage) -> None:
    starting = stage.pool.submit(stage.manager.start, MODE, ProbeSpec())
    stage.run(1)
    stage.manager.close()
    assert problem(starting) == (503, "stopping")
