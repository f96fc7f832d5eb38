# SPDX-License-Identifier: Apache-2.0
"""Debian's cloud kernels: downloaded, unpacked and cached, ready to boot.

The newest kernel of a suite is found through its metapackage, so no version is pinned. The mirror
is asked at most once a day; when it cannot be reached, the newest cached kernel is used, and a
message says so.
"""

from __future__ import annotations

import re
import shutil
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from app import ROOT
from app.machine import image, initrd
from app.machine.debian_archive import (
    Archive,
    ArchiveError,
    Mirror,
    asked_lately,
    find_mirror,
    locked,
    note_asked,
    run,
)

SUITES = ("bullseye", "bookworm", "trixie", "trixie-backports")
METAPACKAGE = "linux-image-cloud-amd64"
# The metapackage depends on the image; since 7.x, the image depends on packages of its parts.
KERNEL_PACKAGE = re.compile(r"linux-(image|binary|modules|base)-[0-9].*cloud-amd64$")
DEFAULT_CACHE = ROOT / ".cache" / "kernels"


class KernelError(Exception):
    """There is no kernel of this suite, at the mirror or in the cache."""


@dataclass(frozen=True)
class Kernel:
    """A kernel ready to boot. `folder` holds vmlinux, lib/modules and, where needed, initrd."""

    suite: str
    release: str
    package_version: str
    folder: Path

    @property
    def vmlinux(self) -> Path:
        """The uncompressed ELF image."""
        return self.folder / "vmlinux"

    @property
    def initrd(self) -> Path | None:
        """The initramfs, for kernels whose virtiofs is a module."""
        path = self.folder / "initrd"
        return path if path.exists() else None


def newest(
    suite: str,
    cache: Path = DEFAULT_CACHE,
    say: Callable[[str], None] = print,
    mirror: Mirror | None = None,
    now: Callable[[], float] = time.time,
) -> Kernel:
    """Return the newest kernel of a suite, downloading it if needed; raises KernelError."""
    if suite not in SUITES:
        raise KernelError(f"unknown suite {suite!r}: use one of {', '.join(SUITES)}")
    folder = cache.resolve() / suite
    folder.mkdir(parents=True, exist_ok=True)
    with locked(folder / "lock"):
        cached = _cached(folder, suite)
        if cached and asked_lately(folder, now()):
            return cached
        try:
            kernel = _fetch(folder, suite, mirror or find_mirror(), say)
        except (ArchiveError, image.ImageError, initrd.InitrdError) as error:
            if cached is None:
                raise KernelError(f"no kernel of {suite}: {error}") from error
            say(f"Kernel of {suite}: {error}\nUsing {cached.release} from the cache instead.")
            return cached
        _remove_others(folder, kernel)
        note_asked(folder, now())
        return kernel


def _fetch(folder: Path, suite: str, mirror: Mirror, say: Callable[[str], None]) -> Kernel:
    archive = Archive(folder / "apt", suite, mirror)
    say(f"Kernel of {suite}: asking {mirror.main} for the newest one")
    archive.update()
    packages = _packages(archive)
    versions = archive.versions(packages)
    version = max(versions.values())  # all parts of one kernel have the same
    cached = _cached(folder, suite)
    if cached and cached.package_version == version:
        return cached
    say(f"Kernel of {suite}: fetching {', '.join(packages)} ({version})")
    with tempfile.TemporaryDirectory(dir=folder, prefix=".new-") as work:
        ready = Path(work, "ready")
        release = arrange(archive.unpack(packages, Path(work)), ready)
        target = folder / f"{release}_{version}"
        shutil.rmtree(target, ignore_errors=True)  # incomplete: _cached would have found it
        ready.rename(target)
    say(f"Kernel of {suite}: {release} is ready")
    return Kernel(suite, release, version, target)


def _packages(archive: Archive) -> list[str]:
    """Return the kernel packages that the metapackage depends on."""
    found: list[str] = []
    pending = [METAPACKAGE]
    while pending:
        for name in archive.dependencies(pending.pop()):
            if KERNEL_PACKAGE.match(name) and name not in found:
                found.append(name)
                pending.append(name)
    if not found:
        raise ArchiveError(f"{METAPACKAGE} depends on no kernel package")
    return sorted(found)


def arrange(tree: Path, ready: Path) -> str:
    """Lay out an unpacked kernel package as `Kernel.folder`; return its release."""
    modules = next(
        (p for p in (tree / "usr/lib/modules", tree / "lib/modules") if p.is_dir()), None
    )
    releases = [path.name for path in modules.iterdir()] if modules else []
    if modules is None or len(releases) != 1:
        raise ArchiveError(f"the package has the modules of {len(releases)} kernels instead of one")
    release = releases[0]
    (ready / "lib").mkdir(parents=True)
    shutil.move(modules, ready / "lib" / "modules")
    parts = ready / "lib" / "modules" / release
    # Up to 6.x these are in /boot with the release in their names, since 7.x with the modules.
    packed, config = (
        next(p for p in (tree / "boot" / f"{name}-{release}", parts / name) if p.exists())
        for name in ("vmlinuz", "config")
    )
    (ready / "vmlinux").write_bytes(image.vmlinux(packed.read_bytes()))
    run("depmod", "--basedir", str(ready), release)
    if "\nCONFIG_VIRTIO_FS=y\n" not in config.read_text(encoding="utf-8"):
        (ready / "initrd").write_bytes(initrd.build(ready, release))
    for unused in (packed, parts / "System.map"):
        unused.unlink(missing_ok=True)
    return release


def _cached(folder: Path, suite: str) -> Kernel | None:
    """Return the newest cached kernel; folders are renamed into the cache when complete."""
    found = [path for path in folder.glob("*_*") if (path / "vmlinux").exists()]
    if not found:
        return None
    path = max(found, key=lambda path: path.stat().st_mtime)
    release, _, version = path.name.partition("_")
    return Kernel(suite, release, version, path)


def _remove_others(folder: Path, kernel: Kernel) -> None:
    for path in [*folder.glob("*_*"), *folder.glob(".new-*")]:
        if path != kernel.folder:
            shutil.rmtree(path)
