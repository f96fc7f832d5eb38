# SPDX-License-Identifier: Apache-2.0
"""Commands on probes: starts, changes, stops and restarts them, one caller at a time each."""

from __future__ import annotations

import itertools
import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from app.columns.plan import Plan
from app.config import Settings
from app.errors import ProbedeckError
from app.hub import Hub
from app.kernel.kernel_types import KernelTypes
from app.presets.kernel_names import PresetNames
from app.probes.change import make_change, plan_columns
from app.probes.describe import describe_service
from app.probes.function_index import Functions
from app.probes.json_shapes import ProbeJson, ProbesJson
from app.probes.kernel_check import KernelAnswer, KernelCheck
from app.probes.kernel_planner import KernelPlanner
from app.probes.launcher import Launcher
from app.probes.moment import Moment
from app.probes.monitor import Monitor
from app.probes.notifier import Notifier
from app.probes.planning import Planner, Prepared, add_alternatives, prepare
from app.probes.probe import Probe, State, check_filter
from app.probes.registry import Registry
from app.probes.restart import Restarts
from app.probes.run import TracerRun
from app.probes.run_end import (
    REQUESTED,
    SERVICE_STOPPED,
    End,
    failure_text,
    filter_not_confirmed,
    stop_failed,
)
from app.probes.spawner import Spawner
from app.probes.spec import ProbeSpec
from app.timestamps import now

FILTER_TIMEOUT_S = 10.0
SERVICE = "the service"  # the actor of changes that no caller asked for
log = logging.getLogger(__name__)


