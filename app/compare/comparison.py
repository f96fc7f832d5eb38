# SPDX-License-Identifier: Apache-2.0
"""One target in several modes at once: do they show the same calls, and what does each cost?

Of the target by default, a process of our own makes the calls: so all of them are known, and a call
can be timed with and without a probe. Calls of any other target are those that happen to be made.
"""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from typing import Any

from app.compare.agreement import Row, agreement
from app.errors import ProbedeckError, invalid
from app.hub import Batch, Hub
from app.presets.deletions.own_calls import OwnCalls
from app.probes.manager import ProbeManager
from app.probes.modes import MODES
from app.probes.planning import modes_of
from app.probes.spec import DEFAULT_TARGET, PRESET, Filter, ProbeSpec

CALLS = 500  # of our own, which all modes are to show
# To be timed. The fastest round counts: whatever interrupts one makes it slower.
ROUNDS, CALLS_OF_ROUND = 10, 200
MAX_ROWS = 10_000  # of each mode
SETTLE_S = 10.0  # for rows of our own calls to arrive
POLL_S = 0.05
RowsOf = Callable[[bytes], Iterable[Row]]


@dataclass
class ModeResult:
    """What is told of a mode. Times are in ns.

    `rows` are those it showed, `lost` those it lost and counted; `missing` are calls that another
    mode, or the caller, knows of and this one does not.
    """

    mode: str
    available: bool = True
    reason: str | None = None
    hint: str | None = None
    rows: int | None = None
    lost: int | None = None
    missing: int | None = None
    program_ns_per_call: float | None = None  # in its programs, by the kernel's count
    added_ns_per_call: float | None = None  # to the caller's processor time
    slow_down: float | None = None  # a call's time, traced by untraced


class Comparison:
    """Compares modes, one target at a time. Any thread may call it."""

    def __init__(self, manager: ProbeManager, hub: Hub) -> None:
        self._manager, self._hub = manager, hub
        self._lock = threading.Lock()
        self._numbers = itertools.count(1)

    def compare(
        self,
        spec: ProbeSpec,
        modes: Sequence[str] | None,
        duration_s: float,
        *,
        actor: str,
        rows_of: RowsOf,
    ) -> dict[str, Any]:
        """Return what docs/compare.md says; `rows_of` decodes a batch.

        Raises ProbedeckError as the start of a probe does, and 409 `comparison_running`.

        Without a target and filters, calls are made; else it waits for those of others, so long.
        """
        if not self._lock.acquire(blocking=False):
            detail = "Modes are being compared: try again when that is done."
            raise ProbedeckError(409, "comparison_running", detail)
        try:
            return _Run(self, spec, modes, actor, rows_of).result(duration_s)
        finally:
            self._lock.release()

    def next_number(self) -> int:
        """Return the number of a comparison, for the names of its probes."""
        return next(self._numbers)

    @property
    def manager(self) -> ProbeManager:
        return self._manager

    def rows_since(
        self, first_row: int, probes: dict[str, str], rows_of: RowsOf
    ) -> dict[str, list[Row]]:
        """Return the rows of each mode; `probes` has the mode of each probe."""
        held = self._hub.recent(frozenset(probes), after_row=first_row)
        rows: dict[str, list[Row]] = {mode: [] for mode in probes.values()}
        for item in held.items:
            if isinstance(item, Batch):
                own = rows[probes[item.probe]]
                if len(own) < MAX_ROWS:
                    own += rows_of(item.data)
        return rows

    @property
    def next_row(self) -> int:
        return self._hub.next_row

    def delivered(self, probe: str) -> int:
        """Return how many rows of a probe have arrived, or were lost and counted."""
        return self._hub.counters(probe)["produced"]


