# SPDX-License-Identifier: Apache-2.0
"""A tracer's main loop: drain until told to stop, detach, drain what is left, report."""

from __future__ import annotations

import json
import select
import socket
import time

from app.columns.plan import Plan
from app.errors import ProbedeckError
from app.filters.kernel_filter import KernelFilter
from app.link.frames import Outbox, ServiceGoneError, TracerRequest
from app.probes.spec import Filter
from app.tracer.attached_programs import AttachedPrograms
from app.tracer.column_change import ColumnChange
from app.tracer.decode_plan import PlanEncoder
from app.tracer.drain import OUTBOX_BYTES, Drain
from app.tracer.group_reports import INTERVAL_S, GroupReports
from app.tracer.plan_programs import PlanPrograms
from app.tracer.sight import Sight

# The rings are polled. They do not wake this process (BPF_RB_NO_WAKEUP), as the traced process
# would pay for that, while polling an idle ring takes microseconds. A batch costs some 200 µs here,
# whatever its size, and as much again in the service, so small ones would be most of the work.
POLL_INTERVAL_S = 0.025
SHORTEST_INTERVAL_S = 0.002
TARGET_OCCUPANCY = (
    0.25  # of a ring when it is polled: the rest is room for a sudden rise of the rate
)
IDLE_POLLS = 40  # in a row; then half as often, so that an idle probe costs next to nothing
IDLE_INTERVAL_S = 0.050
REPORT_INTERVAL_S = 0.1
IDLE_REPORT_INTERVAL_S = 0.5  # without new rows, as the totals have most likely not changed
# Often enough for the service to tell an idle probe from a tracer that hangs.
ALIVE_INTERVAL_S = 1.0
RETURNS_TIMEOUT_S = 0.25
DRAIN_TIMEOUT_S = 10.0


