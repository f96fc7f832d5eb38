# SPDX-License-Identifier: Apache-2.0
"""A service that traces holds no mount: what is unmounted outside is gone, for all its processes.

A mount namespace that a process has for itself keeps every file system of before busy.
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
    """Mount namespace -> the commands of the service's processes in it."""
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
        assert holders(session_service, place)  # it is seen where it is
        subprocess.run(["umount", str(place)], check=True)
        assert not holders(session_service, place)
    assert len(session_service.tracers()) == len(modes)
    assert list(namespaces(session_service)) == [str(Path("/proc/self/ns/mnt").readlink())]


@pytest.mark.suites("trixie")
def test_compiling_holds_no_mount_either(tmp_path: Path, modes: tuple[str, ...]) -> None:
    """Nor does it mount anything: the kernel mounts a tracefs where one looks into debugfs."""
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
            starter.join(0.25)  # looking takes long in a machine, and compiling longer
        service.stop(modes[0])
        own = str(Path("/proc/self/ns/mnt").readlink())
        assert all(list(each) == [own] for each in seen)
    if kernel.in_test_machine():  # where nobody else mounts
        assert Path("/proc/self/mountinfo").read_text() == mounts
