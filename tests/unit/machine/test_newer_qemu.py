# SPDX-License-Identifier: Apache-2.0
"""When a QEMU of the backports is used, and what is done without one."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from app.machine import newer_qemu, qemu
from app.machine.debian_archive import ArchiveError, Mirror

OLD = qemu.Host("/usr/bin/qemu-system-x86_64", qemu.C_VIRTIOFSD, kvm=False, threads=False)
MIRROR = Mirror("http://mirror", "http://mirror-security")


@dataclass
class Backports:
    """A mirror that has a program which says that it is a QEMU, or no mirror at all."""

    version: str | None = "1:10.0.2+ds-2"
    program: str = "#!/bin/sh\necho QEMU emulator version 10.0.2\n"
    suites: list[str] = field(default_factory=list)
    unpacked: int = 0

    def __call__(self, folder: Path, suite: str, mirror: Mirror) -> Backports:
        self.suites.append(suite)
        return self

    @property
    def suite(self) -> str:
        return self.suites[-1]

    def update(self) -> None:
        if self.version is None:
            raise ArchiveError("no network")

    def versions(self, packages: Iterable[str]) -> dict[str, str]:
        return dict.fromkeys(packages, self.version or "")

    def unpack(self, packages: Iterable[str], work: Path) -> Path:
        self.unpacked += 1
        program = work / "tree/usr/bin" / qemu.QEMU
        program.parent.mkdir(parents=True)
        program.write_text(self.program)
        program.chmod(0o755)
        return work / "tree"


@pytest.fixture
def backports(monkeypatch: pytest.MonkeyPatch) -> Backports:
    found = Backports()
    monkeypatch.setattr(newer_qemu, "Archive", found)
    return found


def sound(cache: Path, said: list[str]) -> qemu.Host:
    return newer_qemu.sound(OLD, said.append, cache, "bookworm", MIRROR)


def test_it_is_fetched_once_and_asked_for_once_a_day(backports: Backports, tmp_path: Path) -> None:
    said: list[str] = []
    host = sound(tmp_path, said)
    folder = tmp_path / "1:10.0.2+ds-2"
    assert host.qemu == str(folder / "usr/bin" / qemu.QEMU)
    assert host.firmware == (str(folder / "usr/share/qemu"), str(folder / "usr/share/seabios"))
    assert host.threads
    assert sound(tmp_path, said) == host
    assert (backports.suites, backports.unpacked) == (["bookworm-backports"], 1)
    os.utime(tmp_path / "asked", (0, 0))
    assert sound(tmp_path, said) == host
    assert (len(backports.suites), backports.unpacked, len(said)) == (2, 1, 1)


def test_a_new_version_replaces_the_old_one(backports: Backports, tmp_path: Path) -> None:
    sound(tmp_path, [])
    os.utime(tmp_path / "asked", (0, 0))
    backports.version = "1:10.1"
    assert "/1:10.1/" in sound(tmp_path, []).qemu
    assert [path.name for path in tmp_path.glob("[0-9]*")] == ["1:10.1"]


def test_without_a_mirror_the_cached_one_is_used(backports: Backports, tmp_path: Path) -> None:
    host = sound(tmp_path, [])
    os.utime(tmp_path / "asked", (0, 0))
    backports.version = None
    said: list[str] = []
    assert sound(tmp_path, said) == host
    assert said == ["QEMU: no network\nUsing the one in the cache instead."]


def test_without_any_it_is_one_thread_and_that_is_said(
    backports: Backports, tmp_path: Path
) -> None:
    backports.version = None
    said: list[str] = []
    assert sound(tmp_path, said) == OLD
    assert said == ["QEMU: no network\nThis host's own emulates all processors by one thread."]


@pytest.mark.parametrize(
    "program", ["#!/bin/sh\nexit 127\n", "#!/bin/sh\necho QEMU emulator version 7.2\n", "rubbish"]
)
def test_one_that_does_not_run_here_is_not_used(
    backports: Backports, tmp_path: Path, program: str
) -> None:
    backports.program = program
    said: list[str] = []
    assert sound(tmp_path, said) == OLD
    assert "does not run on this host" in said[-1]


@pytest.mark.parametrize(("kvm", "threads"), [(True, False), (False, True)])
def test_nothing_is_fetched_where_nothing_is_gained(
    backports: Backports, tmp_path: Path, kvm: bool, threads: bool
) -> None:
    host = qemu.Host("q", qemu.C_VIRTIOFSD, kvm=kvm, threads=threads)
    assert newer_qemu.sound(host, [].append, tmp_path, "bookworm", MIRROR) == host
    assert backports.suites == []