class ProbeManager:
    """The probes of this service. Every method may be called from any thread.

    A probe changes under its own lock (`Probe.changed`) only. Waiting on it lets other callers
    in, so what a method knows of a run holds after a wait only if the probe still has that run.
    An answer is about the run that the method handled: it is the probe as it was at the moment
    that was waited for (`Moment`).
    """

    def __init__(
        self,
        settings: Settings,
        hub: Hub,
        *,
        spawner: Spawner | None = None,
        kernel_check: KernelCheck | None = None,
        planner: Planner | None = None,
        types: KernelTypes | None = None,
        preset_names: PresetNames | None = None,
    ) -> None:
        self._settings = settings
        self._hub = hub
        self._kernel_check = kernel_check or KernelCheck(settings)
        spawner = spawner or Spawner()
        self._launcher = Launcher(settings, hub, spawner)
        self.functions = Functions(settings, spawner)
        self._notifier = Notifier(hub, lambda: self.kernel)
        self._registry = Registry()
        types = types or KernelTypes(settings.btf_path)
        names = preset_names or PresetNames(settings.btf_path)
        self._planner = planner or KernelPlanner(settings, self.functions, types, names)
        self._filter_numbers = itertools.count(1)
        self._closing = threading.Event()
        self._monitor = Monitor(
            self._registry.all, hub, self._notifier, self._closing, settings.tracer_silence_s
        )

    def start_service(self) -> None:
        """Check the kernel, precompile the programs and start telling clients of changes."""
        self._launcher.open()
        self.functions.open()
        self.check_availability()
        self._launcher.precompile(self.kernel)
        self._monitor.start()

    def close(self) -> None:
        """Stop every probe and refuse further starts."""
        self._closing.set()
        probes = self._registry.all()
        for probe in probes:
            run = probe.run
            if probe.state is State.STARTING and run is not None:
                run.kill(SERVICE_STOPPED)
        stoppers = [
            threading.Thread(target=self._stop_if_running, args=(each.id,), name=f"stop-{each.id}")
            for each in probes
        ]
        for thread in stoppers:
            thread.start()
        for thread in stoppers:
            thread.join()
        self.functions.close()
        self._launcher.close()

    # -- views --------------------------------------------------------------------------------

    @property
    def kernel(self) -> KernelAnswer:
        """The kernel's last answer; waits for the first. Raises ProbedeckError if it failed."""
        return self._kernel_check.answer

    def check_availability(self) -> None:
        """Check (again) which modes the kernel allows, and tell clients. Raises ProbedeckError."""
        self._kernel_check.run()
        for probe in self._registry.all():
            with probe.changed:
                self._notifier.tell(probe)

    def describe_all(self) -> ProbesJson:
        """Return all probes and the kernel (docs/protocol.md, "A probe")."""
        return describe_service(
            [self._describe(probe) for probe in self._registry.all()], self.kernel
        )

    def describe(self, probe_id: str) -> ProbeJson:
        """Return one probe (docs/protocol.md, "A probe"). Raises ProbedeckError 404."""
        return self._describe(self._registry.get(probe_id))

    def describe_last(self, probe_id: str) -> ProbeJson | None:
        """Return one probe, or the forgotten one whose rows clients may still ask for."""
        probe = self._registry.find_last(probe_id)
        return None if probe is None else self._describe(probe)

    def describe_forgotten(self) -> list[ProbeJson]:
        """Return the probes forgotten last, whose rows clients may still ask for."""
        return [self._describe(probe) for probe in self._registry.removed()]

    def _describe(self, probe: Probe) -> ProbeJson:
        with probe.changed:
            return self._notifier.describe(probe)

    def remainder(self, probe_id: str) -> str | None:
        """Return the part of a probe's `where` that its programs do not test, or did not."""
        probe = self._registry.find_last(probe_id)
        return None if probe is None else probe.where.in_service

    # -- commands -----------------------------------------------------------------------------
    # `actor` is the caller's name, which clients are told.

    def start(self, probe_id: str, spec: ProbeSpec, actor: str = SERVICE) -> tuple[ProbeJson, bool]:
        """Start a probe and wait until it is attached. Return also whether this call started it.

        A name that no probe has yet becomes a probe, which `stop` forgets again.
        Raises ProbedeckError: 404, 409, 422, 429, 501, 502, 503 or 504.
        """
        if spec.target is None:
            self._registry.get(probe_id)  # 404: what has no target yet needs one
        prepared = prepare(self._planner, probe_id, spec, self.kernel.working())
        check_filter(prepared.plan, spec.filter)
        deadline = time.monotonic() + self._settings.start_timeout_s
        try:
            while True:
                probe = self._registry.get_or_add(probe_id, prepared.mode)
                with probe.changed:
                    self._settle(probe, deadline)
                    if not probe.is_forgotten:
                        return self._start(probe, prepared, actor, deadline)
        except ProbedeckError as error:
            if error.status == 501:
                working = self.kernel.working()
                add_alternatives(error, self._planner, spec, working, prepared.mode)
            raise

    def change(self, probe_id: str, changes: Mapping[str, Any], actor: str = SERVICE) -> ProbeJson:
        """Change a running probe's `filter`, its `where`, or both, `where` first; or its `columns`
        with both at once.

        Changes of `filter` are merged into it (RFC 7396), None removes all of it; `where` is a
        text or None. On return no event passes what was in force before, and the counters hold
        what was lost under that. Raises ProbedeckError: 404, 409, 422, 501, 502 or 504.
        """
        probe = self._registry.get(probe_id)
        planned = None
        if "columns" in changes:
            with probe.changed:
                self._settle(probe, time.monotonic() + self._settings.start_timeout_s)
                probe.require_run()
                spec, running = probe.spec, probe.plan
            working = self.kernel.working()
            planned = plan_columns(self._planner, spec, running, changes["columns"], working)
        with probe.changed:
            self._settle(probe, time.monotonic() + self._settings.start_timeout_s)
            run = probe.require_run()
            # A `where` is compiled for the columns that are in force once it is tested.
            start_s = self._settings.start_timeout_s  # what a change of columns may take
            probe.changed.wait_for(lambda: not run.is_changing_columns or run.end, start_s)
            self._follow(probe, run)
            if run.is_changing_columns:
                raise filter_not_confirmed(probe_id, run.end, start_s)
            run = probe.require_run()
            change = make_change(self._planner, probe, run, changes, planned)
            number = change.send(run, self._filter_numbers, actor)
            timeout_s = FILTER_TIMEOUT_S if planned is None else start_s

            def is_confirmed() -> bool:
                return number is not None and run.filtered >= number

            def is_refused() -> bool:
                return run.refused is not None and run.refused[0] == number

            with self._moment(probe, run, is_confirmed) as confirmed:
                probe.changed.wait_for(lambda: is_confirmed() or run.end or is_refused(), timeout_s)
                self._follow(probe, run)
            if is_refused() and run.refused is not None:
                raise run.refused[1].problem()
            if not confirmed.is_past:
                raise filter_not_confirmed(probe_id, run.end, timeout_s)
            return confirmed.probe

    def stop(self, probe_id: str, actor: str = SERVICE, why: End = REQUESTED) -> ProbeJson:
        """Detach, drain, and return the final counters; forget a probe with a name of its own.

        One that does not run is only forgotten, one that did not stop in order is not, nor any
        while the service stops: its clients see that it should be running.
        Raises ProbedeckError 404, 502 or 504.
        """
        probe = self._registry.get(probe_id)
        timeout_s = self._settings.stop_timeout_s
        with probe.changed:
            self._settle(probe, time.monotonic() + self._settings.start_timeout_s + timeout_s)
            if probe.is_forgotten:  # by another caller
                raise ProbedeckError(404, "unknown_probe", f"{probe_id} has been deleted")
            if probe.restarts.is_waiting:
                described = self._cancel_restart(probe, actor, why)
                self._forget(probe)
                return described
            if probe.is_own and not probe.has_live_run:
                described = self._notifier.describe(probe)  # while its counters are known
                self._forget(probe)
                return described
            run = probe.require_run()
            with self._moment(probe, run, lambda: not probe.has_live_run) as ended:
                probe.stop(why)
                probe.note_change(actor, "stopped")
                self._notifier.tell(probe)
                run.stop()
                probe.changed.wait_for(lambda: run.end, timeout_s)
                self._follow(probe, run)
                end = run.end or self._kill_late(probe, run, "stop_timeout", "not drained in time")
            if not end.orderly:
                raise stop_failed(probe_id, end, ended.probe["counters"])
            if probe.run is run and not probe.has_live_run:  # not started again since
                self._forget(probe)
            return ended.probe

    def _stop_if_running(self, probe_id: str) -> None:
        try:
            self.stop(probe_id, why=SERVICE_STOPPED)
        except ProbedeckError:
            pass  # not running, or killed: either way its programs are detached

    # -- everything below needs the probe's lock ------------------------------------------------

    def _start(
        self, probe: Probe, prepared: Prepared, actor: str, deadline: float
    ) -> tuple[ProbeJson, bool]:
        if probe.state is State.RUNNING:
            if probe.spec == prepared.spec:
                return self._notifier.describe(probe), False
            raise ProbedeckError(
                409,
                "running_differently",
                f"{probe.id} runs with another target, filter or duration; stop it first, "
                "or change its filter with PATCH",
                running=probe.spec.as_json(),
            )
        try:
            self._kernel_check.require(prepared.mode, prepared.possible)
            if self._closing.is_set():
                raise ProbedeckError(503, "stopping", "the service is stopping")
            run = self._make_run(probe, prepared.plan)
        except ProbedeckError:
            if probe.is_own and probe.run is None:
                self._forget(probe)  # it never ran
            raise
        probe.restarts = Restarts(prepared.spec.restart, prepared.spec.duration_s)
        probe.note_change(actor, "started")
        probe.prepare(prepared)
        self._begin(probe, run)
        return self._await_attached(probe, run, deadline), True

    def _forget(self, probe: Probe) -> None:
        """Forget a probe that has ended, if it has a name of its own."""
        if probe.is_own and not probe.is_forgotten and not self._closing.is_set():
            self._end_unwatched(probe)
            probe.is_forgotten = True
            self._notifier.forget(probe)
            self._registry.remove(probe)

    def _settle(self, probe: Probe, deadline: float) -> None:
        """Wait for other callers, and take note of an end that nobody has followed yet."""
        probe.wait_until_settled(deadline)
        if probe.run is not None:
            self._follow(probe, probe.run)

    def _make_run(self, probe: Probe, plan: Plan) -> TracerRun:
        return self._launcher.make_run(probe.id, plan, lambda run: self._run_changed(probe, run))

    def _begin(self, probe: Probe, run: TracerRun) -> None:
        probe.start(run, probe.spec)
        self._notifier.tell(probe)
        function, left_s = self.kernel.modes[probe.mode.name].function, probe.restarts.left_s()
        run.begin(self._launcher.request(probe, function, left_s))

    def _await_attached(self, probe: Probe, run: TracerRun, deadline: float) -> ProbeJson:
        timeout_s = self._settings.start_timeout_s
        with self._moment(probe, run, lambda: probe.state is State.RUNNING) as attached:
            probe.changed.wait_for(
                lambda: run.attached or run.end, max(0.0, deadline - time.monotonic())
            )
            self._follow(probe, run)
        if attached.is_past:
            return attached.probe
        late = f"not attached in {timeout_s:g} s"
        end = run.end or self._kill_late(probe, run, "start_timeout", late)
        if end.code == "unavailable":  # the kernel's last answer no longer holds
            self._kernel_check.run()
            end.extra["alternatives"] = self.kernel.working()
        raise end.problem()

    def _kill_late(self, probe: Probe, run: TracerRun, code: str, what: str) -> End:
        """Kill a tracer that is late, and return how its run ended: it may have been quicker."""
        detail = f"{what}: the tracer was killed, and what it held is counted as lost"
        why = End(code, detail, 504)
        run.kill(why)
        probe.changed.wait_for(lambda: run.end)
        self._follow(probe, run)
        return run.end or why

    @contextmanager
    def _moment(
        self, probe: Probe, run: TracerRun, has_come: Callable[[], bool]
    ) -> Iterator[Moment]:
        """Yield a moment to wait for; whoever follows the run to it keeps the probe in it."""
        moment = Moment(lambda: probe.run is run and has_come())
        probe.moments.append(moment)
        try:
            yield moment
        finally:
            probe.moments.remove(moment)

    def _observe(self, probe: Probe) -> None:
        """Keep the probe as it is now for the callers whose moment has come."""
        for moment in probe.moments:
            moment.observe(lambda: self._notifier.describe(probe))

    def _run_changed(self, probe: Probe, run: TracerRun) -> None:
        """Take note of what a tracer reported; called from the run's reader, without the lock."""
        with probe.changed:
            probe.changed.notify_all()
            if probe.run is run and not self._follow(probe, run):
                self._notifier.tell(probe)  # what is no state: it is blind, for instance

    def _follow(self, probe: Probe, run: TracerRun) -> bool:
        """Bring a probe up to date with its run, and tell clients if something changed.

        The run's reader and the callers that wait for it all get here; the first one that holds
        the lock finds something to do. Return whether there was something.
        """
        if probe.run is not run:
            return False
        is_new = probe.follow_filter()
        if is_new:
            self._notifier.tell(probe)
        self._observe(probe)
        was = probe.state
        while probe.follow_run():
            if probe.state is State.RUNNING:
                self._end_unwatched(probe)
            elif probe.state is State.FAILED:
                if run.attached and run.end is not None:  # else the caller of the start is told
                    told = failure_text(run.end, run.ledger.counters())
                    log.warning("%s failed: %s", probe.id, told)
                if was is not State.STOPPING:
                    if run.attached:
                        probe.unwatched_since_s = run.ended_s
                    self._schedule_restart(probe, run)
            self._notifier.tell(probe)
            self._observe(probe)
            is_new, was = True, probe.state
        return is_new

    def _end_unwatched(self, probe: Probe) -> None:
        """Report the time without an attached program, which ends now, as a gap."""
        if probe.unwatched_since_s is not None:
            self._hub.unwatched(probe.id, probe.unwatched_since_s, time.time())
            probe.unwatched_since_s = None

    def _schedule_restart(self, probe: Probe, run: TracerRun) -> None:
        """Arrange for a failed probe to be started again, if its caller asked for that."""
        wait_s = probe.restarts.failed()
        if wait_s is None or self._closing.is_set() or probe.ended is None:
            return
        probe.ended["restart_at"] = now(after_s=wait_s)
        timer = threading.Timer(wait_s, self._restart, (probe, run))
        timer.name, timer.daemon = f"restart-{probe.id}", True
        timer.start()

    def _restart(self, probe: Probe, failed: TracerRun) -> None:
        """Start a probe again after `failed`; called from a timer, without the lock."""
        with probe.changed:
            if probe.run is not failed or not probe.restarts.is_waiting or self._closing.is_set():
                return  # stopped or started since
            probe.restarts.begin()
            log.warning("%s is started again", probe.id)
            try:
                run = self._make_run(probe, probe.plan)
            except ProbedeckError as error:  # no process: out of memory, for instance
                probe.fail(error)
                self._schedule_restart(probe, failed)
                self._notifier.tell(probe)
                return
            self._begin(probe, run)
            try:
                self._await_attached(probe, run, time.monotonic() + self._settings.start_timeout_s)
            except ProbedeckError as error:  # clients see `ended`, and the next try is scheduled
                log.warning("%s was not started again: %s", probe.id, error.detail)

    def _cancel_restart(self, probe: Probe, actor: str, why: End) -> ProbeJson:
        """Stop a failed probe that waits for its restart."""
        probe.note_change(actor, "stopped")
        self._end_unwatched(probe)
        probe.cancel_restart(why)
        return self._notifier.tell(probe)
