# SPDX-License-Identifier: Apache-2.0
"""One probe as a state machine: what it is doing, and what its present or last run reported."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from dataclasses import replace
from enum import Enum
from typing import Literal

from app.columns.plan import Plan
from app.errors import ProbedeckError
from app.presets.deletions.own_plan import own_plan
from app.probes.json_shapes import ChangeJson, EndJson
from app.probes.modes import MODES, Mode
from app.probes.moment import Moment
from app.probes.planning import Prepared
from app.probes.restart import Restarts
from app.probes.run import TracerRun
from app.probes.run_end import REQUESTED, End
from app.probes.spec import DEFAULT_TARGET, TRACEPOINT, Filter, ProbeSpec, Where
from app.timestamps import now


class State(str, Enum):
    """What a probe is doing; the values are the protocol's."""

    STOPPED = "stopped"  # never started, or its last run ended as it was asked to
    STARTING = "starting"  # a tracer was asked to attach its programs
    RUNNING = "running"  # its programs are attached
    STOPPING = "stopping"  # the tracer was asked to detach and drain
    FAILED = "failed"  # its last run ended in any other way; it may be waiting for a restart


TRANSITIONS: Mapping[State, frozenset[State]] = {
    State.STOPPED: frozenset({State.STARTING}),
    State.STARTING: frozenset({State.RUNNING, State.STOPPED, State.FAILED}),
    State.RUNNING: frozenset({State.STOPPING, State.STOPPED, State.FAILED}),
    State.STOPPING: frozenset({State.STOPPED, State.FAILED}),
    State.FAILED: frozenset({State.STARTING, State.STOPPED}),
}


class TransitionError(Exception):
    """A transition that TRANSITIONS does not have: a defect of the caller."""


class Probe:
    """One probe. Every method needs the lock `changed`, which callers also wait on.

    It is named after its mode, or has a name of its own (`is_own`): then it exists from its first
    start until it `is_forgotten`, and what has the same name later is another probe.
    """

    def __init__(self, mode: Mode, name: str | None = None) -> None:
        self.id = name or mode.name
        self.is_own = name is not None
        self.is_forgotten = False
        self.mode = mode
        self.changed = threading.Condition()
        self.spec = ProbeSpec()
        self.plan = own_plan(DEFAULT_TARGET.name, mode.name)  # what it would trace without a target
        self.where = Where()
        self.not_seen: tuple[str, ...] = ()  # of the preset that it traces
        self.run: TracerRun | None = None  # the present or last one
        self.started_at: str | None = None
        self.ended: EndJson | None = None
        self._stopped_for = REQUESTED
        self.changed_by: ChangeJson | None = None
        self.restarts = Restarts()
        self.moments: list[Moment] = []  # that callers wait for
        # Unix time since when no program has been attached although the probe should be running.
        self.unwatched_since_s: float | None = None
        self._state = State.STOPPED

    @property
    def state(self) -> State:
        return self._state

    @property
    def is_settled(self) -> bool:
        """Whether nobody is starting or stopping it."""
        return self._state not in (State.STARTING, State.STOPPING)

    @property
    def has_live_run(self) -> bool:
        """Whether a run has begun whose end is not known yet."""
        return self._state in (State.STARTING, State.RUNNING, State.STOPPING)

    def note_change(
        self, actor: str, what: Literal["started", "stopped", "filter", "columns"]
    ) -> None:
        """Note who changed it; clients are told with the next state."""
        self.changed_by = {"who": actor, "what": what, "at": now()}

    def prepare(self, prepared: Prepared) -> None:
        """Take over what is to be traced, before `start`."""
        self.mode = MODES[prepared.mode]
        self.spec, self.plan, self.where = prepared.spec, prepared.plan, prepared.where
        self.not_seen = prepared.not_seen

    def start(self, run: TracerRun, spec: ProbeSpec) -> None:
        """Begin a run."""
        self._move_to(State.STARTING)
        self.run, self.spec, self.ended = run, spec, None
        self.started_at = now()

    def stop(self, why: End = REQUESTED) -> None:
        """The run was asked to end. `why` is what clients are told if it does so in order."""
        self._move_to(State.STOPPING)
        self._stopped_for = why

    def cancel_restart(self, why: End = REQUESTED) -> None:
        """Stop a failed probe that waits for its restart."""
        self._move_to(State.STOPPED)
        self.restarts.is_waiting = False
        self.ended = {"code": why.code, "detail": why.detail, "at": now()}

    def fail(self, problem: ProbedeckError) -> None:
        """Note that a failed probe could not be started again."""
        self.ended = {"code": problem.code, "detail": problem.detail, "at": now()}

    def follow_filter(self) -> bool:
        """Show the filter that the tracer confirmed last; return whether it is another one."""
        run = self.run
        if run is None:
            return False
        wanted, where = run.filter or self.spec.filter, run.where or self.where
        columns = run.columns
        if columns is not None and columns.plan is not self.plan:
            self.plan, self.where = columns.plan, where
            self.spec = replace(
                self.spec, columns=columns.expressions, filter=wanted, where=where.text
            )
            self.note_change(run.filter_by, "columns")
            return True
        if wanted == self.spec.filter and where == self.where:
            return False
        self.spec = replace(self.spec, filter=wanted, where=where.text)
        self.where = where
        self.note_change(run.filter_by, "filter")
        return True

    def follow_run(self) -> bool:
        """Follow the run by one transition, if it attached or ended; return whether it did."""
        run = self.run
        if run is None or not self.has_live_run:
            return False
        if run.attached and self._state is State.STARTING:
            self._move_to(State.RUNNING)
            self.restarts.attached()
            return True
        if run.end is not None:
            self._move_to(State.STOPPED if run.end.orderly else State.FAILED)
            end = self._stopped_for if run.end.code == REQUESTED.code else run.end
            self.ended = {"code": end.code, "detail": end.detail, "at": now()}
            if reason := run.end.extra.get("reason"):
                self.ended["reason"] = reason
            return True
        return False

    def require_run(self) -> TracerRun:
        """Return the run of a running probe. Raises ProbedeckError 404."""
        if self._state is not State.RUNNING or self.run is None:
            raise ProbedeckError(404, "not_running", f"{self.id} is not running")
        return self.run

    def _move_to(self, state: State) -> None:
        if state not in TRANSITIONS[self._state]:
            raise TransitionError(f"{self.id}: {self._state.value} -> {state.value}")
        self._state = state
        self.changed.notify_all()

    def wait_until_settled(self, deadline: float) -> None:
        """Wait until nobody is starting or stopping it. Raises ProbedeckError 504.

        `deadline` is of time.monotonic.
        """
        if not self.changed.wait_for(
            lambda: self.is_settled, max(0.0, deadline - time.monotonic())
        ):
            code = "start_timeout" if self._state is State.STARTING else "stop_timeout"
            raise ProbedeckError(504, code, f"{self.id} is still {self._state.value}")


def check_filter(plan: Plan, wanted: Filter) -> None:
    """Raises ProbedeckError 422 for a filter that a plan's programs cannot test."""
    if not wanted.only_failures or plan.sees_return:
        return
    if plan.hook.kind == TRACEPOINT:
        detail = f"the tracepoint {plan.hook.name} has no result: only_failures needs one"
    else:
        detail = (
            f"{plan.mode} sees calls at entry, before they succeed or fail: "
            "only_failures needs fexit, kretprobe or tracepoint"
        )
    raise ProbedeckError(422, "not_at_entry", detail)
