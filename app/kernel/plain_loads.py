# SPDX-License-Identifier: Apache-2.0
"""Whether programs may load from the kernel's memory without a helper's call, and how.

The kernel's function bpf_rdonly_cast makes any number a pointer to a struct, from which a program
may then load: Linux kernel commit a35b9af4ec2c ("bpf: Add a kfunc for generic type cast", v6.2).
What cannot be read loads as 0.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import lru_cache

from app.btf.format import BtfError, Kind
from app.btf.reader import Btf
from app.kernel.bcc_headers import BTF_PATH
from app.kernel.kfunc import call_of
from app.linux import bpf

_FUNCTION = "bpf_rdonly_cast"
# It begins with the general registers, each an unsigned long (x86-64).
_STRUCT = "pt_regs"
WORDS = 13  # CAST_WORDS in bpf/words.c


@dataclass(frozen=True)
class Cast:
    """Numbers in the kernel's BTF: of the function, and of a struct that begins with words."""

    function_id: int
    type_id: int

    def call(self) -> bytes:
        """Return the instruction that calls the function."""
        return call_of(self.function_id)


def cast_of(btf: Btf) -> Cast | None:
    """Return what a kernel's BTF has; None where it has no such function or struct."""
    function_id = btf.find(Kind.FUNC, _FUNCTION)
    type_id = btf.find(Kind.STRUCT, _STRUCT)
    if function_id is None or type_id is None or not _begins_with_words(btf, type_id):
        return None
    return Cast(function_id, type_id)


def _begins_with_words(btf: Btf, type_id: int) -> bool:
    members = btf.members(type_id)[:WORDS]
    return [member.bit_offset for member in members] == [64 * n for n in range(WORDS)] and all(
        btf.kind(btf.resolve(member.type_id)) == Kind.INT and btf.size(member.type_id) == 8
        for member in members
    )


@lru_cache
def find_cast() -> Cast | None:
    """Return what the running kernel has and lets programs use; None for no plain loads.

    Reading BTF takes 50 ms, so a tracer does it while it waits for its request.
    """
    try:
        cast = cast_of(Btf.load(BTF_PATH))
    except (OSError, BtfError):
        return None
    return cast if cast and _is_allowed(cast) else None


def _is_allowed(cast: Cast) -> bool:
    """Return whether the kernel loads a program that uses it; without its JIT it does not."""
    try:
        os.close(bpf.load_program(bpf.PROG_TYPE_KPROBE, _trial(cast), name="probedeck"))
    except OSError:
        return False
    return True


def _trial(cast: Cast) -> bytes:
    return (
        bpf.instruction(0xB7, dst=1)  # r1 = 0
        + bpf.instruction(0xB7, dst=2, immediate=cast.type_id)  # r2 = type
        + cast.call()
        + bpf.instruction(0x79, dst=0, src=0)  # r0 = *(u64 *)(r0 + 0)
        + bpf.instruction(0xB7, dst=0)  # r0 = 0
        + bpf.instruction(0x95)  # exit
    )
