# SPDX-License-Identifier: Apache-2.0
"""Putting the kernel's bpf_rdonly_cast into byte code.

BCC cannot compile a call of a kernel's function, so bpf/words.c calls a helper that does not exist.
"""

from __future__ import annotations

from app.kernel.plain_loads import Cast
from app.linux import bpf
from app.tracer.instructions import INSTRUCTION_BYTES, walk

_CALL = 0x85
_STAND_IN = 0x70001  # `cast` in bpf/words.c
_NOTHING = bpf.instruction(0xB7)  # r0 = 0; the branch is never taken


def with_casts(instructions: bytes, cast: Cast | None) -> bytes:
    """Return the program with the function's calls, or with none where there is no function."""
    call = cast.call() if cast else _NOTHING
    result = bytearray(instructions)
    for each in walk(instructions, (_CALL,)):
        if not each.source and each.immediate == _STAND_IN:
            result[each.at : each.at + INSTRUCTION_BYTES] = call
    return bytes(result)
