# SPDX-License-Identifier: Apache-2.0
"""The kernel's version number and build id, from what distributions really say."""

from __future__ import annotations

import struct

import pytest

from app.kernel.build import build_id, running_version_code, version_code


@pytest.mark.parametrize(
    ("release", "version", "signature", "expected"),
    [
        ("6.18.44-fc-v595", "#1 SMP PREEMPT_DYNAMIC @0", "", (6, 18, 44)),
        # Debian keeps -r while the version moves on, and says the version in -v.
        (
            "6.1.0-56-cloud-amd64",
            "#1 SMP PREEMPT_DYNAMIC Debian 6.1.153-1 (2026-10-20)",
            "",
            (6, 1, 153),
        ),
        # Ubuntu says it in /proc/version_signature only.
        (
            "5.15.0-91-generic",
            "#101-Ubuntu SMP Tue Nov 14 13:30:08 UTC 2023",
            "Ubuntu 5.15.0-91.101-generic 5.15.131\n",
            (5, 15, 131),
        ),
        ("7.3-rc1", "#1 SMP", "", (7, 3, 0)),
        ("4.14.336", "#1 SMP", "", (4, 14, 255)),
    ],
)
def test_version_code(
    release: str, version: str, signature: str, expected: tuple[int, int, int]
) -> None:
    major, minor, patch = expected
    assert version_code(release, version, signature) == (major << 16) + (minor << 8) + patch


def test_version_code_refuses_what_is_no_version() -> None:
    with pytest.raises(ValueError, match="no version number"):
        version_code("custom", "#1")


def test_running_version_code_is_a_linux() -> None:
    assert running_version_code() >= 4 << 16


def note(name: bytes, kind: int, content: bytes) -> bytes:
    padded = content + bytes(-len(content) % 4)
    return (
        struct.pack("=III", len(name), len(content), kind) + name + bytes(-len(name) % 4) + padded
    )


def test_build_id_is_found_among_other_notes() -> None:
    gnu = note(b"GNU\0", 3, bytes.fromhex("e4f18d9d00112233"))
    others = note(b"Linux\0", 257, b"\1") + note(b"Xen\0", 3, b"no id!")
    assert build_id(others + gnu) == "e4f18d9d00112233"
    assert build_id(others) is None
    assert build_id(b"") is None
    assert build_id(gnu[:10]) is None
