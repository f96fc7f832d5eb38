# SPDX-License-Identifier: Apache-2.0
"""Everything that this kernel has can be planned, or is refused with a reason."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

from app.btf.format import Kind
from app.btf.reader import Btf
from app.columns.column import CALLER, Column
from app.columns.expression import ExpressionError
from app.columns.field_level import FieldHere, level_at
from app.columns.kernel_offsets import PATH_OFFSETS, TASK_OFFSETS
from app.columns.plan import CONTEXT, MAX_TEXTS, MAX_VALUES, Plan, Read, Text
from app.columns.planner import plan
from app.columns.subject import FUNCTION_MODES, Subject, subject_of
from app.columns.trace_target import FUNCTION, SYSCALL, TRACEPOINT, Target
from app.errors import ProbedeckError
from app.kernel.kernel_types import KernelTypes
from app.linux import tracefs
from app.web.routes.fields import find_subject
from tests.support.running_types import RUNNING, running_btf

pytestmark = pytest.mark.suites("trixie-backports")

Shown = tuple[Column, str, tuple[Read, ...], tuple[Text, ...]]
DEPTH = 5
HEAD = [column.name for column in CALLER]


@pytest.fixture(scope="module")
def btf() -> Btf:
    return running_btf()


def functions(btf: Btf, count: int) -> list[Target]:
    found = [type_id for type_id in btf if btf.kind(type_id) == Kind.FUNC]
    chosen = random.Random(11).sample(found, count)
    return [Target(FUNCTION, btf.name(each), function_id=each) for each in chosen]


def refusal(btf: Btf, target: Target, mode: str, columns: list[str] | None = None) -> str | None:
    """Return why there is no plan, None where there is one."""
    try:
        plan(btf, target, mode, columns)
    except ProbedeckError as error:
        message = error.extra["errors"][0]["message"]
        assert message
        return str(message)
    return None


def test_functions(btf: Btf) -> None:
    refused = [
        each
        for n, each in enumerate(functions(btf, 300))
        if refusal(btf, each, FUNCTION_MODES[n % 4])
    ]
    assert refused == []


def walked(subject: Subject, chance: random.Random) -> Iterator[str]:
    """Yield expressions that fields lead to, each one level below the one before."""
    at = ""
    for _ in range(DEPTH):
        below = [field for field in level_at(subject, at).fields if field.has_fields]
        if not below:
            return
        at = chance.choice(below).expression
        yield at


def test_whatever_fields_lead_to(btf: Btf) -> None:
    chance, planned = random.Random(11), 0
    for target in functions(btf, 60):
        subject = subject_of(btf, target, "kretprobe")
        try:
            for at in walked(subject, chance):
                planned += refusal(btf, target, "kretprobe", [f"{at} as it"]) is None
        except ExpressionError as error:  # a per-CPU pointer, or a struct that is only declared
            assert error.message
    assert planned > 90


def events() -> list[tuple[str, str]]:
    """Return category and name of every tracepoint."""
    with tracefs.opened() as folder:
        found = [path.parent for path in sorted((folder / "events").glob("*/*/format"))]
    return [(event.parent.name, event.name) for event in found]


def tracepoints() -> list[Target]:
    """Return all but those of system calls."""
    return [Target(TRACEPOINT, f"{one}:{name}") for one, name in events() if one != "syscalls"]


def test_system_calls_and_tracepoints(btf: Btf) -> None:
    enter = "sys_enter_"
    syscalls = [name.removeprefix(enter) for _, name in events() if name.startswith(enter)]
    others = [target.name for target in tracepoints()]
    assert len(syscalls) > 300 and len(others) > 300
    chance = random.Random(11)
    targets = [Target(SYSCALL, name) for name in chance.sample(syscalls, 100)]
    targets += [Target(TRACEPOINT, name) for name in chance.sample(others, 200)]
    assert [each for each in targets if refusal(btf, each, "tracepoint")] == []


def named(found: Plan) -> dict[str, Shown]:
    """Return what each column is made of, by its name."""
    return {
        each.column.name: (
            each.column,
            each.decoder,
            tuple(found.values[index] for index in each.values),
            tuple(found.texts[index] for index in each.texts),
        )
        for each in found.outputs
    }


def has_room(columns: dict[str, Shown], more: Shown) -> bool:
    """Return whether another column can be read besides these."""
    values = {read for _, _, reads, _ in columns.values() for read in reads} | {*more[2]}
    texts = {text for _, _, _, found in columns.values() for text in found} | {*more[3]}
    return len(values) <= MAX_VALUES and len(texts) <= MAX_TEXTS


def others(btf: Btf, target: Target, field: FieldHere, name: str) -> Iterator[Shown]:
    """Yield how a field may be shown where room runs short."""
    for renderer in ("hex", "bytes"):
        column = f"{renderer}({field.expression})"
        if refusal(btf, target, "tracepoint", [column]) is None:
            yield named(plan(btf, target, "tracepoint", [column]))[name]


def test_no_column_is_an_address_in_the_record_of_a_tracepoint(btf: Btf) -> None:
    """That is a temporary buffer, whose address says nothing."""
    for target in tracepoints():
        found = plan(btf, target, "tracepoint")
        assert [
            (target.name, output.column.name)
            for output in found.outputs
            for read in (found.values[index] for index in output.values)
            if read.base == CONTEXT and not read.derefs and read.size == 0
        ] == []


def test_as_many_fields_as_can_be_are_shown(btf: Btf) -> None:
    """All where they fit; addresses of sockets and routes as the numbers that they are."""
    sock = named(plan(btf, Target(TRACEPOINT, "sock:inet_sock_set_state"), "tracepoint"))
    assert [sock[name][1] for name in ("saddr", "daddr")] == ["list", "list"]
    assert [sock[name][1] for name in ("saddr_v6", "daddr_v6")] == ["bytes", "bytes"]
    route = named(plan(btf, Target(TRACEPOINT, "fib:fib_table_lookup"), "tracepoint"))
    assert {route[name][1] for name in ("src", "dst", "gw4")} <= {"list", "bytes"}


def test_a_field_that_is_listed_is_a_column_as_by_default(btf: Btf) -> None:
    """Of every tracepoint, also where a field is called `ret`, `errno`, `pid` or `mode`."""
    called = set()
    for target in tracepoints():
        subject = subject_of(btf, target, "tracepoint")
        default = named(plan(btf, target, "tracepoint"))
        for field in level_at(subject, "").fields:
            if field.shown_as not in (None, "fields"):
                wanted = named(plan(btf, target, "tracepoint", [field.expression]))
                (name,) = set(wanted) - set(HEAD)
                if default.get(name) == wanted[name]:
                    called.add(field.name)
                else:
                    assert not has_room(default, wanted[name]), (target, field)
                    assert default.get(name) in (None, *others(btf, target, field, name))
    assert called >= {"ret", "errno", "pid", "comm", "cpu", "mode"}


def test_names_lead_to_what_they_are_of() -> None:
    types = KernelTypes(RUNNING)
    for name, kind in (
        ("vfs_read", FUNCTION),
        ("openat", SYSCALL),
        ("sched:sched_switch", TRACEPOINT),
        ("sched_switch", TRACEPOINT),
    ):
        assert find_subject(types, name).hook.kind == kind
    arguments = level_at(find_subject(types, "openat"), "")
    assert [field.name for field in arguments.fields] == ["dfd", "filename", "flags", "mode", "ret"]
    with pytest.raises(ProbedeckError, match="did you mean openat"):
        find_subject(types, "opena")


def test_paths_can_be_walked(btf: Btf) -> None:
    """Which needs offsets, some private to fs/, in structs that change from time to time."""
    found = plan(btf, Target(FUNCTION, "vfs_read"), "fexit", ["path(file)", "ppid", "pcomm"])
    assert set(found.kernel_offsets) == {*TASK_OFFSETS, *PATH_OFFSETS}
    assert found.kernel_offsets["M_MNT"] > found.kernel_offsets["M_PARENT"]
