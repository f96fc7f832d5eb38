# SPDX-License-Identifier: Apache-2.0
"""The running kernel's version number and build id."""

from __future__ import annotations

import os
import re
import struct
from pathlib import Path

NOTES = Path("/sys/kernel/notes")
VERSION_SIGNATURE = Path("/proc/version_signature")
_NT_GNU_BUILD_ID = 3


def version_code(release: str, version: str, signature: str = "") -> int:
    """Return a kernel's LINUX_VERSION_CODE.

    Two distributions keep the release (`uname -r`) constant while the version advances; the rules
    are those of libbpf's get_kernel_version() (src/libbpf_probes.c). Ubuntu has the true version in
    `signature`, the last word of /proc/version_signature; Debian in `version` (`uname -v`).
    Kernels before 5.0 refuse a kprobe program made for another version: Linux kernel commit
    6c4fc209fcf9 ("bpf: remove useless version check for prog load") ended that. Raises ValueError
    if there is no number.
    """
    for pattern, text in (
        (r"\s(\d+)\.(\d+)\.(\d+)\s*\Z", signature),
        (r"Debian (\d+)\.(\d+)\.(\d+)", version),
        (r"\A(\d+)\.(\d+)(?:\.(\d+))?", release),
    ):
        found = re.search(pattern, text)
        if found:
            major, minor, patch = (int(part or 0) for part in found.groups())
            # A patch level has 8 bits and stable kernels exceeded it: Linux kernel commit
            # 9b82f13e7ef3 clamps it.
            return (major << 16) + (minor << 8) + min(patch, 255)
    raise ValueError(f"no version number in the kernel's release {release!r}")


def running_version_code() -> int:
    """Return the running kernel's LINUX_VERSION_CODE; raises ValueError, OSError."""
    signature = VERSION_SIGNATURE.read_text() if VERSION_SIGNATURE.exists() else ""
    system = os.uname()
    return version_code(system.release, system.version, signature)


def build_id(notes: bytes) -> str | None:
    """Return the GNU build id in ELF notes such as /sys/kernel/notes, as hex, or None."""
    at = 0
    while at + 12 <= len(notes):
        name_size, size, kind = struct.unpack_from("=III", notes, at)
        name_at = at + 12
        at = name_at + -(-name_size // 4) * 4
        if kind == _NT_GNU_BUILD_ID and notes[name_at : name_at + name_size] == b"GNU\0":
            return notes[at : at + size].hex()
        at += -(-size // 4) * 4
    return None


def running_build_id() -> str | None:
    """Return the running kernel's build id, or None if it has none."""
    return build_id(NOTES.read_bytes()) if NOTES.exists() else None
