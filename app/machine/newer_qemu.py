# SPDX-License-Identifier: Apache-2.0
"""A newer QEMU for a Debian release whose own emulates several processors wrongly.

`qemu.THREADS_SINCE` says what is wrong. The backports of the same release have a QEMU that runs
with its libraries: it is downloaded, unpacked and cached, and nothing is installed. Where there is
none, one thread emulates all processors of a machine, which is right, and takes up to twice as
long.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from app import ROOT
from app.machine import qemu
from app.machine.debian_archive import (
    Archive,
    ArchiveError,
    Mirror,
    asked_lately,
    debian_codename,
    find_mirror,
    locked,
    note_asked,
)

CACHE = ROOT / ".cache" / "qemu"
PACKAGES = ("qemu-system-x86", "qemu-system-data", "seabios")


def sound(
    host: qemu.Host,
    say: Callable[[str], None],
    cache: Path = CACHE,
    codename: str | None = None,
    mirror: Mirror | None = None,
) -> qemu.Host:
    """Return the host with a QEMU whose emulation may use threads, if there is one.

    It is the host itself where nothing is to be gained. `codename` is this host's Debian release.
    """
    codename = codename or debian_codename()
    if host.kvm or host.threads or codename is None:
        return host
    cache.mkdir(parents=True, exist_ok=True)
    with locked(cache / "lock"):
        found = _cached(host, cache)
        if found.threads and asked_lately(cache, time.time()):
            return found
        try:
            found = _fetch(
                host,
                cache,
                Archive(cache / "apt", f"{codename}-backports", mirror or find_mirror()),
                say,
            )
        except ArchiveError as error:
            if found.threads:
                say(f"QEMU: {error}\nUsing the one in the cache instead.")
            else:
                say(f"QEMU: {error}\nThis host's own emulates all processors by one thread.")
            return found
        note_asked(cache, time.time())
        return found


def _fetch(host: qemu.Host, cache: Path, archive: Archive, say: Callable[[str], None]) -> qemu.Host:
    archive.update()
    version = archive.versions(PACKAGES[:1])[PACKAGES[0]]
    target = cache / version
    if not target.is_dir():
        say(f"QEMU: fetching {version} from {archive.suite}, as this host's own has a defect")
        with tempfile.TemporaryDirectory(dir=cache, prefix=".new-") as work:
            archive.unpack(PACKAGES, Path(work)).rename(target)
    for other in cache.glob("[0-9]*"):
        if other != target:
            shutil.rmtree(other)
    found = _cached(host, cache)
    if not found.threads:
        raise ArchiveError(f"{version} does not run on this host, or has the same defect")
    return found


def _cached(host: qemu.Host, cache: Path) -> qemu.Host:
    """Return the host with the cached QEMU, if that runs here; else the host itself."""
    for folder in cache.glob("[0-9]*"):
        program = str(folder / "usr/bin" / qemu.QEMU)
        if qemu.has_sound_threads(program):
            firmware = (str(folder / "usr/share/qemu"), str(folder / "usr/share/seabios"))
            return replace(host, qemu=program, threads=True, firmware=firmware)
    return host
