# SPDX-License-Identifier: Apache-2.0
"""An initramfs for kernels whose virtiofs is a module: busybox, the modules, a script."""

from __future__ import annotations

import lzma
import re
import stat
import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path

BUSYBOX = Path("/bin/busybox")
# For the root file system, and for the ports that the guest's init reports through.
MODULES = ("virtio_pci", "virtiofs", "virtio_console")
INIT = """\
#!/bin/busybox sh
B=/bin/busybox
while read -r module; do $B insmod "/modules/$module"; done </order
if ! $B mount -t virtiofs -o ro hostroot /root; then
    $B echo "no root file system" >/dev/console
    $B poweroff -f
fi
exec $B switch_root /root /run/vm/init
"""


class InitrdError(Exception):
    """A program or module that the initramfs needs is missing."""


def build(tree: Path, release: str) -> bytes:
    """Return the archive for the kernel that is unpacked in `tree`; raises InitrdError."""
    modules = [(path.name.removesuffix(".xz"), _read(path)) for path in load_order(tree, release)]
    if not BUSYBOX.exists():
        raise InitrdError(f"{BUSYBOX} is missing: install the package busybox-static")
    order = "".join(name + "\n" for name, _ in modules)
    return cpio(
        [
            *((folder, stat.S_IFDIR | 0o755, b"") for folder in ("bin", "dev", "modules", "root")),
            ("init", stat.S_IFREG | 0o755, INIT.encode()),
            ("order", stat.S_IFREG | 0o644, order.encode()),
            ("bin/busybox", stat.S_IFREG | 0o755, BUSYBOX.read_bytes()),
            *((f"modules/{name}", stat.S_IFREG | 0o644, data) for name, data in modules),
        ]
    )


def load_order(tree: Path, release: str, names: Sequence[str] = MODULES) -> list[Path]:
    """Return the module files to insert, each after its dependencies; raises InitrdError."""
    files: list[Path] = []
    for name in names:
        done = subprocess.run(
            ["modprobe", "-d", str(tree), "-S", release, "--show-depends", name],
            capture_output=True,
            encoding="utf-8",
            check=False,
        )
        if done.returncode != 0:
            raise InitrdError(f"modprobe {name}: {done.stderr.strip()}")
        # Built-in modules are shown as `builtin NAME` and need no file.
        files += map(Path, re.findall(r"^insmod (.+?) *$", done.stdout, re.MULTILINE))
    return list(dict.fromkeys(files))


def cpio(entries: Iterable[tuple[str, int, bytes]]) -> bytes:
    """Return an archive of (name, mode, contents) in the kernel's `newc` format.

    Format: Documentation/driver-api/early-userspace/buffer-format.rst of the Linux sources.
    """
    archive = bytearray()
    for inode, (name, mode, data) in enumerate([*entries, ("TRAILER!!!", 0, b"")], start=1):
        encoded = name.encode() + b"\0"
        fields = (inode, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(encoded), 0)
        archive += b"070701" + b"".join(b"%08x" % value for value in fields) + encoded
        archive += bytes(-len(archive) % 4) + data
        archive += bytes(-len(archive) % 4)
    return bytes(archive)


def _read(path: Path) -> bytes:
    data = path.read_bytes()
    return lzma.decompress(data) if path.suffix == ".xz" else data
