# SPDX-License-Identifier: Apache-2.0
"""The real service as a child process: start it, watch it, end it, check that nothing is left."""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPException
from pathlib import Path
from typing import Any

from app import ROOT
from tests.support import kernel
from tests.support.client import Client, Ndjson, Websocket
from tests.support.kernel import BpfObject, Process
from tests.support.waiting import PATIENCE_S, START_PATIENCE_S, wait_until

PIDFD_OPEN, PIDFD_GETFD = 434, 438  # the same on every architecture
libc = ctypes.CDLL(None, use_errno=True)


class Service(Client):
    """`python -m app` on a free port, with folders of its own; use `running_service`."""

    def __init__(
        self,
        folder: Path,
        cache: Path,
        options: tuple[str, ...],
        port: int | None = None,
        prefix: tuple[str, ...] = (),
    ) -> None:
        unverified = None
        if {"--tls-self-signed", "--tls-cert"} & set(options):
            unverified = ssl.create_default_context()
            # Tests of the certificate check it themselves.
            unverified.check_hostname, unverified.verify_mode = False, ssl.CERT_NONE
        super().__init__(port or free_port(), unverified)
        self.folder = folder
        self.run_dir = folder / "run"
        self.log = folder / "service.log"
        self._bpf_before = kernel.bpf_objects()
        self._tracefs_before = kernel.tracefs_events()
        self._mounts_before = kernel.mounts()
        command = [*prefix, sys.executable, "-m", "app", "--port", str(self.port)]
        command += ["--run-dir", str(self.run_dir), "--cache-dir", str(cache)]
        self.audit_log = folder / "audit.jsonl"
        self.state_dir = folder / "state"
        command += ["--audit-log", str(self.audit_log), "--state-dir", str(self.state_dir)]
        # Five probes compile, and drain, at once on two emulated processors.
        command += ["--start-timeout-s", str(START_PATIENCE_S), "--stop-timeout-s", "100"]
        command += ["--tracer-silence-s", "200", *options]
        self._seen: dict[int, int] = {}
        with self.log.open("wb") as log:
            # A session of its own: Ctrl-C in the tests' terminal is not for it.
            self.process = subprocess.Popen(
                command, cwd=ROOT, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
            )

    def wait_until_ready(self) -> None:
        """Wait until it answers; AssertionError with its log when it ends instead."""

        def ready() -> bool:
            assert self.process.poll() is None, f"the service ended:\n{self.log.read_text()}"
            try:
                # 403: it serves, but another user than the one who runs the tests.
                return self.request("GET", "/healthz").status in {200, 403}
            except (ConnectionError, HTTPException):
                return False

        wait_until(ready, "the service to answer")

    def ndjson(self, query: str = "", **options: Any) -> Ndjson:
        return Ndjson(self.port, query, tls=self.tls, **options)

    def websocket(self, query: str = "", **options: Any) -> Websocket:
        return Websocket(self.port, query, tls=self.tls, **options)

    # --- Its processes ---

    def processes(self) -> list[Process]:
        """Return its live processes: its descendants, and former ones that lost their parent."""
        own = {process.pid for process in kernel.descendants(self.process.pid)}
        own |= {self.process.pid}
        found = [
            process
            for process in kernel.processes()
            if process.pid in own or self._seen.get(process.pid) == process.started
        ]
        self._seen |= {process.pid: process.started for process in found}
        return [process for process in found if process.alive]

    def worker(self) -> Process:
        """gunicorn's only worker."""
        return kernel.worker_of(self.process.pid)

    def tracers(self) -> list[Process]:
        """Return the processes that trace; not the idle one that waits for a start."""
        return [
            process
            for process in kernel.descendants(self.worker().pid)
            if "app.tracer" in process.command and kernel.bpf_objects_held_by([process.pid])
        ]

    # --- What it has in the kernel ---

    def bpf_objects(self) -> set[BpfObject]:
        """Return BPF programs, maps and links made since its start that no other process holds."""
        new = kernel.bpf_objects() - self._bpf_before
        if not new:
            return new
        own = {process.pid for process in self.processes()}
        others = (process.pid for process in kernel.processes() if process.pid not in own)
        return new - kernel.bpf_objects_held_by(others)

    def programs(self) -> set[BpfObject]:
        """The BPF programs that its processes hold."""
        held = kernel.bpf_objects_held_by(process.pid for process in self.processes())
        return {(kind, number) for kind, number in held if kind == "prog"}

    def wait_until_gone_from_kernel(self) -> None:
        """Wait until the kernel has freed its probes' objects; programs take a grace period."""
        wait_until(lambda: not self.bpf_objects(), "BPF objects to be gone")

    def wait_until_left(self) -> None:
        """Wait until it has closed every connection, and so freed what each stream held."""
        wait_until(lambda: not kernel.open_connections(self.port), "connections to be closed")

    # --- Its end ---

    def terminate(self) -> None:
        """Ask it to end, wait, and check that nothing at all is left of it."""
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(timeout=120) == 0, self.log.read_text()
        self.check_nothing_left()

    def check_nothing_left(self) -> None:
        """Check that no process, BPF object, tracefs event, mount or open port of it is left."""
        wait_until(lambda: not self.processes(), "its processes to be gone")
        wait_until(lambda: not orphaned_tracers(), "tracers without a service to be gone")
        self.wait_until_gone_from_kernel()
        wait_until(lambda: kernel.tracefs_events() <= self._tracefs_before, "its events to be gone")
        wait_until(lambda: kernel.mounts() <= self._mounts_before, "its mounts to be gone")
        with socket.socket() as probe:
            assert probe.connect_ex(("127.0.0.1", self.port)) != 0, "its port is still open"

    def kill(self) -> None:
        """Kill whatever is left of it, after a failed test."""
        for process in self.processes():
            try:
                os.kill(process.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass  # it had ended
        self.process.wait(PATIENCE_S)


def orphaned_tracers() -> list[Process]:
    """Return tracers of this tree whose service has ended."""
    everyone = {process.pid: process for process in kernel.processes() if process.alive}
    return [
        process
        for process in everyone.values()
        if "app.tracer" in process.command
        and Path(f"/proc/{process.pid}/cwd").resolve() == ROOT
        and (process.parent not in everyone or "app" not in everyone[process.parent].command)
    ]


def socket_of(tracer: int) -> socket.socket:
    """A tracer's own end of its line to the service, taken out of the process (pidfd_getfd(2))."""
    pidfd = libc.syscall(PIDFD_OPEN, tracer, 0)
    assert pidfd >= 0, os.strerror(ctypes.get_errno())
    try:
        taken = libc.syscall(PIDFD_GETFD, pidfd, 0, 0)
        assert taken >= 0, os.strerror(ctypes.get_errno())
        return socket.socket(fileno=taken)
    finally:
        os.close(pidfd)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def running_service(
    folder: Path,
    cache: Path,
    *options: str,
    port: int | None = None,
    prefix: tuple[str, ...] = (),
) -> Iterator[Service]:
    """A service that answers. On leaving, it is ended (if a test has not) and checked for remains.

    `folder` takes its run folder and its log; `cache` may be shared by services. Without `port`,
    any that is free. `prefix` is a program, with its arguments, that executes the service.
    """
    service = Service(folder, cache, options, port, prefix)
    try:
        service.wait_until_ready()
        yield service
        if service.process.poll() is None:
            service.terminate()
    except BaseException:
        sys.stderr.write(service.log.read_text(errors="backslashreplace"))
        raise
    finally:
        service.kill()
