# SPDX-License-Identifier: Apache-2.0
"""A tracer's life: attach, say so, drain until told to stop, detach, drain what is left, report."""

from __future__ import annotations

import json
import select
import socket
import time

from app.errors import ProbedeckError
from app.link.frames import Outbox, ServiceGone, TracerRequest
from app.probes.spec import Filter
from app.tracer.canary import Sight
from app.tracer.drain import OUTBOX_BYTES, Drain
from app.tracer.programs import Programs

# How often the rings are looked at. They do not wake us (BPF_RB_NO_WAKEUP): waking costs the
# traced process, and a look at a quiet ring costs us microseconds. A batch costs some 200 µs
# here, whatever is in it, and as much again in the service: small ones would be most of the work.
LOOK_INTERVAL_S = 0.025
SHORTEST_INTERVAL_S = 0.002
AIM_FILL = 0.25  # of a ring when it is looked at: so much room is left for a rate that jumps
QUIET_LOOKS = 40  # without a row; then half as often, so that an idle probe costs next to nothing
QUIET_INTERVAL_S = 0.050
REPORT_INTERVAL_S = 0.1
QUIET_REPORT_INTERVAL_S = 0.5  # where no row came: the totals are most likely as they were
# Often enough for the service to tell a quiet kernel from a tracer that hangs.
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
        programs: Programs,
        sight: Sight,
    ) -> None:
        self._request = request
        self._socket = sock
        self._outbox = outbox
        self._programs = programs
        self._sight = sight
        self._filter = request.filter
        self._received = b""
        self._stop_code: str | None = None

    def run(self, drain: Drain) -> None:
        """Until a stop is asked for or the time is up. Raises ServiceGone."""
        started = time.monotonic()
        reported = next_alive = next_look = next_check = looked = now = started
        rows_since_report = quiet_looks = 0
        while self._stop_code is None:
            for message in self._messages(max(0.0, next_look - now)):
                self._obey(message, drain)
            self._outbox.send()
            now = time.monotonic()
            if now < next_look:
                continue  # woken to send on: a look now would make a batch of next to nothing
            rows = drain.once()
            quiet_looks = 0 if rows else quiet_looks + 1
            rows_since_report += rows
            elapsed_s, looked = now - looked, now
            next_look = now
            if not drain.is_behind:
                next_look += interval_s(quiet_looks, drain.fill, elapsed_s)
            report_s = REPORT_INTERVAL_S if rows_since_report else QUIET_REPORT_INTERVAL_S
            if now >= reported + report_s and self._outbox.waiting_bytes < OUTBOX_BYTES:
                drain.report()
                reported, rows_since_report = now, 0
            if now >= next_check:
                if self._sight.check():
                    self._outbox.message({"type": "sight", "blind": self._sight.blind})
                next_check = now + self._sight.interval_s
            if now >= next_alive and not self._outbox.waiting_bytes:
                self._outbox.message({"type": "alive"})
                next_alive = now + ALIVE_INTERVAL_S
            self._outbox.send()
            if self._request.duration_s is not None and now - started >= self._request.duration_s:
                self._stop_code = "duration"
        self._finish(drain)

    def _finish(self, drain: Drain) -> None:
        # No new calls; those under way may return; then off the hooks; then the rest.
        # The tests stay: calls that return yet must still pass them.
        self._programs.set_filter(self._filter, enabled=False)
        self._programs.wait_for_returns(RETURNS_TIMEOUT_S)
        self._programs.detach()
        deadline = time.monotonic() + DRAIN_TIMEOUT_S
        while drain.consumed < drain.produced or self._outbox.waiting_bytes:
            drain.once()
            self._outbox.send()
            if self._outbox.waiting_bytes:
                select.select([], [self._socket], [], 0.1)
            if time.monotonic() > deadline:
                raise ProbedeckError(504, "stop_timeout", "the service takes no more events")
        drain.report(unfinished=self._programs.calls_in_progress())
        self._outbox.message(
            {"type": "stopped", "code": self._stop_code, "detail": _ENDS[self._stop_code or ""]}
        )

    def _messages(self, interval_s: float) -> list[dict[str, object]]:
        """What the service asks for within the interval. Raises ServiceGone."""
        waiting_to_send = [self._socket] if self._outbox.waiting_bytes else []
        readable, _, _ = select.select([self._socket], waiting_to_send, [], interval_s)
        if not readable:
            return []
        data = self._socket.recv(65536)
        if not data:
            raise ServiceGone
        *lines, self._received = (self._received + data).split(b"\n")
        return [json.loads(line) for line in lines]

    def _obey(self, message: dict[str, object], drain: Drain) -> None:
        if message["type"] == "stop":
            self._stop_code = "requested"
        elif message["type"] == "filter" and isinstance(message["filter"], dict):
            self._filter = Filter(**message["filter"])
            self._programs.set_filter(self._filter)
            drain.report()  # so that who changed the filter knows what was lost until then
            self._outbox.message({"type": "filtered", "number": message["number"]})
        else:
            raise ValueError(f"unknown message {message['type']!r}")


def interval_s(quiet_looks: int, fill: float, elapsed_s: float) -> float:
    """How long to wait for the next look, after so many without a row, when the last found the
    fullest ring filled so far, `elapsed_s` after the one before."""
    if quiet_looks >= QUIET_LOOKS:
        return QUIET_INTERVAL_S
    if fill * LOOK_INTERVAL_S <= AIM_FILL * elapsed_s:
        return LOOK_INTERVAL_S
    return max(SHORTEST_INTERVAL_S, AIM_FILL * elapsed_s / fill)


_ENDS = {"requested": "stopped on request", "duration": "the asked time is over"}
