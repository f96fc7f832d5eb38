# SPDX-License-Identifier: Apache-2.0
"""Filling a template of byte code (bpf/template/) in with a plan.

Each mode is compiled once, whatever is traced. Wherever its C text has a slot, the byte code loads
a 64-bit constant of a reserved range, and a slot's number is in that constant; here the plan's
number takes its place. Only integers get into byte code, and the verifier treats them as the
constants that they are. Programs of their own have slots too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from app.columns.plan import (
    BYTES,
    DATA_LOC,
    DENTRY,
    ENTRY,
    MAX_ARGUMENT_WORDS,
    MAX_DEREFS,
    MAX_TEXTS,
    MAX_VALUES,
    MULTI,
    PATH,
    PATH_AT,
    SESSION,
    SINGLE,
    STRING,
    Plan,
    Read,
)
from app.kernel.multi_attach import Session
from app.kernel.plain_loads import find_cast
from app.linux import bpf
from app.presets.deletions.hooks import FIELDS, RENAME_FIELDS
from app.tracer.any_records import HEAD_BYTES, TEXT_BYTES, text_areas, text_limits
from app.tracer.casts import with_casts
from app.tracer.code_slots import filled
from app.tracer.compiled_object import CompiledObject, MapSpec, ProgramSpec
from app.tracer.group_layout import MAP as GROUPS
from app.tracer.group_layout import GroupLayout
from app.tracer.several_functions import adapted_for

# Numbers of slots, as in bpf/template/.
_VALUE, _TEXT, _STRIDE = 0x100, 0x200, 0x10
_KIND, _MAX = 0xD, 0xE
_OFFSETS = {
    name: 0x300 + place
    for place, name in enumerate(
        (
            "PATH_MNT",
            "PATH_DENTRY",
            "MNT_ROOT",
            "M_MNT",
            "M_PARENT",
            "M_POINT",
            "D_PARENT",
            "D_NAME",
            "D_LEN",
            "D_SB",
            "TASK_FS",
            "FS_ROOT",
            "FS_PWD",
            "MNT_SB",
        )
    )
} | {"TASK_GROUP_LEADER": 0x420, "TASK_COMM": 0x421, "TASK_CRED": 0x422, "CRED_UID": 0x423}
_WANTS_PATH = 0x450
_OFFSETS |= {
    name: _WANTS_PATH + 1 + place
    for place, name in enumerate(
        (
            *("TASK_FILES", "FILES_TABLE", "TABLE_SIZE", "TABLE_FILES", "FILE_PATH"),
            *FIELDS,
            *RENAME_FIELDS,
        )
    )
}
_TEXTS_AT, _HAS_TEXTS, _VALUE_COUNT, _RETURN_TEXTS, _NEEDS = 0x400, 0x401, 0x402, 0x403, 0x404
_RECORD_BYTES = 0x410  # of the first ring; one slot for each
CAST_TYPE = 0x460  # public for tests
_USED_WORDS, _RESULT_PLACE, _WORDS_BYTES, _USER_WORDS = 0x440, 0x441, 0x442, 0x443
_SEVERAL = 0x444

_MOMENTS = {"entry": 1, "return": 2}
_TOLD_APART_BY = {SESSION: 1, MULTI: 1, SINGLE: 2}
_KINDS = {STRING: 1, BYTES: 2, PATH: 3, DENTRY: 4, DATA_LOC: 5, PATH_AT: 6}


def record_bytes(plan: Plan, texts: int) -> int:
    """Return the size in bytes of a record with this room for texts."""
    return HEAD_BYTES + 8 * len(plan.values) + texts


def constants(plan: Plan) -> dict[int, int]:
    """Return the number of each slot that is not 0. Raises ValueError for a plan beyond limits."""
    if len(plan.values) > MAX_VALUES or len(plan.texts) > MAX_TEXTS:
        raise ValueError(f"{len(plan.values)} values and {len(plan.texts)} texts are too many")
    moments = [text.address.at for text in plan.texts]
    if moments != sorted(moments):
        raise ValueError("texts that are read at return come last")
    found: dict[int, int] = {}
    for place, read in enumerate(plan.values):
        found |= _read(_VALUE + place * _STRIDE, read)
    for place, (text, most) in enumerate(zip(plan.texts, text_limits(plan), strict=True)):
        at = _TEXT + place * _STRIDE
        found |= {**_read(at, text.address), at + _KIND: _KINDS[text.kind], at + _MAX: most}
    found |= {_OFFSETS[name]: offset for name, offset in plan.kernel_offsets.items()}
    texts_at = record_bytes(plan, 0)
    found |= {
        _TEXTS_AT: texts_at,
        _HAS_TEXTS: int(bool(plan.texts)),
        _VALUE_COUNT: len(plan.values),
        _RETURN_TEXTS: int(any(text.address.at != ENTRY for text in plan.texts)),
        _NEEDS: _needs(plan),
        _USED_WORDS: _used_words(plan),
        _RESULT_PLACE: plan.hook.argument_words,
        _WORDS_BYTES: 8 * _argument_words(plan),
        _USER_WORDS: plan.hook.user_words,
        _SEVERAL: _TOLD_APART_BY.get(plan.hook.way or "", 0),
        _WANTS_PATH: int(any(text.kind == PATH_AT for text in plan.texts)),
    }
    if plan.aggregate is not None:
        found |= GroupLayout(plan, plan.aggregate).constants()
    areas = text_areas(plan)
    for place, ring in enumerate(TEXT_BYTES):
        found[_RECORD_BYTES + place] = record_bytes(plan, areas.get(ring, 0))
    return found


_NEED_OF, _ALL_NEEDS = {"uid": 1, "comm": 2, "process": 4, "cpu": 8}, 31


def _needs(plan: Plan) -> int:
    """Return what of the caller is read although the filter tests nothing of it."""
    is_kept = plan.sees_return and plan.hook.way != SESSION
    if plan.aggregate is None or is_kept:  # another filter may have to be tested at the return
        return _ALL_NEEDS
    shown = {plan.outputs[number].column.name for number in plan.aggregate.by}
    counted = {plan.outputs[each.output].column.name for each in plan.aggregate.measures}
    histogram = plan.aggregate.histogram
    if histogram is not None:
        counted.add(plan.outputs[histogram.output].column.name)
    return sum(need for name, need in _NEED_OF.items() if name in shown | counted)


def _read(at: int, read: Read) -> dict[int, int]:
    if len(read.derefs) > MAX_DEREFS:
        raise ValueError(f"{len(read.derefs)} pointers to follow are too many")
    numbers = (
        _MOMENTS[read.at],
        read.base,
        len(read.derefs),
        *(*read.derefs, *([0] * (MAX_DEREFS - len(read.derefs)))),
        read.offset,
        read.size,
        read.left,
        read.right,
        int(read.signed),
    )
    return {at + place: number for place, number in enumerate(numbers)}


def _used_words(plan: Plan) -> int:
    words = 0
    for read in (*plan.values, *(text.address for text in plan.texts)):
        words |= 1 << read.base
    return words


def _argument_words(plan: Plan) -> int:
    """Return how many words of the arguments are needed: up to the last that is read."""
    used = _used_words(plan) & ((1 << MAX_ARGUMENT_WORDS) - 1)
    return used.bit_length()


def completed(
    instructions: bytes, numbers: Mapping[int, int], session: Session | None = None
) -> bytes:
    """Return the instructions as this kernel can load them, with each slot's number.

    Loads are plain where the kernel lets programs make them (app/kernel/plain_loads.py).
    `session` is needed by programs of kprobe.session.
    """
    cast = find_cast()
    types = {CAST_TYPE: cast.type_id} if cast else {}
    return with_casts(filled(instructions, {**numbers, **types}), cast, session)


def adapted(template: CompiledObject, plan: Plan, ring_bytes: int) -> CompiledObject:
    """Return the template with the plan's rings and functions; its slots are not filled in yet."""
    rings = text_areas(plan)
    found = CompiledObject(
        tuple(_sized(spec, rings, ring_bytes, plan) for spec in template.maps),
        tuple(_aimed(program, plan) for program in template.programs),
    )
    return adapted_for(found, plan) if plan.hook.way else found


def _sized(spec: MapSpec, rings: Mapping[str, int], ring_bytes: int, plan: Plan) -> MapSpec:
    if spec.name == GROUPS and plan.aggregate is not None:
        return GroupLayout(plan, plan.aggregate).sized(spec)
    if spec.name in TEXT_BYTES:
        if spec.name not in rings or plan.aggregate is not None:
            return spec  # of one page, as compiled
        return replace(
            spec, max_entries=ring_bytes if spec.name == "ring_short" else ring_bytes // 2
        )
    if spec.name == "long_calls" and "ring_large" not in rings:
        return replace(spec, max_entries=1)
    return spec


_TRACING = {"any_entry": bpf.ATTACH_TRACE_FENTRY, "any_return": bpf.ATTACH_TRACE_FEXIT}


def _aimed(program: ProgramSpec, plan: Plan) -> ProgramSpec:
    if plan.mode in ("fentry", "fexit") and program.name in _TRACING:
        return replace(
            program,
            type=bpf.PROG_TYPE_TRACING,
            attach_type=_TRACING[program.name],
            attach_btf_id=plan.hook.function_id,
        )
    return program
