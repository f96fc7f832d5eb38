# SPDX-License-Identifier: Apache-2.0
"""Deletions that not every mode sees. A script: `deletions.py WAY NAME`.

Standard library only. The exit status is 0 when the call did what the way stands for, 77 when
this kernel does not support it.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import struct
import sys

UNAVAILABLE = 77
LIBC = ctypes.CDLL(None, use_errno=True)
LIBC.syscall.restype = ctypes.c_long
LIBC.mmap.restype = ctypes.c_void_p
AT_FDCWD = -100
IO_URING_SETUP, IO_URING_ENTER, GETEVENTS = 425, 426, 1
OP_RENAMEAT, OP_UNLINKAT = 35, 36


def io_uring(opcode: int, name: bytes, new_name: bytes | None = None) -> int:
    """Run one operation on names by io_uring; return its result, a negative errno on failure."""
    parameters = ctypes.create_string_buffer(120)
    ring = LIBC.syscall(ctypes.c_long(IO_URING_SETUP), ctypes.c_long(1), parameters)
    if ring < 0:
        sys.exit(UNAVAILABLE)
    numbers = struct.unpack_from("=10I", parameters, 40), struct.unpack_from("=10I", parameters, 80)
    (_, tail, _, _, _, _, array, *_), (_, _, _, _, _, entries, *_) = numbers
    with (
        mmap.mmap(ring, 4096) as queue,  # both rings in one (IORING_FEAT_SINGLE_MMAP)
        mmap.mmap(ring, 4096, offset=0x10000000) as operations,
    ):
        first = ctypes.create_string_buffer(name)
        second = ctypes.create_string_buffer(new_name or b"")
        other = ctypes.addressof(second) if new_name else 0
        # struct io_uring_sqe; a rename's second descriptor is in `len`, its second name in `off`.
        struct.pack_into(
            *("=BBHiQQIIQ", operations, 0, opcode, 0, 0, AT_FDCWD, other),
            *(ctypes.addressof(first), AT_FDCWD & 0xFFFFFFFF if new_name else 0, 0, 1),
        )
        struct.pack_into("=I", queue, array, 0)
        struct.pack_into("=I", queue, tail, 1)
        arguments = [ctypes.c_long(value) for value in (ring, 1, 1, GETEVENTS, 0, 0)]
        if LIBC.syscall(ctypes.c_long(IO_URING_ENTER), *arguments) != 1:
            raise OSError(ctypes.get_errno(), "io_uring_enter")
        return int(struct.unpack_from("=i", queue, entries + 8)[0])


def by_io_uring(name: bytes) -> int:
    return io_uring(OP_UNLINKAT, name)


def rename_by_io_uring(name: bytes) -> int:
    """Onto `name`, from a file beside it."""
    old = name + b"-old"
    os.close(os.open(old, os.O_CREAT, 0o644))
    return io_uring(OP_RENAMEAT, old, name)


def by_32_bits(name: bytes) -> int:
    """unlink as a 32-bit program calls it: int 0x80, number 10."""
    # push rbx; mov ebx, edi; mov eax, 10; int 0x80; movsxd rax, eax; pop rbx; ret
    code = bytes.fromhex("53 89fb b80a000000 cd80 4863c0 5b c3")
    place = LIBC.mmap(None, ctypes.c_size_t(4096), 7, 0x62, -1, ctypes.c_long(0))  # MAP_32BIT
    ctypes.memmove(place, code, len(code))
    ctypes.memmove(place + 64, name + b"\0", len(name) + 1)
    return int(ctypes.CFUNCTYPE(ctypes.c_long, ctypes.c_void_p)(place)(place + 64))


def by_seccomp(name: bytes) -> int:
    """Refused by a filter that lets through all but unlink and answers EPERM to it."""

    class Program(ctypes.Structure):
        _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.c_char_p)]

    instructions = b"".join(
        struct.pack("=HBBI", *instruction)
        for instruction in (
            (0x20, 0, 0, 0),  # load the number
            (0x15, 0, 1, 87),  # unlink?
            (0x06, 0, 0, 0x00050001),  # SECCOMP_RET_ERRNO, EPERM
            (0x06, 0, 0, 0x7FFF0000),  # SECCOMP_RET_ALLOW
        )
    )
    program = Program(4, instructions)
    if LIBC.prctl(38, 1, 0, 0, 0) or LIBC.prctl(22, 2, ctypes.byref(program)):
        raise OSError(ctypes.get_errno(), "seccomp")
    return -ctypes.get_errno() if LIBC.unlink(name) else 0


WAYS = {
    "io_uring": (by_io_uring, 0),
    "rename by io_uring": (rename_by_io_uring, 0),
    "32 bits": (by_32_bits, 0),
    "seccomp": (by_seccomp, -1),
}


def main() -> int:
    way, name = sys.argv[1], os.fsencode(sys.argv[2])
    os.close(os.open(name, os.O_CREAT, 0o644))
    call, wanted = WAYS[way]
    result = call(name)
    if result != wanted:
        sys.stderr.write(f"{way}: {result}\n")
    return int(result != wanted)


if __name__ == "__main__":
    sys.exit(main())
