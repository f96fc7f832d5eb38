# SPDX-License-Identifier: Apache-2.0
"""The lock of the one running instance, its folders, and its listening sockets."""

from __future__ import annotations

import errno
import fcntl
import logging
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from app.access.audit_log import AuditLog
from app.access.tokens import LOCK_NAME
from app.config import Settings
from app.errors import ProbedeckError
from app.linux import paths


def cannot_start(detail: str) -> ProbedeckError:
    return ProbedeckError(503, "cannot_start", detail)


@contextmanager
def sole_instance(run_dir: Path) -> Iterator[None]:
    """Hold the lock of `run_dir`; raise ProbedeckError `cannot_start` if another instance does.

    The kernel releases the lock when the last process of the instance ends, however it ends.
    Probes are the state of one process: a second instance would show other counters.
    """
    with named("--run-dir"):
        run_dir = paths.folder(run_dir, mode=0o700)
        path = run_dir / LOCK_NAME
        descriptor = paths.open_file(path, os.O_RDWR | os.O_CREAT)
    with os.fdopen(descriptor, "r+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pid = lock.read().strip() or "unknown"
            raise cannot_start(
                f"Probedeck already runs here (process {pid}; {path} is locked). "
                "End that one first, or give this one folders and a port of its own "
                "(--run-dir, --port)."
            ) from None
        with named("--run-dir"):
            paths.check_room(run_dir)
        lock.truncate(0)
        lock.write(f"{os.getpid()}\n")
        lock.flush()
        yield


def check_places(settings: Settings) -> None:
    """Raise ProbedeckError `cannot_start` if another path in the options cannot be used.

    Certificate and key are checked where they are read (app/server/tls.py), tokens in
    app/access/tokens.py.
    In a running service, a cache or an audit log that has become unusable ends nothing: modes
    report the cache's trouble as their reason, and changes that cannot be logged are refused (503).
    """
    with named("--cache-dir"):
        paths.check_room(paths.folder(settings.cache_dir), paths.CACHE_ROOM_BYTES)
    with named("--audit-log", "file"):
        AuditLog(settings.audit_log).check()
    with named("--btf-path", "file"):
        try:
            os.close(paths.open_file(settings.btf_path, os.O_RDONLY))
        except paths.UnusablePathError as error:
            # A kernel without BTF has no such file, which modes report as their reason.
            if not error.is_missing:
                raise
            if settings.btf_path != Settings.btf_path:
                logging.getLogger(__name__).warning("--btf-path: %s.", error)


@contextmanager
def named(option: str, kind: str = "folder", effect: str = "") -> Iterator[None]:
    """Turn UnusablePathError into `cannot_start` naming the option; `effect` is what fails."""
    try:
        yield
    except paths.UnusablePathError as error:
        raise cannot_start(
            f"{option}{' ' * bool(effect)}{effect}: {error}. "
            f"Change that, or name another {kind} by {option}."
        ) from error


def listening(address: str, port: int) -> list[socket.socket]:
    """Return listening sockets, for the caller to close; raise ProbedeckError `cannot_start`.

    For the default address also on [::1], if there is IPv6: `localhost` resolves to it first, and
    another local user who bound it would receive what is sent to localhost:PORT.
    """
    listeners: list[socket.socket] = []
    for each in ["127.0.0.1", "::1"] if address == "127.0.0.1" else [address]:
        try:
            listeners.append(_listen(each, port))
        except OSError as error:
            if listeners and error.errno in (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL):
                continue  # no IPv6 here
            for listener in listeners:
                listener.close()
            raise cannot_start(_why(each, port, error)) from error
    return listeners


def _listen(address: str, port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # after a restart
        listener.bind((address, port))
        listener.listen()
    except OSError:
        listener.close()
        raise
    return listener


def _why(address: str, port: int, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return (
            f"Port {port} of {address} is in use by another program. "
            f"Choose another: --port {port % 65535 + 1}"
        )
    return f"Cannot listen on port {port} of {address}: {error.strerror}."
