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


def _cannot_start(detail: str) -> ProbedeckError:
    return ProbedeckError(503, "cannot_start", detail)


@contextmanager
def sole_instance(run_dir: Path) -> Iterator[None]:
    """Hold the lock of `run_dir`; raises ProbedeckError `cannot_start` when another holds it.

    The kernel lets go of the lock when the last process of the instance is gone, however
    it ended. Probes are state of one process: a second instance would show other counters.
    """
    _make_private(run_dir)
    path = run_dir / "lock"
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
    with os.fdopen(os.open(path, flags, 0o600), "r+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pid = lock.read().strip() or "unknown"
            raise _cannot_start(
                f"Probedeck already runs here (process {pid}; {path} is locked)."
            ) from None
        lock.truncate(0)
        lock.write(f"{os.getpid()}\n")
        lock.flush()
        yield


def _make_private(run_dir: Path) -> None:
    run_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = run_dir.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o022:
        raise _cannot_start(f"{run_dir} is not a folder that only this user can write to.")


@contextmanager
def listening(address: str, port: int) -> Iterator[list[socket.socket]]:
    """Bound sockets for gunicorn to listen on; raises ProbedeckError `cannot_start`.

    With the default address also [::1], where there is IPv6: `localhost` means it first, and
    another local user who took it would get what people send to localhost:PORT.
    """
    addresses = ["127.0.0.1", "::1"] if address == "127.0.0.1" else [address]
    bound: list[socket.socket] = []
    try:
        for each in addresses:
            try:
                bound.append(_bind(each, port))
            except OSError as error:
                no_ipv6 = error.errno in (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL)
                if bound and no_ipv6:
                    continue
                raise _cannot_start(_why(each, port, error)) from error
        yield bound
    finally:
        for each_socket in bound:
            each_socket.close()


def _bind(address: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        bound.bind((address, port))
        # SO_REUSEADDR lets two sockets bind as long as neither listens: find out now.
        bound.listen()
    except OSError:
        bound.close()
        raise
    return bound


def _why(address: str, port: int, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return (
            f"Port {port} of {address} is in use by another program. "
            f"Choose another: --port {port % 65535 + 1}"
        )
    return f"Cannot listen on port {port} of {address}: {error.strerror}."
