# SPDX-License-Identifier: Apache-2.0
"""Calls of the kernel's own functions that programs may call (kfuncs)."""

from __future__ import annotations

from app.linux import bpf

_CALL, _PSEUDO_KFUNC = 0x85, 2  # BPF_PSEUDO_KFUNC_CALL, include/uapi/linux/bpf.h


def call_of(function_id: int) -> bytes:
    """Return the instruction that calls a function, by its number in the kernel's BTF."""
    return bpf.instruction(_CALL, src=_PSEUDO_KFUNC, immediate=function_id)
