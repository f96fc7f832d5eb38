# SPDX-License-Identifier: Apache-2.0
"""The service's side of the process that forks tracers (app/tracer/forks.py)."""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Callable
from typing import IO

from app.link.fork_answers import ANSWER, READY

# Loading numpy and Arrow takes a quarter of a second, and far longer in emulation.
READY_S = 30.0
ANSWER_S = 10.0  # a fork takes milliseconds


class ForkedProcess:
    """A child that this process did not start itself, as much of subprocess.Popen as is used."""

    def __init__(self, pid: int, stderr: IO[bytes]) -> None:
        self.pid, self.stderr = pid, stderr

    def wait(self) -> int:
        """Wait for the child and return its exit status, negative for a signal; call it once."""
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


class TracerForker:
    """The process that forks tracers; the thread that starts it must live as long as it does."""

    def __init__(self, start: Callable[[socket.socket], subprocess.Popen[bytes]]) -> None:
        """`start` starts it with this socket as standard input; raises OSError."""
        self._control, theirs = socket.socketpair()
        with theirs:
            try:
                self._process = start(theirs)
            except BaseException:
                self._control.close()
                raise
        self._is_ready = False

    def fork(self, tracer_socket: socket.socket) -> ForkedProcess:
        """Return a new tracer with this socket as standard input.

        Raises OSError when none can be forked; TimeoutError and ConnectionError are of this process
        itself, which is of no use any more.
        """
        if not self._is_ready:
            if self._hear(READY_S) != READY:
                raise ConnectionError("the tracers' parent does not know the protocol")
            self._is_ready = True
        errors, their_errors = os.pipe2(os.O_CLOEXEC)
        stderr = os.fdopen(errors, "rb")
        try:
            try:
                descriptors = [tracer_socket.fileno(), their_errors]
                socket.send_fds(self._control, [b"\0"], descriptors, socket.MSG_NOSIGNAL)
            finally:
                os.close(their_errors)
            pid = self._hear(ANSWER_S)
            if pid <= 0:
                raise OSError(-pid, os.strerror(-pid))
        except BaseException:
            stderr.close()
            raise
        return ForkedProcess(pid, stderr)

    def wait_for_end(self) -> int | None:
        """Wait until the process has ended, from any thread, and leave it to `close`.

        Return its exit status, negative for a signal; None if `close` has ended it.
        """
        try:
            ended = os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOWAIT)
        except ChildProcessError:
            return None
        if ended is None:
            return None  # only with WNOHANG
        return ended.si_status if ended.si_code == os.CLD_EXITED else -ended.si_status

    def was_ready(self) -> bool:
        """Return whether the process, which has ended, had come so far that it could fork."""
        if not self._is_ready:
            try:
                self._is_ready = self._hear(ANSWER_S) == READY
            except (ConnectionError, TimeoutError):
                return False
        return self._is_ready

    def close(self) -> None:
        """End the process; tracers continue."""
        self._control.close()
        self._process.kill()
        self._process.wait()

    def _hear(self, patience_s: float) -> int:
        self._control.settimeout(patience_s)
        answer = self._control.recv(ANSWER.size, socket.MSG_WAITALL)
        if len(answer) < ANSWER.size:
            raise ConnectionError("the tracers' parent has ended")
        number: int = ANSWER.unpack(answer)[0]
        return number
