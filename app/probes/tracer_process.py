# SPDX-License-Identifier: Apache-2.0
"""A tracer process as seen from the service: its socket, its standard error, its death."""

from __future__ import annotations

import json
import logging
import os
import signal
import socket
import threading
from collections.abc import Iterator
from typing import IO, Any

from app.link.frames import read_frames
from app.probes.run_end import End
from app.probes.spawner import Tracer

LOGGED_LINE_BYTES = 4096
log = logging.getLogger(__name__)


class TracerProcess:
    """A tracer and our end of its socket.

    One thread reads frames and then reaps; any thread may send and kill, also after that: once
    the process is reaped, its PID and the socket's descriptor may belong to others.
    """

    def __init__(self, tracer: Tracer, probe: str) -> None:
        self.killed_for: End | None = None
        self._probe = probe
        self._process, self._socket = tracer.process, tracer.socket
        self._lock = threading.Lock()
        self._is_reaped = self._is_killed = False
        self._stderr = threading.Thread(
            target=self._log_stderr,
            args=(tracer.process.stderr,),
            name="tracer-stderr",
            daemon=True,
        )

    def frames(self, descriptors: list[int]) -> Iterator[tuple[int, int, bytes]]:
        """Yield the tracer's frames until end of file (app.link.frames.read_frames)."""
        self._stderr.start()
        return read_frames(self._socket, descriptors)

    def tell(self, message: dict[str, Any]) -> bool:
        """Send a message and return whether the socket took it."""
        return self.send(json.dumps(message).encode() + b"\n")

    def send(self, line: bytes) -> bool:
        """Send one line and return whether the socket took it. Never block.

        A stopped tracer reads nothing. A line of up to 32 KiB fits into one buffer of a Unix
        socket, which takes it whole or not at all; of a longer one, a socket that is nearly full
        may take a part (unix_stream_sendmsg, net/unix/af_unix.c), after which the tracer, which
        can read nothing more, is killed.
        """
        with self._lock:
            if self._is_reaped:
                return False
            try:
                sent = self._socket.send(line, socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL)
            except (BlockingIOError, BrokenPipeError, ConnectionResetError):
                return False  # of a dead tracer the reader sees the end of file, and reports it
        if sent < len(line):
            detail = f"the tracer could not be sent {len(line)} bytes at once, and was killed"
            self.kill(End("tracer_failed", detail, extra={"reason": "its socket is full"}))
            return False
        return True

    def kill(self, why: End | None = None) -> None:
        """Kill the process; the kernel detaches its programs. Only the first `why` counts."""
        if self._is_killed and (why is None or self.killed_for is not None):
            return  # nothing to add: a caller in a loop must not keep the reader from the lock
        with self._lock:
            if self._is_reaped:
                return
            self.killed_for = self.killed_for or why
            if not self._is_killed:
                self._is_killed = True
                # Popen.kill might reap the process, and its PID must stay its own until `reap`.
                os.kill(self._process.pid, signal.SIGKILL)
                # What it has sent is still read. Then reading ends, even if another process holds
                # its end of the socket (unix_stream_read_generic, net/unix/af_unix.c).
                self._socket.shutdown(socket.SHUT_RD)

    def reap(self) -> int:
        """Wait for the process, close the socket and return the exit status."""
        os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOWAIT)
        with self._lock:
            self._is_reaped = True
            self._socket.close()
            status = self._process.wait()
        self._stderr.join()
        return status

    def _log_stderr(self, stream: IO[bytes]) -> None:
        with stream:
            while line := stream.readline(LOGGED_LINE_BYTES):
                text = line.decode(errors="backslashreplace").rstrip()
                log.warning("tracer of %s: %s", self._probe, text)
