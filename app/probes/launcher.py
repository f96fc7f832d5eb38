# SPDX-License-Identifier: Apache-2.0
"""Starts runs: a ledger, a tracer process and its request."""

from __future__ import annotations

import itertools
import logging
import os
import time
from collections.abc import Callable

from app.columns.plan import Plan
from app.config import Settings
from app.errors import ProbedeckError
from app.hub import Hub
from app.link.compiler import TEMPLATES_OF, missing_command, template_command
from app.link.frames import TracerRequest
from app.probes.kernel_check import KernelAnswer
from app.probes.precompile import Precompiler
from app.probes.probe import Probe
from app.probes.run import TracerRun
from app.probes.spawner import Spawner

log = logging.getLogger(__name__)


class Launcher:
    """Makes runs, and has the programs of all modes compiled before they are needed."""

    def __init__(self, settings: Settings, hub: Hub, spawner: Spawner) -> None:
        self._settings, self._hub, self._spawner = settings, hub, spawner
        self._run_numbers = itertools.count(time.time_ns() // 1000)  # unique across services too
        self._precompiler: Precompiler | None = None

    def open(self) -> None:
        """Start the spawner's thread."""
        self._spawner.open()

    def precompile(self, kernel: KernelAnswer) -> None:
        """Compile the programs of the modes that work, in the background.

        All of the preferred mode come first: a start is in that mode unless it names another.
        """
        settings = self._settings
        commands = {}
        for mode in kernel.working():
            for template in TEMPLATES_OF[mode]:
                commands[template] = template_command(
                    template, settings.btf_path, settings.cache_dir, precompile=True
                )
        missing = missing_command(commands, settings.cache_dir)
        self._precompiler = Precompiler(self._spawner, commands, missing)

    def close(self) -> None:
        """End the compiler and the spare tracer."""
        if self._precompiler is not None:
            self._precompiler.close()
        self._spawner.close()

    def make_run(self, probe: str, plan: Plan, on_change: Callable[[TracerRun], None]) -> TracerRun:
        """Return a run whose tracer waits for its request. Raises ProbedeckError 502."""
        if self._precompiler is not None:
            self._precompiler.cancel(plan.template)
        ledger = self._hub.begin_run(probe)
        try:
            tracer = self._spawner.take()
        except OSError as error:
            log.exception("no tracer could be started for %s", probe)
            raise ProbedeckError(
                502, "tracer_failed", f"no tracer could be started: {error.strerror}"
            ) from error
        return TracerRun(tracer, self._hub, ledger, on_change)

    def request(self, probe: Probe, function: str | None, duration_s: float | None) -> bytes:
        """Return the request for a probe's tracer.

        `function` is where the mode's own programs go; `duration_s` is what is left of the spec's.
        """
        settings, plan = self._settings, probe.plan
        return TracerRequest(
            probe=probe.id,
            mode=probe.mode.name,
            function=(function or "") if plan.has_own_programs else plan.hook.name,
            run=next(self._run_numbers),
            parent_pid=os.getpid(),
            filter=probe.spec.filter,
            duration_s=duration_s,
            ring_bytes=settings.ring_mib << 20,
            btf_path=str(settings.btf_path),
            cache_dir=str(settings.cache_dir),
            plan=plan.as_json(),
            where=probe.where.kernel,
        ).encode()
