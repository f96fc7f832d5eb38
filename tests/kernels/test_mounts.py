# SPDX-License-Identifier: Apache-2.0
"""A tracing service pins no mount: a file system unmounted outside is gone for all its processes.

A process with a mount namespace of its own would keep every earlier file system busy.
"""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support import kernel
from tests.support.fixtures import stop_all, trace_all
from tests.support.service import Service, running_service
from tests.support.waiting import wait_until


def namespaces(service: Service) -> dict[str, set[str]]:
    """Return mount namespaces with the command lines of the service's processes in them."""
    found: dict[str, set[str]] = {}
    for process in service.processes():
        try:
            namespace = str(Path(f"/proc/{process.pid}/ns/mnt").readlink())
        except (FileNotFoundError, ProcessLookupError):
            continue  # it ended meanwhile
        found.setdefault(namespace, set()).add(" ".join(process.command))
    return found


def holders(service: Service, place: Path) -> list[str]:
    """The service's processes that have something mounted there."""
    return [
        " ".join(process.command)
        for process in service.processes()
        if f" {place} " in Path(f"/proc/{process.pid}/mountinfo").read_text()
    ]


@contextmanager
def mounted(place: Path) -> Iterator[None]:
    """A file system that is there when a probe starts."""
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "probedeck-test", str(place)], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", str(place)], check=False, stderr=subprocess.DEVNULL)


@pytest.mark.suites("bookworm")
def test_what_is_unmounted_outside_is_gone(
    session_service: Service, modes: tuple[str, ...], tmp_path: Path
) -> None:
    place = tmp_path / "mounted"
    stop_all(session_service)
    with mounted(place):
        trace_all(session_service, modes)
        assert holders(session_service, place)  # the check sees a mount that exists
        subprocess.run(["umount", str(place)], check=True)
        assert not holders(session_service, place)
    assert len(session_service.tracers()) == len(modes)
    assert list(namespaces(session_service)) == [str(Path("/proc/self/ns/mnt").readlink())]


@pytest.mark.suites("trixie")
def test_compiling_holds_no_mount_either(tmp_path: Path, modes: tuple[str, ...]) -> None:
    """It mounts nothing either: looking into debugfs makes the kernel mount a tracefs there."""
    mounts = Path("/proc/self/mountinfo").read_text()
    with running_service(tmp_path, tmp_path / "cache") as service:
        starter = threading.Thread(target=service.start, args=(modes[0],))
        starter.start()
        seen: list[dict[str, set[str]]] = []

        def compiling() -> bool:
            seen.append(namespaces(service))
            commands = {command for some in seen[-1].values() for command in some}
            return any("app.tracer.compile" in command for command in commands)

        wait_until(compiling, "a compiler to run")
        while starter.is_alive():
            compiling()
            starter.join(0.25)  # in a machine a poll is slow, and compiling slower
        service.stop(modes[0])
        own = str(Path("/proc/self/ns/mnt").readlink())
        assert all(list(each) == [own] for each in seen)
    if kernel.in_test_machine():  # where nothing else mounts
        assert Path("/proc/self/mountinfo").read_text() == mounts
