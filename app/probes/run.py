# SPDX-License-Identifier: Apache-2.0
"""One run of one probe: its tracer process, and what comes from it."""

from __future__ import annotations

import json
import logging
import os
import signal
import socket
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from app.hub import Hub, Ledger
from app.link.frames import KIND_BATCH, FrameError, TruncatedFrameError, read_frames
from app.probes.kernel_ledger import KernelAccount
from app.probes.spawner import Spawner
from app.probes.spec import Filter
from app.timestamps import unix_time

LOGGED_LINE_BYTES = 4096
log = logging.getLogger(__name__)


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
        self.filter: Filter | None = None  # which one that was
        self.filter_by = ""  # and who asked for it
        self.drops: dict[str, int] = {}
        self.cost: dict[str, float] | None = None
        self.ended_s: float | None = None  # when it was heard last: then its programs were there
        self.blind: dict[str, str] | None = None  # since, reason, hint: attached, but not run
        self.end: End | None = None
        self._filters: deque[tuple[int, Filter, str]] = deque()  # sent and not confirmed
        self._last_word: End | None = None
        self._killed_for: End | None = None
        self._account: KernelAccount | None = None
        self._reported_s = self._heard_s = time.time()
        tracer = spawner.take()
        self._process = tracer.process
        self._socket = tracer.socket
        # The reader closes the socket and reaps the process, whose numbers may be others' then.
        self._lock = threading.Lock()
        self._is_gone = self._is_killed = False
        self._reader = threading.Thread(target=self._read, name="tracer-reader", daemon=True)

    def begin(self, request: bytes) -> None:
        """Send the request and start reading."""
        self._reader.start()
        self._send(request)

    def stop(self) -> None:
        """Have the tracer detach, drain and end. One that is gone tells so by its end."""
        self._tell({"type": "stop"})

    def change_filter(self, wanted: Filter, number: int, actor: str = "") -> bool:
        """Have the tracer use this filter; `filtered`, `filter` and `filter_by` follow its answers.
        Whether it was sent.

        The caller holds its probe's lock: filters are confirmed in the order of these calls.
        """
        message = {"type": "filter", "filter": wanted.as_json(), "number": number}
        self._filters.append((number, wanted, actor))
        if not self._tell(message):
            self._filters.pop()
            return False
        return True

    @property
    def wanted_filter(self) -> Filter | None:
        """The filter that will hold once all that was sent is confirmed; None: nothing is sent."""
        try:
            return self._filters[-1][1]
        except IndexError:
            return None

    def kill(self, why: End | None = None) -> None:
        """End the process at once; the kernel detaches its programs. `why` is told as its end."""
        if self._is_killed and (why is None or self._killed_for is not None):
            return  # nothing to add; whoever repeats it does not keep the reader from the lock
        with self._lock:
            if self._is_gone:
                return
            self._killed_for = self._killed_for or why  # the first, which ended it
            if not self._is_killed:
                self._is_killed = True
                # Not Popen.kill, which may reap it: its number must stay its own until then.
                os.kill(self._process.pid, signal.SIGKILL)
                # What it has sent is still read; then that ends, even if another process holds
                # its end of the socket (unix_stream_read_generic, net/unix/af_unix.c).
                self._socket.shutdown(socket.SHUT_RD)

    def join(self, timeout_s: float) -> None:
        """Wait until the process is reaped and its end is known."""
        self._reader.join(timeout_s)

    def _tell(self, message: dict[str, Any]) -> bool:
        return self._send(json.dumps(message).encode() + b"\n")

    def _send(self, data: bytes) -> bool:
        """Whether the socket took it. Never blocks: a stopped tracer reads nothing.

        A line fits into one buffer of a Unix socket, which takes it whole or not at all
        (unix_stream_sendmsg, net/unix/af_unix.c).
        """
        with self._lock:
            if self._is_gone:
                return False
            try:
                self._socket.send(data, socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL)
            except (BlockingIOError, BrokenPipeError, ConnectionResetError):
                return False  # if it is gone, the reader sees the end of file and tells why
            return True

    def _read(self) -> None:
        errors = threading.Thread(target=self._log_stderr, name="tracer-stderr", daemon=True)
        errors.start()
        fault = None
        descriptors: list[int] = []
        try:
            for kind, rows, body in read_frames(self._socket, descriptors):
                self.quiet_looks = 0
                if kind == KIND_BATCH:
                    self._hub.publish(self.ledger, rows, body)
                else:
                    self._heard(json.loads(body), descriptors)
                self._heard_s = time.time()
        except TruncatedFrameError:
            pass  # it ended, or was ended, in the middle of one
        except OSError as error:  # no room for its descriptors
            log.error("%s: reading from the tracer failed: %r", self.ledger.probe, error)
            fault = f"the service could not read from the tracer: {error.strerror}"
        except (FrameError, ValueError, KeyError, TypeError) as error:
            log.error("%s: malformed frame from tracer: %r", self.ledger.probe, error)
            fault = "malformed frame from tracer"
        if fault is not None:
            self.kill()
        self.ended_s = time.time()
        # Whatever goes wrong from here on is raised, and logged, and is an end all the same:
        # callers wait for one.
        end = End("tracer_failed", "the tracer ended, and the service could not tell how")
        try:
            status = self._reap()
            errors.join()
            self._end_blindness()
            end = self._how_it_ended(fault, status)
            end = self._settle(end, descriptors)
        finally:
            self.end = end
            self._on_change()

    def _reap(self) -> int:
        """Wait for the process; its exit status. Then the socket is closed, too."""
        os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOWAIT)
        with self._lock:
            self._is_gone = True
            self._socket.close()
            return self._process.wait()

    def _log_stderr(self) -> None:
        stream = self._process.stderr
        assert stream is not None  # the spawner asked for a pipe
        with stream:
            while line := stream.readline(LOGGED_LINE_BYTES):
                text = line.decode(errors="backslashreplace").rstrip()
                log.warning("tracer of %s: %s", self.ledger.probe, text)

    def _heard(self, message: dict[str, Any], descriptors: list[int]) -> None:
        kind = message["type"]
        if kind == "counters":
            self._balance(message, since_s=self._reported_s)
            self.drops = message["drops"]
            self.cost = message["cost"]
            self._reported_s = time.time()
        elif kind == "maps" and self._account is None:
            self._account = KernelAccount(message, descriptors)
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
            self._filtered(message["number"])
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
            raise ValueError(f"unexpected message {kind!r}")

    def _filtered(self, number: int) -> None:
        while self._filters and self._filters[0][0] <= number:
            _, self.filter, self.filter_by = self._filters.popleft()
        self.filtered = number

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
        """The programs run again, or the run is over: no call was seen between these moments."""
        if self.blind is not None:
            since = unix_time(self.blind["since"])
            until = time.time()
            self.blind = None
            log.warning("%s was blind for %.1f s, until now", self.ledger.probe, until - since)
            self._hub.unwatched(self.ledger.probe, since, until)

    def _balance(self, totals: dict[str, Any], since_s: float) -> None:
        """Book what was lost; what was sent, or waited to be, and we never got is the pipe's loss.

        Totals follow the batches they count, so the difference is exact.
        """
        ledger, now_s = self.ledger, time.time()
        kernel = totals["dropped_kernel"] - ledger.dropped_kernel
        if kernel:
            self._hub.lost(ledger, "kernel", kernel, since_s, now_s)
        pipe = totals["produced"] - totals["dropped_kernel"] - ledger.received - ledger.dropped_pipe
        if pipe:
            self._hub.lost(ledger, "pipe", pipe, since_s, now_s)

    def _settle(self, end: End, descriptors: list[int]) -> End:
        """Balance the books by what the kernel says, however the tracer ended; give back its maps.

        After an orderly end the tracer's own last report has said the same.
        """
        account = self._account
        if account is None:  # it ended before its programs could let anything through
            for fd in descriptors:
                os.close(fd)
            return end
        try:
            totals = account.read()
            self._balance(totals, since_s=self._heard_s)
            self.drops = totals["drops"]
        except OSError as error:
            log.exception("%s: the kernel's counters cannot be read", self.ledger.probe)
            detail = f"{end.detail}; what it held could not be counted: {error.strerror}"
            return End("tracer_failed", detail, extra={"reason": "its counters cannot be read"})
        finally:
            account.close()
        return end

    def _how_it_ended(self, fault: str | None, status: int) -> End:
        if fault is None and self._last_word is not None and self._last_word.orderly:
            return self._last_word  # even if it was killed after that
        if fault is None and self._killed_for is not None and status == -signal.SIGKILL:
            return self._killed_for
        if fault is None and self._last_word is not None:
            return self._last_word
        if fault is None:
            fault = (
                f"the tracer was ended by {signal_name(-status)}"
                if status < 0
                else f"the tracer ended with status {status}"
            )
        return End("tracer_failed", fault, extra={"reason": fault})


def signal_name(number: int) -> str:
    """`SIGKILL`; real-time signals, of which Python names the first and last only, by number."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
