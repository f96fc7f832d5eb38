# SPDX-License-Identifier: Apache-2.0
"""One run of one probe: its tracer process, and what comes from it."""

from __future__ import annotations

import json
import logging
import signal
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from app.frames import KIND_BATCH, BadFrame, read_frames
from app.hub import Hub, Ledger
from app.probes.spawner import Spawner

log = logging.getLogger(__name__)
STDERR_TAIL_BYTES = 4096


@dataclass(frozen=True)
class End:
    """How a run ended. `code` is `requested`, `duration` or the code of a failure."""

    code: str
    detail: str
    status: int = 502
    extra: dict[str, Any] = field(default_factory=dict)

    @property
    def orderly(self) -> bool:
        return self.code in ("requested", "duration")


class TracerRun:
    """A tracer process and the thread that reads its frames.

    `on_change` is called, from that thread, when it attached, answered or ended.
    """

    def __init__(
        self, spawner: Spawner, hub: Hub, ledger: Ledger, on_change: Callable[[], None]
    ) -> None:
        self._hub = hub
        self._on_change = on_change
        self.ledger = ledger
        self.quiet_looks = 0  # how often it was looked at since the last word from the tracer
        self.function: str | None = None
        self.attached = False
        self.filtered = 0  # number of the last filter that the tracer confirmed
        self.drops: dict[str, int] = {}
        self.cost: dict[str, float] | None = None
        self.blind: dict[str, str] | None = None  # since, reason, hint: attached, but not run
        self.end: End | None = None
        self._last_word: End | None = None
        self._stderr = b""
        tracer = spawner.take()
        self._process = tracer.process
        self._socket = tracer.socket
        self._reader = threading.Thread(target=self._read, name="tracer-reader", daemon=True)

    def begin(self, request: bytes) -> None:
        """Send the request and start reading."""
        self._reader.start()
        self._send(request)

    def tell(self, message: dict[str, Any]) -> None:
        """Send a control message; one to a tracer that is gone is lost, as its end tells."""
        self._send(json.dumps(message).encode() + b"\n")

    def kill(self, why: End | None = None) -> None:
        """End the process at once; the kernel detaches its programs. `why` is told as its end."""
        self._last_word = why
        self._process.kill()

    def join(self, timeout_s: float) -> None:
        """Wait until the process is reaped and its end is known."""
        self._reader.join(timeout_s)

    def _send(self, data: bytes) -> None:
        try:
            self._socket.sendall(data, socket.MSG_NOSIGNAL)
        except (BrokenPipeError, ConnectionResetError):
            pass  # the reader sees the end of file and tells how it ended

    def _read(self) -> None:
        errors = threading.Thread(target=self._read_stderr, name="tracer-stderr", daemon=True)
        errors.start()
        fault = None
        try:
            for kind, rows, body in read_frames(self._socket):
                self.quiet_looks = 0
                if kind == KIND_BATCH:
                    self._hub.publish(self.ledger, rows, body)
                else:
                    self._heard(json.loads(body))
        except (BadFrame, OSError, ValueError, KeyError, TypeError) as error:
            fault = f"the tracer sent what is no frame: {error!r}"
            self.kill()
        self._socket.close()
        status = self._process.wait()
        errors.join()
        self._end_blindness()
        self.end = self._how_it_ended(fault, status)
        self._on_change()

    def _read_stderr(self) -> None:
        stream = self._process.stderr
        assert stream is not None  # the spawner asked for a pipe
        with stream:
            while data := stream.read1(4096):  # type: ignore[attr-defined]
                self._stderr = (self._stderr + data)[-STDERR_TAIL_BYTES:]

    def _heard(self, message: dict[str, Any]) -> None:
        kind = message["type"]
        if kind == "counters":
            self._balance(message)
        elif kind == "attached":
            self.function = message["function"]
            self.attached = True
            self._on_change()
        elif kind == "alive":
            pass  # that it said something is what it said
        elif kind == "sight":
            self._sees(message["blind"])
        elif kind == "fault":
            log.error(
                "%s: a batch of %d rows is lost: %s",
                self.ledger.probe,
                message["rows"],
                message["traceback"],
            )
        elif kind == "filtered":
            self.filtered = message["number"]
            self._on_change()
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
            raise ValueError(f"unknown message {kind!r}")

    def _sees(self, blind: dict[str, str] | None) -> None:
        """The kernel no longer runs the programs (`blind` says since when and why), or does again
        (None)."""
        self._end_blindness()
        self.blind = blind
        if blind is not None:
            probe, since = self.ledger.probe, blind["since"]
            log.warning("%s is blind since %s: %s", probe, since, blind["reason"])
        self._on_change()

    def _end_blindness(self) -> None:
        """The programs run again, or the run is over."""
        if self.blind is not None:
            since = datetime.fromisoformat(self.blind["since"].replace("Z", "+00:00"))
            self.blind = None
            self._blind_ended(since.timestamp(), time.time())

    def _blind_ended(self, since_s: float, until_s: float) -> None:
        """No program saw any call between these moments (Unix time)."""
        seconds = until_s - since_s
        log.warning("%s was blind for %.1f s, until now", self.ledger.probe, seconds)

    def _balance(self, totals: dict[str, Any]) -> None:
        """Book what the tracer says was lost; what it sent and we never got was lost in the pipe.

        Totals follow the batches they count, so the difference is exact.
        """
        ledger = self.ledger
        kernel = totals["dropped_kernel"] - ledger.dropped_kernel
        if kernel:
            self._hub.lost(ledger, "kernel", kernel)
        pipe = totals["produced"] - totals["dropped_kernel"] - ledger.received - ledger.dropped_pipe
        if pipe:
            self._hub.lost(ledger, "pipe", pipe)
        self.drops = totals["drops"]
        self.cost = totals["cost"]

    def _how_it_ended(self, fault: str | None, status: int) -> End:
        if fault is None and self._last_word is not None:
            return self._last_word
        if fault is None:
            fault = (
                f"the tracer was ended by {signal.Signals(-status).name}"
                if status < 0
                else f"the tracer ended with status {status}"
            )
        said = self._stderr.decode(errors="backslashreplace").strip()
        return End("tracer_failed", fault, extra={"reason": said or fault})
