# SPDX-License-Identifier: Apache-2.0
"""Extract the uncompressed kernel from a bzImage; QEMU boots it directly.

A bzImage decompresses itself, which takes 5 to 20 s in an emulated machine; the ELF image inside
starts at once through its PVH entry.
Layout: Documentation/arch/x86/boot.rst of the Linux sources, fields of the setup header.
"""

from __future__ import annotations

import lzma
import struct
import subprocess

SETUP_SECTS, MAGIC, PAYLOAD_OFFSET = 0x1F1, 0x202, 0x248
SECTOR_BYTES = 512
ELF = b"\x7fELF"
# The kernel's compressors, by the payload's first bytes. LZ4 uses its legacy frame.
DECOMPRESSORS = {
    b"\x28\xb5\x2f\xfd": ["zstd", "-dcq"],
    b"\x02\x21\x4c\x18": ["lz4", "-dcq"],
}
XZ = b"\xfd7zXZ\x00"


class ImageError(Exception):
    """The file is not a kernel image that can be unpacked."""


def vmlinux(bzimage: bytes) -> bytes:
    """Return the ELF image in a bzImage; raises ImageError."""
    payload = packed_payload(bzimage)
    elf = _unpack(payload)
    # The kernel's makefile appends the unpacked size, as 32 bits, little endian.
    (size_bytes,) = struct.unpack("<I", payload[-4:])
    if not elf.startswith(ELF) or len(elf) != size_bytes:
        raise ImageError(
            f"unpacked to {len(elf)} bytes, which are not an ELF image of {size_bytes}"
        )
    return elf


def packed_payload(bzimage: bytes) -> bytes:
    """Return the packed kernel in a bzImage, with the size that follows it; raises ImageError."""
    if bzimage[MAGIC : MAGIC + 4] != b"HdrS":
        raise ImageError("not a bzImage: the setup header is missing")
    sectors = bzimage[SETUP_SECTS] or 4  # 0 means 4, for very old boot loaders
    offset, size_bytes = struct.unpack_from("<II", bzimage, PAYLOAD_OFFSET)
    start = (sectors + 1) * SECTOR_BYTES + offset
    payload = bzimage[start : start + size_bytes]
    if len(payload) != size_bytes:
        raise ImageError("the image is truncated")
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
    raise ImageError(f"unknown compression: the payload starts with {packed[:6].hex()}")
