# SPDX-License-Identifier: Apache-2.0
"""Ways to attach a program to several functions, from the best that this kernel may have.

- kprobe.session, in modes that see the return: one program for entry and return.
- kprobe.multi: a link for all entries, and another one for all returns.
- single: a kprobe for each, for at most MAX_SINGLE functions.

Which one a kernel has shows when it is tried (app/kernel/multi_attach.py).
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TypeVar

from app.columns.plan import FUNCTIONS, MULTI, SESSION, SINGLE, Plan
from app.errors import ProbedeckError
from app.kernel.multi_attach import Session, find_multi_attach
from app.linux import bpf
from app.tracer.code_slots import with_number
from app.tracer.compiled_object import CompiledObject, ProgramSpec

MAX_SINGLE = 64  # each takes a program, and up to 50 ms to be detached
NUMBER_SLOT = 0x445  # bpf/template/registers.c; public for tests
ENTRY_PROGRAM = "any_entry"
_Loaded = TypeVar("_Loaded")


def ways_of(plan: Plan) -> Iterator[str | None]:
    """Yield the ways to attach a plan, the best first; None where it is one function."""
    if plan.hook.kind != FUNCTIONS:
        yield None
        return
    known = find_multi_attach()
    if plan.sees_return and known.session:
        yield SESSION
    if known.attach_type is not None:
        yield MULTI
    yield SINGLE


def with_way(plan: Plan, way: str | None) -> Plan:
    """Return the plan that is attached so. Raises ProbedeckError 501 for too many functions."""
    count = len(plan.hook.functions)
    if way == SINGLE and count > MAX_SINGLE:
        raise ProbedeckError(
            501,
            "unavailable",
            f"{plan.hook.name}: these are {count} functions, and this kernel cannot attach to many "
            f"at once: at most {MAX_SINGLE} are possible",
            reason="the kernel has no kprobe.multi",
            hint=f"name fewer functions, at most {MAX_SINGLE}; or run Linux 5.18 or later, built "
            "with CONFIG_FPROBE",
        )
    return replace(plan, hook=replace(plan.hook, way=way))


def attached(plan: Plan, load: Callable[[Plan], _Loaded]) -> _Loaded:
    """Return what `load` makes of the plan, in the first way that the kernel accepts.

    Raises ProbedeckError as it does.
    """
    ways = list(ways_of(plan))
    for way in ways:
        try:
            return load(with_way(plan, way))
        except ProbedeckError as error:
            cause = error.__cause__
            # So kernels answer that were built without it (CONFIG_FPROBE).
            is_missing = isinstance(cause, OSError) and cause.errno == errno.EOPNOTSUPP
            if way is ways[-1] or not is_missing:
                raise
    raise AssertionError("no way")


def session_of(plan: Plan) -> Session | None:
    """Return what the programs of a plan need that is attached by kprobe.session."""
    return find_multi_attach().session if plan.hook.way == SESSION else None


def attach_type(plan: Plan) -> int:
    """Return the type with which a plan's programs are loaded for their links; 0 for none."""
    if session := session_of(plan):
        return session.attach_type
    return find_multi_attach().attach_type or 0 if plan.hook.way == MULTI else 0


def _one_for_each(program: ProgramSpec, plan: Plan) -> list[ProgramSpec]:
    """Return a program for each function, as it knows by itself which one it is at."""
    return [
        replace(
            program,
            name=_name_for(number),
            # Not 0, which is no constant that a compiler makes (app/tracer/compiled_object.py).
            instructions=with_number(program.instructions, NUMBER_SLOT, number + 1),
        )
        for number in range(len(plan.hook.functions))
    ]


def _name_for(number: int) -> str:
    """Return the name of the program for one of several functions."""
    return ENTRY_PROGRAM if number == 0 else f"{ENTRY_PROGRAM}_{number}"


def entry_programs(plan: Plan) -> list[str]:
    """Return the names of the programs at entry."""
    if plan.hook.way != SINGLE:
        return [ENTRY_PROGRAM]
    return [_name_for(number) for number in range(len(plan.hook.functions))]


def adapted_for(compiled: CompiledObject, plan: Plan) -> CompiledObject:
    """Return the object with the programs that a plan's way needs."""
    programs: list[ProgramSpec] = []
    linked = attach_type(plan)
    for program in compiled.programs:
        if program.type == bpf.PROG_TYPE_KPROBE and linked:
            programs.append(replace(program, attach_type=linked))
        elif program.name == ENTRY_PROGRAM and plan.hook.way == SINGLE:
            programs += _one_for_each(program, plan)
        else:
            programs.append(program)
    return replace(compiled, programs=tuple(programs))
