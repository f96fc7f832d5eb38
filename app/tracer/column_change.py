# SPDX-License-Identifier: Apache-2.0
"""A change of a running probe's columns, from the service's message to the old set's end.

The new set is loaded in a thread, as the verifier takes its time and the rings fill meanwhile. The
service gets its descriptors before a call can enter it, so that no record is without an account.
"""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Future
from threading import Thread
from typing import Any

from app.columns.plan import Plan
from app.errors import ProbedeckError
from app.filters.kernel_filter import KernelFilter
from app.link.frames import Outbox, TracerRequest
from app.probes.spec import Filter
from app.tracer.decode_plan import PlanEncoder
from app.tracer.drain import Drain
from app.tracer.plan_programs import PlanPrograms, PlanSet

# Sets at once; beyond, calls of the oldest that have not returned are counted as unfinished.
MAX_SETS = 4


class ColumnChange:
    """Changes the columns of one probe, one change at a time. Leaving it unloads what is loaded."""

    def __init__(self, request: TracerRequest, programs: PlanPrograms, outbox: Outbox) -> None:
        self._request, self._programs, self._outbox = request, programs, outbox
        self._message: Mapping[str, Any] | None = None
        self._loading: Future[PlanSet] | None = None
        self._thread: Thread | None = None
        self._is_told = False
        self._cut: PlanSet | None = None  # it is read to its end, then retired

    def close(self) -> None:
        """Give up a change that has not come into force."""
        if self._thread is not None:
            self._thread.join()
        if self._loading is not None and not self._loading.exception():
            self._loading.result().__exit__()
        self._message = self._loading = self._thread = None

    def begin(self, message: Mapping[str, Any]) -> None:
        """Load the programs that a message wants. Raises ValueError if a change is in progress."""
        if self._loading is not None:
            raise ValueError("a change of columns is in progress")
        self._message, self._loading, self._is_told = message, Future(), False
        thread = Thread(target=self._load, args=(message, self._loading))
        try:
            thread.start()
        except RuntimeError:  # no memory for its stack
            self._load(message, self._loading)
        else:
            self._thread = thread

    def _load(self, message: Mapping[str, Any], result: Future[PlanSet]) -> None:
        where = message["where"]
        try:
            kernel = KernelFilter() if where is None else KernelFilter.from_json(where)
            result.set_result(self._programs.load(Plan.from_json(message["plan"]), kernel))
        except BaseException as error:  # noqa: BLE001 - of whatever kind, for the loop
            result.set_exception(error)

    def advance(self, drain: Drain) -> Filter | None:
        """Do what can be done now; return the active filter if the new set took over."""
        self._retire(drain)
        loading, message = self._loading, self._message
        if loading is None or message is None or not loading.done():
            return None
        if not self._is_told:
            try:
                loaded = loading.result()
                self._read(drain, loaded)
            except ProbedeckError as error:
                self._refuse(message, error)
                return None
            self._outbox.maps(*self._programs.account_of(loaded))
            self._is_told = True
        self._outbox.send()
        if self._outbox.queued_bytes:
            return None  # the service has not got all of it
        self._message = self._loading = self._thread = None
        wanted = Filter(**message["filter"])
        self._programs.switch_to(loading.result(), wanted)
        drain.poll()
        drain.report()
        self._outbox.message({"type": "filtered", "number": message["number"]})
        return wanted

    def _read(self, drain: Drain, loaded: PlanSet) -> None:
        """Read the rings of a set. Raises ProbedeckError 502, and then has unloaded it."""
        encoder = PlanEncoder(self._request.probe, self._request.run, loaded.plan)
        try:
            drain.add(loaded, encoder, loaded.slots)
        except OSError as error:
            loaded.__exit__()
            raise ProbedeckError(
                502, "tracer_failed", f"the new rings cannot be read: {error.strerror}"
            ) from error

    def _refuse(self, message: Mapping[str, Any], error: ProbedeckError) -> None:
        self._message = self._loading = self._thread = None
        self._outbox.message(
            {
                "type": "refused",
                "number": message["number"],
                "code": error.code,
                "detail": error.detail,
                "status": error.status,
            }
        )

    def _retire(self, drain: Drain) -> None:
        """Retire one set, in two steps, as its last records are read between them."""
        programs = self._programs
        if self._cut is None:
            self._cut = programs.retirable(MAX_SETS)
            if self._cut is None:
                return
            programs.cut(self._cut)
        place = programs.sets.index(self._cut)
        if drain.is_empty(place):
            drain.remove(place)
            programs.retire(self._cut)
            self._cut = None
            drain.report()
            self._outbox.message({"type": "retired", "set": place})
