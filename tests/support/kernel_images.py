# SPDX-License-Identifier: Apache-2.0
"""Kernel images for the tests: a bzImage as Documentation/arch/x86/boot.rst lays it out."""

from __future__ import annotations

import lzma
import struct
import subprocess

ELF = b"\x7fELF" + bytes(range(256)) * 40
SETUP_SECTORS = 3


def pack(kind: str, data: bytes) -> bytes:
    """As the kernel's makefile packs, with the unpacked size behind."""
    if kind == "xz":
        packed = lzma.compress(data)
    else:
        command = {"zstd": ["zstd", "-cq"], "lz4": ["lz4", "-lcq"]}[kind]
        packed = subprocess.run(command, input=data, stdout=subprocess.PIPE, check=True).stdout
    return packed + struct.pack("<I", len(data))


def bzimage(payload: bytes, gap: int = 100) -> bytes:
    """An image whose payload lies `gap` bytes into the protected-mode code."""
    setup = bytearray((SETUP_SECTORS + 1) * 512)
    setup[0x1F1] = SETUP_SECTORS
    setup[0x202:0x206] = b"HdrS"
    struct.pack_into("<II", setup, 0x248, gap, len(payload))
    return bytes(setup) + bytes(gap) + payload + bytes(50)
