# SPDX-License-Identifier: Apache-2.0
"""One run of a probe: what its tracer reports, and the ledger of its rows."""

from __future__ import annotations

import json
import logging
import os
import threading
import time
from collections import Counter, deque
from collections.abc import Callable
from typing import Any

from app.hub import Hub, Ledger
from app.link.frames import KIND_BATCH, KIND_SNAPSHOT, FrameError, TruncatedFrameError
from app.probes.json_shapes import BlindJson, CostJson
from app.probes.kernel_ledger import KernelLedger
from app.probes.last_counts import last_counts
from app.probes.planning import Columns
from app.probes.run_end import End, end_of
from app.probes.spawner import Tracer
from app.probes.spec import Filter, Where
from app.probes.tracer_process import TracerProcess
from app.timestamps import unix_time

log = logging.getLogger(__name__)
Wanted = Filter | Where | Columns


class TracerRun:
    """A tracer process and the thread that reads its frames.

    `on_change` is called from that thread, with this run, each time the tracer attached, answered
    or ended.
    """

    def __init__(
        self, tracer: Tracer, hub: Hub, ledger: Ledger, on_change: Callable[[TracerRun], None]
    ) -> None:
        self._hub = hub
        self._on_change = on_change
        self.ledger = ledger
        self.silent_polls = 0  # since the tracer's last frame; counted by app.probes.monitor
        self.function: str | None = None
        self.attached = False
        self.filtered = 0  # number of the last filter that the tracer confirmed
        self.filter: Filter | None = None  # the last one confirmed
        self.where: Where | None = None  # likewise
        self.columns: Columns | None = None  # likewise
        self.refused: tuple[int, End] | None = None  # the last change that was not possible, why
        self.filter_by = ""  # the caller that asked for the last of both
        self.drops: dict[str, int] = {}
        self.cost: CostJson | None = None
        self.ended_s: float | None = None  # Unix time until which its programs were attached
        self.blind: BlindJson | None = None  # attached, but the kernel does not run the programs
        self.end: End | None = None
        self._blind_since_s = 0.0
        self._filters: deque[tuple[int, Wanted, str]] = deque()  # sent, not confirmed
        self._last_word: End | None = None
        self._kernel_ledgers: list[KernelLedger] = []  # of the sets of programs, oldest first
        self._retired: Counter[str] = Counter()  # totals of sets that are no longer loaded
        self._retired_drops: Counter[str] = Counter()
        self._reported_s = self._heard_s = time.time()
        self._sent = b""
        self._process = TracerProcess(tracer, ledger.probe)
        self._reader = threading.Thread(target=self._read, name="tracer-reader", daemon=True)

    def begin(self, request: bytes) -> None:
        """Send the request and start reading."""
        self._sent = request
        self._reader.start()
        self._process.send(request)

    def stop(self) -> None:
        """Ask the tracer to detach, drain and end; `end` follows, also of one that is dead."""
        self._process.tell({"type": "stop"})

    def change_filter(self, wanted: Filter, number: int, actor: str = "") -> bool:
        """Ask the tracer to use this filter and return whether the request was sent.

        `filtered`, `filter` and `filter_by` follow the tracer's answers. The caller holds the
        lock of the probe: filters are confirmed in the order of these calls.
        """
        message = {"type": "filter", "filter": wanted.as_json(), "number": number}
        return self._request(message, number, wanted, actor)

    def change_where(self, wanted: Where, number: int, actor: str = "") -> bool:
        """As `change_filter`, for a filter of the other language; `where` follows the answers."""
        message = {"type": "where", "where": wanted.kernel, "number": number}
        return self._request(message, number, wanted, actor)

    def change_columns(self, wanted: Columns, number: int, actor: str = "") -> bool:
        """As `change_filter`, for other columns; `columns` follows the answers, or `refused`."""
        message = {
            "type": "columns",
            "plan": wanted.plan.as_json(),
            "where": wanted.where.kernel,
            "filter": wanted.filter.as_json(),
            "number": number,
        }
        return self._request(message, number, wanted, actor)

    @property
    def is_changing_columns(self) -> bool:
        """Whether other columns were asked for, and the tracer has not answered yet."""
        return any(isinstance(wanted, Columns) for _, wanted, _ in list(self._filters))

    def _request(self, message: dict[str, Any], number: int, wanted: Wanted, actor: str) -> bool:
        self._filters.append((number, wanted, actor))
        if not self._process.tell(message):
            self._filters.pop()
            return False
        return True

    @property
    def wanted_filter(self) -> Filter | None:
        """The active filter once all requests are confirmed; None if all are confirmed."""
        asked = (wanted for _, wanted, _ in reversed(list(self._filters)))
        return next((wanted for wanted in asked if isinstance(wanted, Filter)), None)

    def kill(self, why: End | None = None) -> None:
        """Kill the tracer; the kernel detaches its programs. `why` becomes the run's end."""
        self._process.kill(why)

    def join(self, timeout_s: float) -> None:
        """Wait until the process is reaped and its end is known."""
        self._reader.join(timeout_s)

    def _read(self) -> None:
        fault = None
        descriptors: list[int] = []
        try:
            for kind, rows, body in self._process.frames(descriptors):
                self.silent_polls = 0
                if kind == KIND_BATCH:
                    self._hub.publish(self.ledger, rows, body)
                elif kind == KIND_SNAPSHOT:
                    self._hub.counted(self.ledger, body)
                else:
                    self._receive(json.loads(body), descriptors)
                self._heard_s = time.time()
        except TruncatedFrameError:
            pass  # the tracer died, or was killed, while it sent a frame
        except OSError as error:  # no room for the tracer's descriptors
            log.error("%s: reading from the tracer failed: %r", self.ledger.probe, error)
            fault = f"the service could not read from the tracer: {error.strerror}"
        except (FrameError, ValueError, KeyError, TypeError) as error:
            log.error("%s: malformed frame from tracer: %r", self.ledger.probe, error)
            fault = "malformed frame from tracer"
        if fault is not None:
            self.kill()
        self.ended_s = time.time()
        # Callers wait for an end, so there is one even if what follows raises, which is logged.
        end = End("tracer_failed", "the tracer ended, and the service could not tell how")
        try:
            status = self._process.reap()
            self._end_blindness()
            end = end_of(
                status,
                fault=fault,
                last_word=self._last_word,
                killed_for=self._process.killed_for,
            )
            end = self._settle(end, descriptors)
        finally:
            self.end = end
            self._on_change(self)

    def _receive(self, message: dict[str, Any], descriptors: list[int]) -> None:
        kind = message["type"]
        if kind == "counters":
            self._balance(message, since_s=self._reported_s)
            self.drops = message["drops"]
            self.cost = message["cost"]
            self._reported_s = time.time()
        elif kind == "maps":
            self._kernel_ledgers.append(KernelLedger(message, descriptors))
        elif kind == "retired" and 0 <= message["set"] < len(self._kernel_ledgers) - 1:
            self._retire(message["set"])
        elif kind == "attached":
            self.function = message["function"]
            self.attached = True
            self._on_change(self)
        elif kind == "alive":
            pass  # any frame resets `silent_polls`
        elif kind == "sight":
            self._set_blind(message["blind"])
        elif kind == "fault":
            log.error(
                "%s: a batch of %d rows is lost: %s",
                self.ledger.probe,
                message["rows"],
                message["traceback"],
            )
        elif kind in ("filtered", "refused"):
            self._answered(message)
            self._on_change(self)
        elif kind == "stopped":
            self._last_word = End(message["code"], message["detail"])
        elif kind == "failed":
            extra = {
                name: value
                for name, value in message.items()
                if name not in ("type", "code", "detail", "status")
            }
            self._last_word = End(message["code"], message["detail"], message["status"], extra)
        else:
            raise ValueError(f"unexpected message {kind!r}")

    def _answered(self, message: dict[str, Any]) -> None:
        number = message["number"]
        if message["type"] == "refused":  # the changes before it have been answered
            self._filters.popleft()
            self.refused = number, End(message["code"], message["detail"], message["status"])
            return
        while self._filters and self._filters[0][0] <= number:
            _, confirmed, self.filter_by = self._filters.popleft()
            if isinstance(confirmed, Where):
                self.where = confirmed
            elif isinstance(confirmed, Columns):
                self.columns, self.where = confirmed, confirmed.where
                self.filter = confirmed.filter
            else:
                self.filter = confirmed
        self.filtered = number

    def _set_blind(self, blind: BlindJson | None) -> None:
        """Note that the kernel does not run the programs, for this reason, or does again (None)."""
        if blind is None:
            self._end_blindness()
        else:
            since, reason = blind["since"], blind["reason"]
            if self.blind is None:
                self._blind_since_s = unix_time(since)
            self.blind = blind
            log.warning("%s is blind since %s: %s", self.ledger.probe, since, reason)
        self._on_change(self)

    def _end_blindness(self) -> None:
        """Report the time without sight as a gap: the programs run again, or the run ended."""
        if self.blind is not None:
            since, until = self._blind_since_s, time.time()
            self.blind = None
            log.warning("%s was blind for %.1f s, until now", self.ledger.probe, until - since)
            self._hub.unwatched(self.ledger.probe, since, until)

    def _balance(self, totals: dict[str, Any], since_s: float) -> None:
        """Add the losses since the last report to the ledger.

        Rows that the tracer had, sent or not, and that did not arrive are lost in the pipe. A
        report follows the batches that it counts, so the difference is exact.
        """
        ledger, now_s = self.ledger, time.time()
        kernel = totals["dropped_kernel"] - ledger.dropped_kernel
        if kernel:
            self._hub.lost(ledger, "kernel", kernel, since_s, now_s)
        pipe = totals["produced"] - totals["dropped_kernel"] - ledger.received - ledger.dropped_pipe
        if pipe:
            self._hub.lost(ledger, "pipe", pipe, since_s, now_s)

    def _settle(self, end: End, descriptors: list[int]) -> End:
        """Balance the ledger by the kernel's counters, and close the tracer's descriptors.

        After an orderly end the tracer's last report has the same totals.
        """
        for fd in descriptors:
            os.close(fd)  # of programs that let no event through before the end
        if not self._kernel_ledgers:
            return end
        try:
            while len(self._kernel_ledgers) > 1:
                self._retire(0)
            totals = self._kernel_ledgers[0].read()
            drops = Counter(totals["drops"]) + self._retired_drops
            kernel = totals["dropped_kernel"] + self._retired["dropped_kernel"]
            produced = totals["produced"] + self._retired["produced"]
            self._balance({"produced": produced, "dropped_kernel": kernel}, since_s=self._heard_s)
            if not end.orderly:
                self._deliver_counts(self._kernel_ledgers[0])
            self.drops = {**totals["drops"], **drops}
        except OSError as error:
            log.exception("%s: the kernel's counters cannot be read", self.ledger.probe)
            detail = f"{end.detail}; its counters cannot be read: {error.strerror}"
            return End("tracer_failed", detail, extra={"reason": "its counters cannot be read"})
        finally:
            for ledger in self._kernel_ledgers:
                ledger.close()
        return end

    def _deliver_counts(self, kernel: KernelLedger) -> None:
        """Tell clients what a tracer that died has counted; in order, it has told them itself."""
        if kernel.groups is not None and (counts := last_counts(self._sent, kernel)):
            self._hub.counted(self.ledger, counts)

    def _retire(self, place: int) -> None:
        """Keep the totals of a set of programs, which are final. Raises OSError."""
        ledger = self._kernel_ledgers[place]
        totals = ledger.read(counts_misses=False)
        self._retired.update({name: totals[name] for name in ("produced", "dropped_kernel")})
        self._retired_drops.update(totals["drops"])
        ledger.close()
        del self._kernel_ledgers[place]
