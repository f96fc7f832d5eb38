# SPDX-License-Identifier: Apache-2.0
"""Putting calls of the kernel's own functions into byte code.

BCC cannot compile them, so the C text calls helpers that do not exist: bpf_rdonly_cast is `cast` in
bpf/words.c, and the functions of kprobe.session are in bpf/template/any_session.c.
"""

from __future__ import annotations

from app.kernel.multi_attach import Session
from app.kernel.plain_loads import Cast
from app.linux import bpf
from app.tracer.instructions import INSTRUCTION_BYTES, walk

_CALL = 0x85
_CAST, _IS_RETURN, _COOKIE = 0x70001, 0x70002, 0x70003
_NOTHING = bpf.instruction(0xB7)  # r0 = 0; the branch is never taken


def with_casts(instructions: bytes, cast: Cast | None, session: Session | None = None) -> bytes:
    """Return the program with the functions' calls, or with none where there is no function."""
    calls = {_CAST: cast.call() if cast else _NOTHING}
    if session is not None:
        calls |= {_IS_RETURN: session.is_return, _COOKIE: session.cookie}
    result = bytearray(instructions)
    for each in walk(instructions, (_CALL,)):
        if not each.source and each.immediate in calls:
            result[each.at : each.at + INSTRUCTION_BYTES] = calls[each.immediate]
    return bytes(result)
