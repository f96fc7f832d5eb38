# SPDX-License-Identifier: Apache-2.0
"""A compiled object made by hand."""

from __future__ import annotations

from app.linux import bpf
from app.linux.bpf import instruction
from app.tracer.compiled_object import CompiledObject, MapSpec, ProgramSpec

RETURN_0 = instruction(0xB7) + instruction(0x95)


def load_64(source: int, lower: int, upper: int = 0) -> bytes:
    """r1 = 64 bits, or what `source` says that they stand for."""
    return instruction(0x18, dst=1, src=source, immediate=lower) + instruction(0, immediate=upper)


OBJECT = CompiledObject(
    (
        MapSpec("counts", bpf.MAP_TYPE_PERCPU_ARRAY, 4, 8, 3, 0),
        MapSpec("ring", bpf.MAP_TYPE_RINGBUF, 0, 0, 4096, 1 << 10),
    ),
    (
        ProgramSpec("on_entry", bpf.PROG_TYPE_KPROBE, 0, 0, load_64(1, 1) + RETURN_0),
        ProgramSpec("kfunc__x", bpf.PROG_TYPE_TRACING, 24, 12345, load_64(1, 0) + RETURN_0),
    ),
)