class _Run:
    """One comparison."""

    def __init__(
        self,
        comparison: Comparison,
        spec: ProbeSpec,
        modes: Sequence[str] | None,
        actor: str,
        rows_of: RowsOf,
    ) -> None:
        self._of, self._actor, self._rows_of = comparison, actor, rows_of
        self._is_own = spec.target is None and spec.filter == Filter() and spec.where is None
        target = spec.target or DEFAULT_TARGET
        self._spec = replace(spec, target=target, mode=None)
        possible = tuple(MODES) if target.kind == PRESET else modes_of(target)
        if unknown := [mode for mode in modes or () if mode not in possible]:
            known = ", ".join(possible)
            raise invalid("modes", f"{unknown[0]}: a {target.kind} can be traced in {known}.")
        self._results = {mode: ModeResult(mode) for mode in (modes or possible)}
        number = comparison.next_number()
        self._names = {mode: f"compare-{number}-{mode}" for mode in self._results}

    def result(self, duration_s: float) -> dict[str, Any]:
        with ExitStack() as stack:
            own = stack.enter_context(OwnCalls()) if self._is_own else None
            agreed = self._all_at_once(own, duration_s)
            untraced_ns = None if own is None else self._one_by_one(own)
        target = self._spec.target
        assert target is not None
        return {
            "target": {"kind": target.kind, "name": target.name},
            "calls": None if own is None else CALLS,
            "untraced_ns_per_call": untraced_ns,
            "modes": [asdict(result) for result in self._results.values()],
            **agreed,
        }

    def _all_at_once(self, own: OwnCalls | None, duration_s: float) -> dict[str, Any]:
        """Have all modes show the same calls; return how they agree."""
        of, first_row = self._of, self._of.next_row
        with ExitStack() as stack:
            started = [mode for mode in self._results if self._start(stack, mode, own)]
            names = {self._names[mode]: mode for mode in started}
            begin_ns = time.time_ns()
            if own is None:
                self._wait(duration_s, lambda: max(map(of.delivered, names), default=0) >= MAX_ROWS)
            else:
                own.make(CALLS)
                self._wait(SETTLE_S, lambda: min(map(of.delivered, names), default=CALLS) >= CALLS)
            end_ns = time.time_ns()
        rows = of.rows_since(first_row, names, self._rows_of)
        found = agreement(rows, begin_ns, end_ns)
        for mode in started:
            result = self._results[mode]
            result.rows = len(rows[mode])
            known_missing = 0 if own is None else max(0, CALLS - len(rows[mode]))
            result.missing = max(found.missing[mode], known_missing)
        agree = None
        if len(started) > 1:
            agree = not any(self._results[mode].missing for mode in started)
        return {
            "agree": agree,
            "compared": list(found.compared),
            "differences": list(found.examples),
        }

    def _one_by_one(self, own: OwnCalls) -> float:
        """Time calls with each mode alone; return what one takes without any."""
        untraced_ns = _fastest(own)
        traced_ns = {}
        for mode, result in self._results.items():
            if not result.available:
                continue
            with ExitStack() as stack:
                if self._start(stack, mode, own):
                    traced_ns[mode] = _fastest(own)
            untraced_ns = min(untraced_ns, _fastest(own))
        for mode, took_ns in traced_ns.items():
            self._results[mode].added_ns_per_call = took_ns - untraced_ns
            self._results[mode].slow_down = took_ns / untraced_ns
        return untraced_ns

    def _start(self, stack: ExitStack, mode: str, own: OwnCalls | None) -> bool:
        """Start a mode's probe, which the stack stops; return whether that is possible here."""
        result = self._results[mode]
        spec = replace(self._spec, mode=mode)
        if own is not None:
            spec = replace(spec, filter=Filter(pid=own.pid))
        try:
            self._of.manager.start(self._names[mode], spec, self._actor)
        except ProbedeckError as error:
            if error.status != 501:
                raise
            result.available = False
            result.reason, result.hint = error.extra.get("reason"), error.extra.get("hint")
            return False
        stack.callback(self._stop, mode)
        return True

    def _stop(self, mode: str) -> None:
        result = self._results[mode]
        stopped = self._of.manager.stop(self._names[mode], self._actor)
        result.lost = (result.lost or 0) + sum(
            count for name, count in stopped["counters"].items() if name.startswith("dropped_")
        )
        if stopped["cost"] is not None:
            result.program_ns_per_call = stopped["cost"]["ns_per_call"]

    @staticmethod
    def _wait(duration_s: float, is_enough: Callable[[], bool]) -> None:
        deadline = time.monotonic() + duration_s
        while time.monotonic() < deadline and not is_enough():
            time.sleep(POLL_S)


def _fastest(own: OwnCalls) -> float:
    return min(own.make(CALLS_OF_ROUND) for _ in range(ROUNDS))
