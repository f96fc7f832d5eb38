# SPDX-License-Identifier: Apache-2.0
"""The state machine of a probe: every transition, allowed or refused, and what brings it about."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from itertools import product
from typing import Any

import pytest

from app.errors import ProbedeckError
from app.presets.deletions.own_plan import own_plan
from app.probes.modes import MODES
from app.probes.probe import TRANSITIONS, Probe, State, TransitionError, check_filter
from app.probes.restart import Restarts
from app.probes.run_end import End
from app.probes.spec import Filter, ProbeSpec, Where

REQUESTED = End("requested", "stopped on request")
DIED = End("tracer_failed", "it died", extra={"reason": "signal 9"})


@dataclass
class FakeRun:
    """A fake of app.probes.run.TracerRun: what a run has reported, and no process."""

    attached: bool = False
    end: End | None = None
    filter: Filter | None = None
    where: Where | None = None
    columns: Any = None
    filter_by: str = ""


def probe_in(state: State) -> tuple[Probe, Any]:
    """A probe that came to this state by allowed transitions, and its run."""
    probe, run = Probe(MODES["fexit"]), FakeRun()
    with probe.changed:
        if state is State.STOPPED:
            return probe, run
        probe.start(run, ProbeSpec())  # type: ignore[arg-type]
        if state is State.STARTING:
            return probe, run
        run.attached = True
        probe.follow_run()
        if state is State.STOPPING:
            probe.stop()
        elif state is State.FAILED:
            run.end = DIED
            probe.follow_run()
    assert probe.state is state
    return probe, run


ALLOWED = {
    ("stopped", "starting"),
    ("starting", "running"),
    ("starting", "stopped"),
    ("starting", "failed"),
    ("running", "stopping"),
    ("running", "stopped"),
    ("running", "failed"),
    ("stopping", "stopped"),
    ("stopping", "failed"),
    ("failed", "starting"),
    ("failed", "stopped"),
}


@pytest.mark.parametrize(("before", "after"), list(product(State, State)))
def test_every_transition(before: State, after: State) -> None:
    probe, _ = probe_in(before)
    with probe.changed:
        if (before.value, after.value) in ALLOWED:
            assert after in TRANSITIONS[before]
            probe._move_to(after)
            assert probe.state is after
        else:
            refused = f"^fexit: {before.value} -> {after.value}$"
            with pytest.raises(TransitionError, match=refused):
                probe._move_to(after)
            assert probe.state is before


def test_states_are_the_words_of_the_protocol() -> None:
    assert json.dumps(list(State)) == '["stopped", "starting", "running", "stopping", "failed"]'


@pytest.mark.parametrize("state", State)
def test_start(state: State) -> None:
    probe, old = probe_in(state)
    spec, run = ProbeSpec(Filter(uid=5)), FakeRun()
    with probe.changed:
        if state in (State.STOPPED, State.FAILED):
            probe.start(run, spec)  # type: ignore[arg-type]
            assert (probe.state, probe.run, probe.spec) == (State.STARTING, run, spec)
            assert probe.ended is None and probe.started_at
        else:
            with pytest.raises(TransitionError):
                probe.start(run, spec)  # type: ignore[arg-type]
            assert (probe.state, probe.run, probe.spec) == (state, old, ProbeSpec())


@pytest.mark.parametrize("state", State)
def test_stop(state: State) -> None:
    probe, _ = probe_in(state)
    with probe.changed:
        if state is State.RUNNING:
            probe.stop()
            assert probe.state is State.STOPPING
        else:
            with pytest.raises(TransitionError):
                probe.stop()
            assert probe.state is state


@pytest.mark.parametrize("end", [REQUESTED, DIED], ids=["orderly", "died"])
@pytest.mark.parametrize("state", [State.STARTING, State.RUNNING, State.STOPPING])
def test_the_end_of_a_run_is_followed_once(state: State, end: End) -> None:
    probe, run = probe_in(state)
    with probe.changed:
        run.end = end
        assert probe.follow_run()
        assert probe.state is (State.STOPPED if end is REQUESTED else State.FAILED)
        ended = probe.ended
        assert ended and (ended["code"], ended["detail"]) == (end.code, end.detail)
        assert ended.get("reason") == end.extra.get("reason")
        assert not probe.follow_run()
        assert probe.ended is ended


@pytest.mark.parametrize("state", [State.RUNNING, State.STOPPING])
def test_a_run_that_is_attached_is_followed_once(state: State) -> None:
    probe, _ = probe_in(state)
    with probe.changed:
        assert not probe.follow_run()
        assert probe.state is state


def test_an_attach_and_an_end_that_come_together() -> None:
    """The probe was running, and may be started again."""
    probe, run = probe_in(State.STARTING)
    probe.restarts = Restarts(wanted=True)
    with probe.changed:
        run.attached, run.end = True, DIED
        assert probe.follow_run()
        assert probe.state is State.RUNNING
        assert probe.follow_run()
        assert probe.state is State.FAILED
        assert not probe.follow_run()
        assert probe.restarts.failed() is not None


def test_a_filter_is_followed_once() -> None:
    probe, run = probe_in(State.RUNNING)
    with probe.changed:
        assert not probe.follow_filter()
        run.filter, run.filter_by = Filter(uid=7), "uid 1000"
        assert probe.follow_filter()
        assert probe.spec == ProbeSpec(Filter(uid=7))
        assert probe.changed_by
        assert (probe.changed_by["who"], probe.changed_by["what"]) == ("uid 1000", "filter")
        assert not probe.follow_filter()


def test_a_restart_that_is_cancelled() -> None:
    probe, _ = probe_in(State.FAILED)
    probe.restarts.is_waiting = True
    with probe.changed:
        probe.cancel_restart()
        assert (probe.state, probe.restarts.is_waiting) == (State.STOPPED, False)
        assert probe.ended and probe.ended["code"] == "requested"


@pytest.mark.parametrize("state", State)
def test_the_run_of_a_running_probe(state: State) -> None:
    probe, run = probe_in(state)
    with probe.changed:
        if state is State.RUNNING:
            assert probe.require_run() is run
        else:
            with pytest.raises(ProbedeckError) as caught:
                probe.require_run()
            assert (caught.value.status, caught.value.code) == (404, "not_running")


@pytest.mark.parametrize("state", State)
def test_waiting_until_it_is_settled(state: State) -> None:
    probe, _ = probe_in(state)
    with probe.changed:
        if state in (State.STARTING, State.STOPPING):
            code = "start_timeout" if state is State.STARTING else "stop_timeout"
            with pytest.raises(ProbedeckError, match=f"fexit is still {state.value}") as caught:
                probe.wait_until_settled(time.monotonic())
            assert (caught.value.status, caught.value.code) == (504, code)
        else:
            probe.wait_until_settled(time.monotonic())


@pytest.mark.parametrize("mode", MODES.values(), ids=MODES)
def test_failures_are_known_at_return_only(mode: Any) -> None:
    plan = own_plan("deletions", mode.name)
    if mode.sees_return:
        check_filter(plan, Filter(only_failures=True))
    else:
        with pytest.raises(ProbedeckError) as caught:
            check_filter(plan, Filter(only_failures=True))
        assert (caught.value.status, caught.value.code) == (422, "not_at_entry")
