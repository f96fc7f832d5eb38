# SPDX-License-Identifier: Apache-2.0
"""All probes: starting, stopping and changing them, and what is known of each."""

from __future__ import annotations

import itertools
import logging
import os
import threading
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from app.columns.names import tables_as_json
from app.config import Settings
from app.errors import ProbedeckError
from app.hub import Hub, rfc3339
from app.link.compiler import compile_command
from app.link.frames import TracerRequest
from app.probes.availability import KernelAnswer, ask_kernel
from app.probes.drops import NO_DROPS
from app.probes.modes import MODES, Mode
from app.probes.not_seen import not_seen
from app.probes.precompile import CompileAhead
from app.probes.restart import Restarts
from app.probes.run import End, TracerRun
from app.probes.spawner import Spawner
from app.probes.spec import Filter, ProbeSpec

ANNOUNCE_INTERVAL_S = 0.5
FILTER_TIMEOUT_S = 10.0
# What of a probe's description is not its state: it moves all the time.
MOVING = ("counters", "drops", "cost", "clients")
SERVICE = "the service"  # who does what nobody asked for
log = logging.getLogger(__name__)


class Probe:
    """One probe's state. Its fields change under `changed` only, which is also its lock."""

    def __init__(self, mode: Mode) -> None:
        self.mode = mode
        self.changed = threading.Condition()
        self.state = "stopped"
        self.spec = ProbeSpec()
        self.run: TracerRun | None = None
        self.started_at: str | None = None
        self.ended: dict[str, str] | None = None
        self.changed_by: dict[str, str] | None = None  # the last change that somebody asked for
        self.restarts = Restarts()
        # Since when no program has been attached although it was asked to run (Unix time).
        self.unwatched_since_s: float | None = None
        self.told: dict[str, Any] = {}

    def change(self, actor: str, what: str) -> None:
        """Note who did it: everybody who watches is told with the next state."""
        self.changed_by = {"who": actor, "what": what, "at": now()}

    def wait_until_settled(self, deadline: float) -> None:
        """Until no other caller is starting or stopping it. Raises ProbedeckError 504."""
        if not self.changed.wait_for(
            lambda: self.state not in ("starting", "stopping"),
            max(0.0, deadline - time.monotonic()),
        ):
            code = "start_timeout" if self.state == "starting" else "stop_timeout"
            raise ProbedeckError(504, code, f"{self.mode.name} is still {self.state}")