class Loop:
    """Drains one probe and obeys the service."""

    def __init__(
        self,
        request: TracerRequest,
        sock: socket.socket,
        outbox: Outbox,
        programs: AttachedPrograms | PlanPrograms,
        sight: Sight,
        *,
        groups: GroupReports | None = None,
    ) -> None:
        self._request = request
        self._socket = sock
        self._outbox = outbox
        self._programs = programs
        self._sight = sight
        self._groups = groups
        self._filter = request.filter
        self._received = b""
        self._columns = (
            ColumnChange(request, programs, outbox) if isinstance(programs, PlanPrograms) else None
        )
        self._stop_code: str | None = None

    def run(self, drain: Drain) -> None:
        """Run until a stop is requested or the duration is over. Raises ServiceGoneError."""
        started = time.monotonic()
        reported = next_alive = next_poll = next_check = next_groups = polled = now = started
        rows_since_report = idle_polls = 0
        while self._stop_code is None:
            for message in self._messages(max(0.0, next_poll - now)):
                self._obey(message, drain)
            self._outbox.send()
            now = time.monotonic()
            if now < next_poll:
                continue  # woken to continue sending: a poll now would yield a tiny batch
            rows = drain.poll()
            if self._columns is not None:
                self._filter = self._columns.advance(drain) or self._filter
            idle_polls = 0 if rows else idle_polls + 1
            rows_since_report += rows
            elapsed_s, polled = now - polled, now
            next_poll = now
            if not drain.is_behind:
                next_poll += interval_s(idle_polls, drain.occupancy, elapsed_s)
            report_s = REPORT_INTERVAL_S if rows_since_report else IDLE_REPORT_INTERVAL_S
            if now >= reported + report_s and self._outbox.queued_bytes < OUTBOX_BYTES:
                drain.report()
                reported, rows_since_report = now, 0
            if self._groups is not None and now >= next_groups and not self._outbox.queued_bytes:
                self._groups.report()
                next_groups = now + INTERVAL_S
            if now >= next_check:
                if self._sight.check():
                    self._outbox.message({"type": "sight", "blind": self._sight.blind})
                next_check = now + self._sight.interval_s
            if now >= next_alive and not self._outbox.queued_bytes:
                self._outbox.message({"type": "alive"})
                next_alive = now + ALIVE_INTERVAL_S
            self._outbox.send()
            if self._request.duration_s is not None and now - started >= self._request.duration_s:
                self._stop_code = "duration"
        self._finish(drain)

    def _finish(self, drain: Drain) -> None:
        if self._columns is not None:
            self._columns.close()
        # Let no new calls in, let those in progress return, detach, then drain the rest. The
        # filter's tests stay, as calls in progress must still pass them at their return.
        self._programs.set_filter(self._filter, enabled=False)
        self._programs.wait_for_returns(RETURNS_TIMEOUT_S)
        self._programs.detach()
        deadline = time.monotonic() + DRAIN_TIMEOUT_S
        while drain.consumed < drain.produced or self._outbox.queued_bytes:
            drain.poll()
            self._outbox.send()
            if self._outbox.queued_bytes:
                select.select([], [self._socket], [], 0.1)
            if time.monotonic() > deadline:
                raise ProbedeckError(
                    504,
                    "stop_timeout",
                    f"the service has not taken all events within {DRAIN_TIMEOUT_S:g} s",
                )
        if self._groups is not None:
            self._groups.report()
        drain.report(unfinished=self._programs.calls_in_progress())
        self._outbox.message(
            {"type": "stopped", "code": self._stop_code, "detail": _ENDS[self._stop_code or ""]}
        )

    def _messages(self, interval_s: float) -> list[dict[str, object]]:
        """Return the service's messages within the interval. Raises ServiceGoneError."""
        waiting_to_send = [self._socket] if self._outbox.queued_bytes else []
        readable, _, _ = select.select([self._socket], waiting_to_send, [], interval_s)
        if not readable:
            return []
        data = self._socket.recv(65536)
        if not data:
            raise ServiceGoneError
        *lines, self._received = (self._received + data).split(b"\n")
        return [json.loads(line) for line in lines]

    def _obey(self, message: dict[str, object], drain: Drain) -> None:
        if message["type"] == "stop":
            self._stop_code = "requested"
        elif message["type"] == "filter" and isinstance(message["filter"], dict):
            self._filter = Filter(**message["filter"])
            self._programs.set_filter(self._filter)
            drain.report()  # so that the losses under the old filter are known
            self._outbox.message({"type": "filtered", "number": message["number"]})
        elif message["type"] == "where":
            where = message["where"]
            wanted = KernelFilter.from_json(where) if isinstance(where, dict) else KernelFilter()
            self._programs.set_where(wanted)
            drain.report()
            self._outbox.message({"type": "filtered", "number": message["number"]})
        elif message["type"] == "columns" and self._columns is not None:
            self._columns.begin(message)
        elif message["type"] == "columns" and isinstance(message["plan"], dict):
            # Their records have all columns: only what is made of them changes.
            plan = Plan.from_json(message["plan"])
            drain.encode_by(PlanEncoder(self._request.probe, self._request.run, plan))
            self._obey({**message, "type": "filter"}, drain)
        else:
            raise ValueError(f"unknown message {message['type']!r}")


def interval_s(idle_polls: int, occupancy: float, elapsed_s: float) -> float:
    """Return how long to wait for the next poll.

    `idle_polls` is the number of polls in a row without rows, `occupancy` that of the fullest ring
    at the last poll (0 to 1), `elapsed_s` the time between the last two polls.
    """
    if idle_polls >= IDLE_POLLS:
        return IDLE_INTERVAL_S
    if occupancy * POLL_INTERVAL_S <= TARGET_OCCUPANCY * elapsed_s:
        return POLL_INTERVAL_S
    return max(SHORTEST_INTERVAL_S, TARGET_OCCUPANCY * elapsed_s / occupancy)


_ENDS = {"requested": "stopped on request", "duration": "the requested duration is over"}
