# SPDX-License-Identifier: Apache-2.0
"""Which modes this kernel allows, found by trying them in a process (`python -m app.kernel`)."""

from __future__ import annotations

import json
import logging
import os
import select
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from app import ROOT
from app.config import Settings
from app.errors import ProbedeckError
from app.kernel.availability import Availability
from app.probes.modes import MODES, PREFERENCE
from app.probes.spawner import child_environment

CHECK_TIMEOUT_S = 60.0  # or start_timeout_s, which is longer on slow machines
MOST_LOGGED_LINES = 50
MOST_ERROR_BYTES = 1 << 20
PIECE_BYTES = 1 << 16
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class KernelAnswer:
    """Which kernel is running and which modes it allows."""

    release: str
    machine: str
    hostname: str
    modes: dict[str, Availability]
    # What the preset with programs of its own does not show, in each mode, in sentences.
    not_seen: Mapping[str, list[str]] = field(default_factory=dict)

    def working(self) -> list[str]:
        """Return the modes that work, the preferred first."""
        return [name for name in PREFERENCE if self.modes[name].available]


class KernelCheck:
    """The kernel's last answer, shared by all threads. `ask` is replaced by tests."""

    def __init__(
        self, settings: Settings, ask: Callable[[Settings], KernelAnswer] | None = None
    ) -> None:
        self._settings = settings
        self._ask = ask or ask_kernel
        self._lock = threading.Lock()
        self._was_asked = threading.Event()
        self._answer: KernelAnswer | None = None

    @property
    def answer(self) -> KernelAnswer:
        """The last answer; waits for the first check. Raises ProbedeckError if none succeeded."""
        self._was_asked.wait()
        return self._answer or self.run()

    def run(self) -> KernelAnswer:
        """Check the kernel (again). Raises ProbedeckError; then the last answer remains."""
        with self._lock:
            try:
                self._answer = answer = self._ask(self._settings)
            finally:
                self._was_asked.set()
            return answer

    def require(self, mode: str, possible: Collection[str] = PREFERENCE) -> None:
        """Raises ProbedeckError 501 if a mode still does not work when it is checked again.

        `possible` are the modes that can be proposed instead.
        """
        if not self.answer.modes[mode].available:
            self.run()  # the cause may have been removed since the last check
        result = self.answer.modes[mode]
        if not result.available:
            raise ProbedeckError(
                501,
                "unavailable",
                f"{mode} does not work here: {result.reason}",
                reason=result.reason,
                hint=result.hint,
                alternatives=[name for name in self.answer.working() if name in possible],
            )


def check_command(settings: Settings) -> list[str]:
    """Return the command line of the kernel check."""
    paths = [f"--btf-path={settings.btf_path}", f"--cache-dir={settings.cache_dir}"]
    return [sys.executable, "-m", "app.kernel", *paths]


def ask_kernel(settings: Settings) -> KernelAnswer:
    """Check the kernel in a short-lived process. Raises ProbedeckError 500 if that fails."""
    timeout_s = max(CHECK_TIMEOUT_S, settings.start_timeout_s)
    try:
        answer: dict[str, Any] = json.loads(_line_of(check_command(settings), timeout_s))
        return KernelAnswer(
            answer["release"],
            answer["machine"],
            answer["hostname"],
            {name: Availability(**answer["modes"][name]) for name in MODES},
            answer["not_seen"],
        )
    except subprocess.CalledProcessError as error:
        lines = error.stderr.decode(errors="backslashreplace").splitlines()
        for line in lines[-MOST_LOGGED_LINES:]:
            log.error("kernel check: %s", line)
        raise _check_failed(f"it exited with status {error.returncode}") from error
    except subprocess.TimeoutExpired as error:
        raise _check_failed(f"no answer for {timeout_s:g} s") from error
    except OSError as error:
        log.exception("the kernel check cannot be started")
        raise _check_failed(f"it cannot be started: {error.strerror}") from error
    except (ValueError, KeyError, TypeError) as error:
        log.exception("the kernel check's answer is malformed")
        raise _check_failed("its answer is malformed") from error


def _line_of(command: Sequence[str], timeout_s: float) -> bytes:
    """Run a command and return the line that it prints, without waiting for its end.

    Raises OSError, CalledProcessError if it ends without a line, and TimeoutExpired.
    """
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        env=child_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,  # so that Ctrl-C reaches the service only
    )
    errors = bytearray()
    line = _read_line(process, errors, timeout_s)
    if line is None:
        process.kill()
        process.communicate()
        raise subprocess.TimeoutExpired(command, timeout_s)
    if line:
        threading.Thread(target=process.communicate, name="kernel-check", daemon=True).start()
        return line
    _, rest = process.communicate()
    raise subprocess.CalledProcessError(process.returncode, command, stderr=bytes(errors + rest))


def _read_line(
    process: subprocess.Popen[bytes], errors: bytearray, timeout_s: float
) -> bytes | None:
    """Return the first line, empty if there is none before the end, or None after the time-out.

    `errors` gets the last of what the process has written to its standard error so far: if nobody
    read that, it could fill its pipe and hold up the line.
    """
    assert process.stdout is not None
    assert process.stderr is not None
    deadline_s = time.monotonic() + timeout_s
    poller = select.poll()
    for pipe in (process.stdout, process.stderr):
        poller.register(pipe, select.POLLIN)
    line = b""
    while not line.endswith(b"\n"):
        left_s = deadline_s - time.monotonic()
        ready = poller.poll(left_s * 1000) if left_s > 0 else []
        if not ready:
            return None
        for descriptor, _ in ready:
            piece = os.read(descriptor, PIECE_BYTES)
            if descriptor == process.stderr.fileno():
                errors += piece
                del errors[:-MOST_ERROR_BYTES]
                if not piece:
                    poller.unregister(descriptor)
            elif not piece:
                return b""
            else:
                line += piece
    return line


def _check_failed(why: str) -> ProbedeckError:
    detail = f"The kernel check failed: {why}. The service's log has the details."
    return ProbedeckError(500, "internal", detail)
