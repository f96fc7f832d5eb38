# SPDX-License-Identifier: Apache-2.0
"""What there must be one of on a machine: the running instance, and the port it listens on."""

from __future__ import annotations

import errno
import fcntl
import os
import socket
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from app.errors import ProbedeckError


def cannot_start(detail: str) -> ProbedeckError:
    return ProbedeckError(503, "cannot_start", detail)


@contextmanager
def sole_instance(run_dir: Path) -> Iterator[None]:
    """Hold the lock of `run_dir`; raises ProbedeckError `cannot_start` when another holds it.

    The kernel lets go of the lock when the last process of the instance is gone, however
    it ended. Probes are state of one process: a second instance would show other counters.
    """
    make_private(run_dir)
    path = run_dir / "lock"
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
    with os.fdopen(os.open(path, flags, 0o600), "r+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pid = lock.read().strip() or "unknown"
            raise cannot_start(
                f"Probedeck already runs here (process {pid}; {path} is locked)."
            ) from None
        lock.truncate(0)
        lock.write(f"{os.getpid()}\n")
        lock.flush()
        yield


def make_private(folder: Path) -> None:
    """Make the folder if need be; raises ProbedeckError when others could write to it."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o022:
        raise cannot_start(f"{folder} is not a folder that only this user can write to.")


def listening(address: str, port: int) -> list[socket.socket]:
    """Listening sockets, the caller's to close; raises ProbedeckError `cannot_start`.

    With the default address also [::1], where there is IPv6: `localhost` means it first, and
    another local user who took it would get what people send to localhost:PORT.
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
