# SPDX-License-Identifier: Apache-2.0
"""The instruction that calls a function of the kernel."""

from __future__ import annotations

from app.kernel.kfunc import call_of


def test_a_call_has_the_functions_number() -> None:
    # BPF_JMP | BPF_CALL, BPF_PSEUDO_KFUNC_CALL as source register, no offset
    assert call_of(0x01020304) == bytes([0x85, 0x20, 0, 0, 4, 3, 2, 1])
