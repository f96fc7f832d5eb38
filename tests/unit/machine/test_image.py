# SPDX-License-Identifier: Apache-2.0
"""Extracting the kernel from a bzImage."""

from __future__ import annotations

import pytest

from app.machine.image import ImageError, vmlinux
from tests.support.kernel_images import ELF, bzimage, pack


@pytest.mark.parametrize("kind", ["xz", "zstd", "lz4"])
def test_each_way_of_packing_is_undone(kind: str) -> None:
    assert vmlinux(bzimage(pack(kind, ELF))) == ELF


@pytest.mark.parametrize(
    ("image", "said"),
    [
        (b"\x7fELF" + bytes(4096), "not a bzImage"),
        (bzimage(pack("xz", ELF))[:-60], "truncated"),
        (bzimage(b"BZh9" + bytes(64)), "unknown compression"),
        (bzimage(pack("xz", b"MZ" + ELF)), "not an ELF image of"),
        (bzimage(pack("xz", ELF)[:-4] + b"\1\0\0\0"), "not an ELF image of 1$"),
        (bzimage(pack("xz", ELF)[:20] + bytes(4)), "xz"),
        (bzimage(pack("zstd", ELF)[:20] + bytes(4)), "zstd"),
        (bzimage(pack("lz4", ELF)[:20] + bytes(4)), "lz4"),
    ],
    ids=["no bzImage", "short", "unknown", "no ELF", "wrong size", "bad xz", "bad zstd", "bad lz4"],
)
def test_what_is_wrong_with_an_image_is_said(image: bytes, said: str) -> None:
    with pytest.raises(ImageError, match=said):
        vmlinux(image)
