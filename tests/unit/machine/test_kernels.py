# SPDX-License-Identifier: Apache-2.0
"""The cache of kernels: when it asks the mirror, what it uses without one, what it removes."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path

import pytest

from app.machine import kernels
from app.machine.debian_archive import Archive, ArchiveError, Mirror
from tests.support.kernel_images import ELF, bzimage, pack

MIRROR = Mirror("http://mirror.example/debian", "http://mirror.example/debian-security")


class FakeMirror:
    """A mirror whose newest kernel is `version`; counts how often it is asked."""

    def __init__(self) -> None:
        self.version = "6.12.1-1"
        self.asked = 0
        self.reachable = True
        self.broken = False

    @property
    def image(self) -> str:
        return f"linux-image-{self.version}-cloud-amd64"

    def update(self, archive: Archive) -> None:
        self.asked += 1
        if not self.reachable:
            raise ArchiveError("apt-get update: could not resolve")

    def dependencies(self, archive: Archive, package: str) -> list[str]:
        return {
            kernels.METAPACKAGE: [self.image],
            self.image: ["kmod", self.image.replace("image", "modules"), "linux-base"],
        }.get(package, [])

    def versions(self, archive: Archive, packages: Iterable[str]) -> dict[str, str]:
        return dict.fromkeys(packages, self.version)

    def unpack(self, archive: Archive, packages: Iterable[str], work: Path) -> Path:
        tree, release = work / "tree", f"{self.version}-cloud-amd64"
        (tree / "lib/modules" / release).mkdir(parents=True)
        (tree / "boot").mkdir()
        image = b"broken" if self.broken else bzimage(pack("xz", ELF))
        (tree / "boot" / f"vmlinuz-{release}").write_bytes(image)
        (tree / "boot" / f"config-{release}").write_text("#\nCONFIG_VIRTIO_FS=y\n#\n")
        return tree


@pytest.fixture
def mirror(monkeypatch: pytest.MonkeyPatch) -> FakeMirror:
    fake = FakeMirror()
    for name in ("update", "dependencies", "versions", "unpack"):
        method = getattr(fake, name)
        monkeypatch.setattr(Archive, name, lambda self, *a, _m=method: _m(self, *a))
    monkeypatch.setattr(kernels, "run", lambda *command: None)  # depmod
    return fake


class Cache:
    """A cache folder, a clock, and the messages."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.time = 1e9
        self.said: list[str] = []

    def newest(self, suite: str = "trixie") -> kernels.Kernel:
        self.said.clear()
        return kernels.newest(suite, self.folder, self.said.append, MIRROR, lambda: self.time)

    def releases(self) -> list[str]:
        return sorted(path.name.split("_")[0] for path in self.folder.glob("*/*_*"))


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(tmp_path / "kernels")


def test_a_fetched_kernel_is_ready_to_boot(mirror: FakeMirror, cache: Cache) -> None:
    kernel = cache.newest()
    assert kernel.release == "6.12.1-1-cloud-amd64"
    assert kernel.vmlinux.read_bytes() == ELF
    assert kernel.initrd is None
    assert any("fetching linux-image-6.12.1-1-cloud-amd64" in line for line in cache.said)


def test_the_mirror_is_asked_once_a_day(mirror: FakeMirror, cache: Cache) -> None:
    first = cache.newest()
    cache.time += 24 * 3600 - 1
    assert (cache.newest(), mirror.asked, cache.said) == (first, 1, [])
    cache.time += 1
    assert (cache.newest(), mirror.asked) == (first, 2)


def test_a_clock_that_was_set_back_does_not_keep_from_asking(
    mirror: FakeMirror, cache: Cache
) -> None:
    cache.newest()
    cache.time -= 100
    cache.newest()
    assert mirror.asked == 2


def test_a_newer_kernel_takes_the_place_of_the_old(mirror: FakeMirror, cache: Cache) -> None:
    cache.newest()
    cache.time += 1e6
    mirror.version = "6.12.2-1"
    assert cache.newest().release == "6.12.2-1-cloud-amd64"
    assert cache.releases() == ["6.12.2-1-cloud-amd64"]


def test_suites_are_kept_apart(mirror: FakeMirror, cache: Cache) -> None:
    cache.newest("trixie")
    mirror.version = "7.3.1-1"
    cache.newest("trixie-backports")
    assert cache.releases() == ["6.12.1-1-cloud-amd64", "7.3.1-1-cloud-amd64"]


def test_without_the_mirror_the_cache_is_used_and_that_is_said(
    mirror: FakeMirror, cache: Cache
) -> None:
    kept = cache.newest()
    cache.time += 1e6
    mirror.reachable = False
    assert cache.newest() == kept
    assert "could not resolve" in cache.said[-1]
    assert f"Using {kept.release} from the cache" in cache.said[-1]
    mirror.reachable = True
    cache.newest()
    assert mirror.asked == 3, "a failure must not count as having asked"


def test_a_new_kernel_that_cannot_be_unpacked_leaves_the_old(
    mirror: FakeMirror, cache: Cache
) -> None:
    kept = cache.newest()
    cache.time += 1e6
    mirror.version, mirror.broken = "6.12.2-1", True
    assert cache.newest() == kept
    assert cache.releases() == [kept.release]
    assert not list(cache.folder.glob("*/.new-*"))


def test_with_neither_mirror_nor_cache_it_says_why(mirror: FakeMirror, cache: Cache) -> None:
    mirror.reachable = False
    with pytest.raises(kernels.KernelError, match="could not resolve"):
        cache.newest()


def test_what_an_interrupted_run_left_is_not_used(mirror: FakeMirror, cache: Cache) -> None:
    kernel = cache.newest()
    shutil.move(kernel.folder, cache.folder / "trixie/.new-abc")
    (cache.folder / "trixie/6.12.0_6.12.0-1").mkdir()  # without an image: not whole
    assert cache.newest() == kernel
    assert mirror.asked == 2
    assert [path.name for path in cache.folder.glob("trixie/.new-*")] == []
    assert cache.releases() == [kernel.release]


def test_other_suites_are_refused(cache: Cache) -> None:
    with pytest.raises(kernels.KernelError, match="sid"):
        cache.newest("sid")
