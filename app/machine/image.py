# SPDX-License-Identifier: Apache-2.0
"""The uncompressed kernel inside a bzImage, which QEMU boots directly.

A bzImage unpacks itself with code of its own, which takes 5 to 20 s in an emulated machine;
the ELF image inside starts at once through its PVH entry.
Layout: Documentation/arch/x86/boot.rst of the Linux sources, fields of the setup header.
"""

from __future__ import annotations

import lzma
import struct
import subprocess

SETUP_SECTS, MAGIC, PAYLOAD_OFFSET = 0x1F1, 0x202, 0x248
SECTOR_BYTES = 512
ELF = b"\x7fELF"
# What the kernel's makefile packs with, by the payload's first bytes. LZ4 is its legacy frame.
DECOMPRESSORS = {
    b"\x28\xb5\x2f\xfd": ["zstd", "-dcq"],
    b"\x02\x21\x4c\x18": ["lz4", "-dcq"],
}
XZ = b"\xfd7zXZ\x00"


class ImageError(Exception):
    """The file is no kernel image that can be unpacked here."""


def vmlinux(bzimage: bytes) -> bytes:
    """The ELF image in a bzImage; raises ImageError."""
    payload = packed_payload(bzimage)
    elf = _unpack(payload)
    # The makefile appends the unpacked size: all four bytes little endian.
    (size_bytes,) = struct.unpack("<I", payload[-4:])
    if not elf.startswith(ELF) or len(elf) != size_bytes:
        raise ImageError(f"unpacked to {len(elf)} bytes where an ELF of {size_bytes} was said")
    return elf


def packed_payload(bzimage: bytes) -> bytes:
    """The packed kernel inside a bzImage, with the size that follows it; raises ImageError."""
    if bzimage[MAGIC : MAGIC + 4] != b"HdrS":
        raise ImageError("no bzImage: the setup header is missing")
    sectors = bzimage[SETUP_SECTS] or 4  # 0 means 4, for very old boot loaders
    offset, size_bytes = struct.unpack_from("<II", bzimage, PAYLOAD_OFFSET)
    start = (sectors + 1) * SECTOR_BYTES + offset
    payload = bzimage[start : start + size_bytes]
    if len(payload) != size_bytes:
        raise ImageError("the image is cut short")
    return payload


def _unpack(payload: bytes) -> bytes:
    packed = payload[:-4]
    if packed.startswith(XZ):
        try:
            return lzma.decompress(packed)
        except lzma.LZMAError as error:
            raise ImageError(f"xz: {error}") from error
    for magic, command in DECOMPRESSORS.items():
        if packed.startswith(magic):
            done = subprocess.run(command, input=packed, capture_output=True, check=False)
            if done.returncode != 0:
                raise ImageError(f"{command[0]}: {done.stderr.decode(errors='replace').strip()}")
            return done.stdout
    raise ImageError(f"packed in an unknown way, starting with {packed[:6].hex()}")
