# SPDX-License-Identifier: Apache-2.0
"""The initramfs: an archive that cpio reads, and modules in the order of their dependencies."""

from __future__ import annotations

import lzma
import os
import stat
import subprocess
from pathlib import Path

import pytest

from app.machine import initrd


def test_the_archive_is_one_that_cpio_reads(tmp_path: Path) -> None:
    entries = [
        ("bin", stat.S_IFDIR | 0o755, b""),
        ("bin/one", stat.S_IFREG | 0o755, b"#!"),  # lengths that need each padding
        ("bin/three", stat.S_IFREG | 0o644, b"abc"),
        ("empty", stat.S_IFREG | 0o600, b""),
        ("four", stat.S_IFREG | 0o644, b"abcd"),
    ]
    archive = initrd.cpio(entries)
    subprocess.run(
        ["busybox", "cpio", "-i"], input=archive, cwd=tmp_path, capture_output=True, check=True
    )
    for name, mode, data in entries:
        path = tmp_path / name
        assert stat.S_IMODE(path.stat().st_mode) == stat.S_IMODE(mode)
        assert path.is_dir() or path.read_bytes() == data
    assert len(archive) % 4 == 0


MODPROBE = """\
#!/bin/sh
# modprobe -d TREE -S RELEASE --show-depends NAME
folder=$2/lib/modules/$4
case $6 in
virtio_pci) echo "builtin virtio_pci" ;;
virtiofs) printf 'insmod %s \\n' "$folder/fuse.ko" "$folder/virtiofs.ko.xz" ;;
virtio_console) printf 'insmod %s \\n' "$folder/fuse.ko" "$folder/virtio_console.ko" ;;
*) echo "FATAL: Module $6 not found" >&2; exit 1 ;;
esac
"""


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Create a kernel's modules, and a modprobe that knows them: one built in, one compressed."""
    folder = tmp_path / "a b/lib/modules/6.1.0-test"
    folder.mkdir(parents=True)
    (folder / "fuse.ko").write_bytes(b"fuse")
    (folder / "virtiofs.ko.xz").write_bytes(lzma.compress(b"virtiofs"))
    (folder / "virtio_console.ko").write_bytes(b"console")
    program = tmp_path / "bin/modprobe"
    program.parent.mkdir()
    program.write_text(MODPROBE)
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    return tmp_path / "a b"


def test_modules_come_after_those_they_need(tree: Path) -> None:
    names = [path.name for path in initrd.load_order(tree, "6.1.0-test")]
    assert names == ["fuse.ko", "virtiofs.ko.xz", "virtio_console.ko"]


def test_the_first_root_holds_the_modules_unpacked(tree: Path, tmp_path: Path) -> None:
    archive = initrd.build(tree, "6.1.0-test")
    root = tmp_path / "root"
    root.mkdir()
    subprocess.run(
        ["busybox", "cpio", "-i"], input=archive, cwd=root, capture_output=True, check=True
    )
    assert (root / "modules/virtiofs.ko").read_bytes() == b"virtiofs"
    order = (root / "order").read_text().splitlines()
    assert {path.name for path in (root / "modules").iterdir()} == set(order)
    assert (root / "init").stat().st_mode & 0o111


def test_a_missing_module_is_said(tree: Path) -> None:
    with pytest.raises(initrd.InitrdError, match="Module 9p not found"):
        initrd.load_order(tree, "6.1.0-test", ["9p"])
