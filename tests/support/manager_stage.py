# SPDX-License-Identifier: Apache-2.0
"""A probe manager on fake tracers and a fake planner, and what the tests of it share.

The tracers report what the test says: their conversation is tested in
tests/integration/test_tracer_talk.py.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import pytest

from app.config import Settings
from app.errors import ProbedeckError
from app.hub import Hub
from app.kernel.availability import Availability
from app.link.frames import TracerRequest
from app.probes import launcher
from app.probes import manager as manager_module
from app.probes.kernel_check import KernelAnswer, KernelCheck
from app.probes.manager import ProbeManager
from app.probes.modes import MODES
from app.probes.planning import Columns
from app.probes.run_end import End
from app.probes.spec import Filter, ProbeSpec, Where
from tests.support.fake_planner import FakePlanner
from tests.support.waiting import PATIENCE_S, wait_until

MODE, OTHER, BROKEN = "fexit", "kprobe", "fentry"
MIB = 1 << 20


class FakeRun:
    """A fake of app.probes.run.TracerRun: it reports what the test says, from a thread."""

    def __init__(self, _tracer: object, hub: Hub, ledger: Any, on_change: Callable[..., None]):
        self.hub, self.ledger, self._on_change = hub, ledger, on_change
        self.silent_polls = 0
        self.function: str | None = None
        self.attached = False
        self.filtered, self.filter, self.filter_by = 0, None, ""
        self.where: Where | None = None
        self.columns: Columns | None = None
        self.refused: tuple[int, End] | None = None
        self.is_changing_columns = False
        self.drops: dict[str, int] = {}
        self.cost = self.ended_s = self.blind = None
        self.end: End | None = None
        self.wanted_filter: Filter | None = None
        self.begun = threading.Event()
        self.asked_to_stop = threading.Event()
        self.killed_for: End | None = None
        self.sent: list[tuple[int, Filter | Where | Columns, str]] = []

    def begin(self, request: bytes) -> None:
        self.request = TracerRequest.decode(request)
        self.begun.set()

    def stop(self) -> None:
        self.asked_to_stop.set()

    def change_filter(self, wanted: Filter, number: int, actor: str = "") -> bool:
        self.sent.append((number, wanted, actor))
        return True

    def change_where(self, wanted: Where, number: int, actor: str = "") -> bool:
        self.sent.append((number, wanted, actor))
        return True

    def change_columns(self, wanted: Columns, number: int, actor: str = "") -> bool:
        self.is_changing_columns = True
        self.sent.append((number, wanted, actor))
        return True

    def kill(self, why: End | None = None) -> None:
        """As of a process that is killed: its end is reported later, by its reader."""
        if self.killed_for is None and why is not None:
            self.killed_for = why
            threading.Thread(target=self.report, kwargs={"end": why}).start()

    def report(self, **facts: Any) -> None:
        """Note these facts, and tell the manager."""
        for name, value in facts.items():
            setattr(self, name, value)
        self._on_change(self)

    def confirm(self, index: int = -1) -> None:
        number, wanted, actor = self.sent[index]
        if isinstance(wanted, Columns):
            facts = {"columns": wanted, "where": wanted.where, "filter": wanted.filter}
            self.report(filtered=number, filter_by=actor, is_changing_columns=False, **facts)
            return
        name = "where" if isinstance(wanted, Where) else "filter"
        self.report(filtered=number, filter_by=actor, **{name: wanted})


class FakeSpawner:
    """A fake of app.probes.spawner.Spawner, which starts nothing."""

    def __init__(self) -> None:
        self.problem: OSError | None = None
        self.closed = False

    def take(self) -> object:
        if self.problem:
            raise self.problem
        return object()

    def close(self) -> None:
        self.closed = True


class Stage:
    """A manager on fakes, and the runs that it made."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.runs: list[FakeRun] = []
        self.working = {MODE, OTHER}
        self.checks = 0
        monkeypatch.setattr(launcher, "TracerRun", self._make)
        monkeypatch.setattr(manager_module, "FILTER_TIMEOUT_S", PATIENCE_S)
        monkeypatch.setattr("app.probes.restart.FIRST_WAIT_S", 0.0)
        self.settings = Settings(owner_uid=0, start_timeout_s=PATIENCE_S, stop_timeout_s=PATIENCE_S)
        self.hub, self.spawner, self.planner = Hub(MIB, MIB), FakeSpawner(), FakePlanner()
        self.manager = self.make_manager(self.settings)
        self.pool = ThreadPoolExecutor(16)

    def make_manager(self, settings: Settings) -> ProbeManager:
        made = ProbeManager(
            settings,
            self.hub,
            spawner=self.spawner,  # type: ignore[arg-type]
            kernel_check=KernelCheck(settings, self._ask),
            planner=self.planner,
        )
        made.check_availability()
        return made

    def _make(self, *arguments: Any) -> FakeRun:
        self.runs.append(FakeRun(*arguments))
        return self.runs[-1]

    def _ask(self, _settings: Settings) -> KernelAnswer:
        self.checks += 1
        modes = {
            name: Availability(True, "f")
            if name in self.working
            else Availability(False, None, "x")
            for name in MODES
        }
        return KernelAnswer(
            "6.1", "x86_64", "lab", modes, {mode: [f"not by {mode}"] for mode in MODES}
        )

    def run(self, count: int) -> FakeRun:
        wait_until(lambda: len(self.runs) >= count and self.runs[count - 1].begun.is_set(), "a run")
        return self.runs[count - 1]

    def start(self, name: str = MODE, **spec: Any) -> FakeRun:
        """Start a probe and have it attached."""
        count = len(self.runs) + 1
        future = self.pool.submit(self.manager.start, name, ProbeSpec(**spec), "ann")
        run = self.run(count)
        run.report(attached=True, function="g")
        described, is_new = future.result(PATIENCE_S)
        assert (described["state"], described["function"], is_new) == ("running", "g", True)
        return run

    @property
    def state(self) -> str:
        return self.manager.describe(MODE)["state"]

    def overtake(self, run: FakeRun, call: Callable[[], Any], **facts: Any) -> Any:
        """Report these facts and make this call before the callers that wait for them go on."""
        with self.manager._registry.get(MODE).changed:
            run.report(**facts)
            return call()  # which lets the others in only when it waits itself

    def attach_after(self, call: Future[Any], count: int) -> Future[None]:
        """Have that run attached once the call has been answered."""

        def attach() -> None:
            call.exception(PATIENCE_S)
            self.run(count).report(attached=True)

        return self.pool.submit(attach)

    def wait_for(self, state: str) -> None:
        wait_until(lambda: self.state == state, state)


def problem(call: Future[Any] | Callable[[], Any]) -> tuple[int, str]:
    with pytest.raises(ProbedeckError) as caught:
        call.result(PATIENCE_S) if isinstance(call, Future) else call()
    return caught.value.status, caught.value.code


def ended_by(call: Callable[..., Any], *arguments: Any) -> None:
    """Make a call that may fail."""
    with suppress(ProbedeckError):
        call(*arguments)


STOPPED = End("requested", "stopped on request")
DIED = End("tracer_failed", "it died", extra={"reason": "died"})
