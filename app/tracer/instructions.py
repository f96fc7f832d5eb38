# SPDX-License-Identifier: Apache-2.0
"""BPF instructions as the kernel takes them: 8 bytes each, 16 for a 64-bit load (BPF_LD_IMM64).

The layout is that of struct bpf_insn (include/uapi/linux/bpf.h), little-endian.
"""

from __future__ import annotations

import struct
from collections.abc import Collection, Iterator
from dataclasses import dataclass

_INSTRUCTION = struct.Struct(
    "<BBhi"
)  # code, registers (source << 4 | destination), offset, immediate
INSTRUCTION_BYTES = _INSTRUCTION.size
LD_IMM64 = 0x18


class TruncatedError(ValueError):
    """The bytes are not whole instructions."""


@dataclass(frozen=True)
class Instruction:
    """One instruction; `at` is its place in bytes.

    `upper` are the members of a 64-bit load's second half, else None.
    """

    at: int
    code: int
    registers: int
    offset: int
    immediate: int
    upper: tuple[int, int, int, int] | None = None

    @property
    def source(self) -> int:
        """The source register, which tells what the constant of a 64-bit load means."""
        return self.registers >> 4

    @property
    def constant(self) -> int:
        """The 64 bits that a 64-bit load loads."""
        assert self.upper is not None
        return (self.upper[3] & 0xFFFFFFFF) << 32 | self.immediate & 0xFFFFFFFF

    def encode(self, offset: int) -> bytes:
        """Return the instruction's bytes, with this offset."""
        first = _INSTRUCTION.pack(self.code, self.registers, offset, self.immediate)
        return first if self.upper is None else first + _INSTRUCTION.pack(*self.upper)


def walk(instructions: bytes, only: Collection[int] = ()) -> Iterator[Instruction]:
    """Yield each instruction in order, or only those of some codes; raises TruncatedError.

    A template has thousands of instructions: looking at each in Python would be a tenth of a
    probe's start, so those of a code are searched for.
    """
    if not instructions or len(instructions) % INSTRUCTION_BYTES:
        raise TruncatedError(f"{len(instructions)} bytes are not a program")
    codes = instructions[::INSTRUCTION_BYTES]
    if only:  # the second half of a 64-bit load has the code 0, which no instruction has
        places = sorted(place for code in only for place in _places(codes, code))
        yield from (_at(instructions, place * INSTRUCTION_BYTES) for place in places)
        return
    at = 0
    while at < len(instructions):
        found = _at(instructions, at)
        yield found
        at += INSTRUCTION_BYTES * (1 if found.upper is None else 2)


def _places(codes: bytes, code: int) -> Iterator[int]:
    place = codes.find(code)
    while place >= 0:
        yield place
        place = codes.find(code, place + 1)


def _at(instructions: bytes, at: int) -> Instruction:
    code, registers, offset, immediate = _INSTRUCTION.unpack_from(instructions, at)
    if code != LD_IMM64:
        return Instruction(at, code, registers, offset, immediate)
    if at + 2 * INSTRUCTION_BYTES > len(instructions):
        raise TruncatedError(f"instruction {at // INSTRUCTION_BYTES} is truncated")
    upper = _INSTRUCTION.unpack_from(instructions, at + INSTRUCTION_BYTES)
    return Instruction(at, code, registers, offset, immediate, upper)