class ProbeManager:
    """The probes of this service. Every method may be called from any thread."""

    def __init__(self, settings: Settings, hub: Hub) -> None:
        self._settings = settings
        self._hub = hub
        self._probes = {name: Probe(mode) for name, mode in MODES.items()}
        self._runs = itertools.count(time.time_ns() // 1000)  # differs between services too
        self._filters = itertools.count(1)
        self._closing = threading.Event()
        self._check_lock = threading.Lock()
        self._asked = threading.Event()
        self._kernel: KernelAnswer | None = None
        self._spawner: Spawner | None = None
        self._compile_ahead: CompileAhead | None = None

    def start_service(self) -> None:
        """Ask the kernel what it allows, and begin to tell clients of changes."""
        self._spawner = Spawner()
        self.check_availability()
        self._compile_ahead = CompileAhead(
            self._spawner,
            {mode: self._compile_ahead_command(mode) for mode in self.kernel.working()},
        )
        threading.Thread(target=self._announce_counters, name="announcer", daemon=True).start()

    def _compile_ahead_command(self, mode: str) -> list[str]:
        settings = self._settings
        return compile_command(
            mode,
            self.kernel.modes[mode].function or "",
            settings.ring_mib << 20,
            settings.btf_path,
            settings.cache_dir,
            ahead=True,
        )

    # -- what is known ----------------------------------------------------------------------

    @property
    def kernel(self) -> KernelAnswer:
        """The kernel's last answer; waits for the first. Raises ProbedeckError when it failed."""
        self._asked.wait()
        if self._kernel is None:
            self._ask_kernel()
        assert self._kernel is not None  # else the check has raised
        return self._kernel

    def check_availability(self) -> None:
        """Ask the kernel (again) which modes it allows, and tell clients. Raises ProbedeckError."""
        self._ask_kernel()
        for probe in self._probes.values():
            with probe.changed:
                self._tell_state(probe)

    def _ask_kernel(self) -> None:
        with self._check_lock:
            try:
                self._kernel = ask_kernel(self._settings)
            finally:
                self._asked.set()

    def describe_all(self) -> dict[str, Any]:
        kernel = self.kernel
        return {
            "probes": [self.describe(name) for name in self._probes],
            "kernel": {
                "release": kernel.release,
                "machine": kernel.machine,
                "hostname": kernel.hostname,
            },
            "names": tables_as_json(),
        }

    def describe(self, probe_id: str) -> dict[str, Any]:
        """Everything known of one probe (docs/protocol.md, "A probe")."""
        probe = self._probe(probe_id)
        with probe.changed:
            return self._describe(probe)

    def _describe(self, probe: Probe) -> dict[str, Any]:
        name = probe.mode.name
        answer = self.kernel.modes[name]
        run = probe.run
        return {
            "id": name,
            "mode": name,
            "function": (run.function if run else None) or answer.function,
            "state": probe.state,
            "available": answer.available,
            "reason": answer.reason,
            "hint": answer.hint,
            **probe.spec.as_json(),
            "restarts": probe.restarts.count,
            "started_at": probe.started_at,
            "ended": probe.ended,
            "blind": run.blind if run and probe.state == "running" else None,
            "not_seen": not_seen(name, self.kernel.rename_function is not None),
            "changed_by": probe.changed_by,
            "columns": [column.as_json() for column in probe.mode.columns],
            "counters": self._hub.counters(name),
            "drops": {**NO_DROPS, **(run.drops if run else {})},
            "cost": run.cost if run else None,
            "clients": self._hub.clients(name),
        }

    def _probe(self, probe_id: str) -> Probe:
        try:
            return self._probes[probe_id]
        except KeyError:
            known = ", ".join(self._probes)
            raise ProbedeckError(
                404, "unknown_probe", f"no such probe; there are {known}"
            ) from None

    # -- what is asked ----------------------------------------------------------------------

    def start(
        self, probe_id: str, spec: ProbeSpec, actor: str = SERVICE
    ) -> tuple[dict[str, Any], bool]:
        """Run a probe; returns once it is attached. The flag says whether this call started it.

        `actor` is told to everybody who watches, here and in the calls below.
        Raises ProbedeckError: 404, 409, 422, 501, 502, 503 or 504.
        """
        probe = self._probe(probe_id)
        check_filter(probe.mode, spec.filter)
        deadline = time.monotonic() + self._settings.start_timeout_s
        with probe.changed:
            probe.wait_until_settled(deadline)
            if probe.state == "running":
                if probe.spec == spec:
                    return self._describe(probe), False
                raise ProbedeckError(
                    409,
                    "running_differently",
                    f"{probe_id} runs with another filter or duration; stop it first, "
                    "or change its filter with PATCH",
                    running=probe.spec.as_json(),
                )
            self._refuse_unavailable(probe.mode)
            if self._closing.is_set():
                raise ProbedeckError(503, "stopping", "the service is ending")
            probe.restarts = Restarts(spec.restart, spec.duration_s)
            probe.change(actor, "started")
            self._begin(probe, spec)
            return self._await_attached(probe, deadline), True

    def change_filter(
        self, probe_id: str, changes: Mapping[str, Any] | None, actor: str = SERVICE
    ) -> dict[str, Any]:
        """Merge changes (RFC 7396) into a running probe's filter; None removes all of it.

        On return no event passes the old one, and the counters hold what was lost under it.
        """
        probe = self._probe(probe_id)
        with probe.changed:
            probe.wait_until_settled(time.monotonic() + self._settings.start_timeout_s)
            run = probe.run
            if probe.state != "running" or run is None:
                raise ProbedeckError(404, "not_running", f"{probe_id} is not running")
            # Changes that wait for their confirmation come first, and will hold by then.
            wanted = merge_filter(run.wanted_filter or probe.spec.filter, changes)
            check_filter(probe.mode, wanted)
            number = next(self._filters)
            if run.change_filter(wanted, number, actor):
                probe.changed.wait_for(lambda: run.filtered >= number or run.end, FILTER_TIMEOUT_S)
            else:
                probe.changed.wait_for(lambda: run.end, FILTER_TIMEOUT_S)
            if run.filtered < number:
                raise self._not_filtered(probe, run)
            if probe.run is run:
                self._follow_filter(probe, run)
            return self._tell_state(probe)

    def stop(self, probe_id: str, actor: str = SERVICE) -> dict[str, Any]:
        """Detach, drain, and return the final counters. Raises ProbedeckError 404 or 504."""
        probe = self._probe(probe_id)
        with probe.changed:
            probe.wait_until_settled(
                time.monotonic() + self._settings.start_timeout_s + self._settings.stop_timeout_s
            )
            run = probe.run
            if probe.restarts.is_waiting:
                probe.change(actor, "stopped")
                return self._stop_waiting(probe)
            if probe.state != "running" or run is None:
                raise ProbedeckError(404, "not_running", f"{probe_id} is not running")
            probe.state = "stopping"
            probe.change(actor, "stopped")
            self._tell_state(probe)
            run.stop()
            if not probe.changed.wait_for(lambda: run.end, self._settings.stop_timeout_s):
                problem = self._give_up(probe, run, "stop_timeout", "not drained in time")
                if run.end is None or not run.end.orderly:
                    raise problem  # else it was just done
            return self._describe(probe)

    def close(self) -> None:
        """Stop every probe; starts from now on are refused."""
        self._closing.set()
        for probe in self._probes.values():
            run = probe.run
            if probe.state == "starting" and run is not None:
                run.kill(End("stopping", "the service ended", 503))
        stoppers = [
            threading.Thread(target=self._stop_quietly, args=(name,), name=f"stop-{name}")
            for name in self._probes
        ]
        for thread in stoppers:
            thread.start()
        for thread in stoppers:
            thread.join()
        if self._compile_ahead is not None:
            self._compile_ahead.close()
        if self._spawner is not None:
            self._spawner.close()

    def _stop_quietly(self, probe_id: str) -> None:
        try:
            self.stop(probe_id)
        except ProbedeckError:
            pass  # not running, or killed: either way its programs are out of the kernel

    # -- under the probe's lock from here on ----------------------------------------------------

    def _refuse_unavailable(self, mode: Mode) -> None:
        if not self.kernel.modes[mode.name].available:
            self._ask_kernel()  # it may have been put right meanwhile
        answer = self.kernel.modes[mode.name]
        if not answer.available:
            raise ProbedeckError(
                501,
                "unavailable",
                f"{mode.name} does not work here: {answer.reason}",
                reason=answer.reason,
                hint=answer.hint,
                alternatives=self.kernel.working(),
            )

    def _begin(self, probe: Probe, spec: ProbeSpec) -> None:
        name = probe.mode.name
        assert self._spawner is not None  # made before the first answer of the kernel
        if self._compile_ahead is not None:
            self._compile_ahead.leave(name)
        ledger = self._hub.begin_run(name)
        try:
            run = TracerRun(self._spawner, self._hub, ledger, lambda: self._run_changed(probe, run))
        except OSError as error:
            log.exception("no tracer could be started for %s", name)
            raise ProbedeckError(
                502, "tracer_failed", f"no tracer could be started: {error.strerror}"
            ) from error
        probe.run, probe.spec, probe.ended = run, spec, None
        probe.state = "starting"
        probe.started_at = now()
        self._tell_state(probe)
        run.begin(
            TracerRequest(
                probe=name,
                mode=name,
                function=self.kernel.modes[name].function or "",
                run=next(self._runs),
                parent_pid=os.getpid(),
                filter=spec.filter,
                duration_s=probe.restarts.left_s(),
                ring_bytes=self._settings.ring_mib << 20,
                btf_path=str(self._settings.btf_path),
                cache_dir=str(self._settings.cache_dir),
            ).encode()
        )

    def _await_attached(self, probe: Probe, deadline: float) -> dict[str, Any]:
        run = probe.run
        assert run is not None  # just begun, and only a later start replaces it
        probe.changed.wait_for(
            lambda: run.attached or run.end, max(0.0, deadline - time.monotonic())
        )
        if run.attached:
            return self._describe(probe)
        if run.end is None:
            timeout_s = self._settings.start_timeout_s
            raise self._give_up(probe, run, "start_timeout", f"not attached in {timeout_s:g} s")
        if run.end.code == "unavailable":  # the kernel's last answer no longer holds
            self._ask_kernel()
            run.end.extra["alternatives"] = self.kernel.working()
        raise ended_badly(run.end)

    def _give_up(self, probe: Probe, run: TracerRun, code: str, what: str) -> ProbedeckError:
        detail = f"{what}: the tracer was killed, and what it held is counted as lost"
        run.kill(End(code, detail, 504))
        probe.changed.wait_for(lambda: run.end)
        return ProbedeckError(504, code, f"{what}: the tracer was killed")

    def _run_changed(self, probe: Probe, run: TracerRun) -> None:
        with probe.changed:
            if probe.run is not run:
                return
            was = probe.state
            self._follow_filter(probe, run)
            if run.end is not None:
                probe.state = "stopped" if run.end.orderly else "failed"
                probe.ended = {"code": run.end.code, "detail": run.end.detail, "at": now()}
                if reason := run.end.extra.get("reason"):
                    probe.ended["reason"] = reason
                if was in ("starting", "running") and not run.end.orderly:
                    if run.attached:
                        probe.unwatched_since_s = run.ended_s
                    self._restart_later(probe, run)
            elif run.attached and probe.state == "starting":
                probe.state = "running"
                probe.restarts.attached()
                self._tell_unwatched(probe)
            probe.changed.notify_all()
            self._tell_state(probe)

    def _follow_filter(self, probe: Probe, run: TracerRun) -> None:
        """What is shown is what the tracer has confirmed, whoever still waits for that."""
        if run.filter is not None and run.filter != probe.spec.filter:
            probe.spec = replace(probe.spec, filter=run.filter)
            probe.change(run.filter_by, "filter")
            self._tell_state(probe)

    def _not_filtered(self, probe: Probe, run: TracerRun) -> ProbedeckError:
        """Why a change of filter was not confirmed in time."""
        if run.end is None:
            return ProbedeckError(
                502,
                "tracer_failed",
                f"the tracer has not answered for {FILTER_TIMEOUT_S:g} s; if it takes the filter "
                "later, the probe shows it from then on",
            )
        if run.end.orderly:
            detail = f"{probe.mode.name} ended before it took the filter: {run.end.detail}"
            return ProbedeckError(404, "not_running", detail)
        detail = f"the tracer ended before it took the filter: {run.end.detail}"
        return ProbedeckError(502, "tracer_failed", detail, **run.end.extra)

    def _tell_unwatched(self, probe: Probe) -> None:
        """Now nothing is missed any more, or is not asked for: until here it was."""
        if probe.unwatched_since_s is not None:
            self._hub.unwatched(probe.mode.name, probe.unwatched_since_s, time.time())
            probe.unwatched_since_s = None

    def _restart_later(self, probe: Probe, run: TracerRun) -> None:
        """After a failure: start it again in a while, if that was asked for."""
        wait_s = probe.restarts.failed()
        if wait_s is None or self._closing.is_set() or probe.ended is None:
            return
        probe.ended["restart_at"] = now(after_s=wait_s)
        timer = threading.Timer(wait_s, self._restart, (probe, run))
        timer.name, timer.daemon = f"restart-{probe.mode.name}", True
        timer.start()

    def _restart(self, probe: Probe, run: TracerRun) -> None:
        """The wait after `run` is over, in a thread of its own; takes the lock itself."""
        with probe.changed:
            if probe.run is not run or not probe.restarts.is_waiting or self._closing.is_set():
                return  # stopped or started meanwhile
            probe.restarts.begin()
            log.warning("%s failed and is started again: %s", probe.mode.name, probe.ended)
            try:
                self._begin(probe, probe.spec)
            except ProbedeckError as error:  # no process: out of memory, say
                probe.ended = {"code": error.code, "detail": error.detail, "at": now()}
                self._restart_later(probe, run)
                self._tell_state(probe)
                return
            try:
                self._await_attached(probe, time.monotonic() + self._settings.start_timeout_s)
            except ProbedeckError as error:  # `ended` tells clients; the next try is arranged
                log.warning("%s was not started again: %s", probe.mode.name, error.detail)

    def _stop_waiting(self, probe: Probe) -> dict[str, Any]:
        """Stop a probe that would have been started again by itself."""
        self._tell_unwatched(probe)
        probe.restarts.is_waiting = False
        probe.state = "stopped"
        probe.ended = {"code": "requested", "detail": "stopped on request", "at": now()}
        return self._tell_state(probe)

    def _tell_state(self, probe: Probe) -> dict[str, Any]:
        described = self._describe(probe)
        name, told = probe.mode.name, probe.told
        probe.told = {key: value for key, value in described.items() if key not in MOVING}
        self._hub.announce(
            f"state:{name}",
            {"type": "state", "state": probe.state, "probe": described},
            probe=name,
            is_change=probe.told != told,
        )
        return described

    def _end_if_hung(self, probe: Probe) -> None:
        """Kill an attached tracer that says nothing, not even that it lives: what it holds of the
        kernel is freed, and who watches is told that rows may be missing.

        Counted in looks and not by a clock, which would also count while this process
        itself was stopped.
        """
        run, silence_s = probe.run, self._settings.tracer_silence_s
        if run is None or run.end is not None or not run.attached or probe.state != "running":
            return
        run.quiet_looks += 1
        if run.quiet_looks * ANNOUNCE_INTERVAL_S > silence_s:
            detail = f"the tracer hung: it said nothing for {silence_s:g} s and was killed"
            run.kill(End("tracer_failed", detail, extra={"reason": "no sign of life"}))

    def _announce_counters(self) -> None:
        told: dict[str, object] = {}
        while not self._closing.wait(ANNOUNCE_INTERVAL_S):
            for name, probe in self._probes.items():
                self._end_if_hung(probe)
                counters = self._hub.counters(name)
                if told.get(name) != counters:
                    told[name] = counters
                    with probe.changed:
                        self._tell_state(probe)


def check_filter(mode: Mode, wanted: Filter) -> None:
    """Raises ProbedeckError 422 for a filter that the mode cannot test."""
    if wanted.only_failures and not mode.sees_return:
        raise ProbedeckError(
            422,
            "not_at_entry",
            f"{mode.name} sees calls at entry, before they succeed or fail: "
            "only_failures needs fexit, kretprobe or tracepoint",
        )


def merge_filter(present: Filter, changes: Mapping[str, Any] | None) -> Filter:
    """RFC 7396 on a filter: a member given replaces, None removes."""
    if changes is None:
        return Filter()
    defaults = Filter().as_json()
    given = {name: defaults[name] if value is None else value for name, value in changes.items()}
    return replace(present, **given)


def ended_badly(end: End) -> ProbedeckError:
    """The end of a run, to a caller who waited for something else."""
    return ProbedeckError(end.status, end.code, end.detail, **end.extra)


def now(after_s: float = 0.0) -> str:
    """RFC 3339, in UTC."""
    return rfc3339(time.time() + after_s)
