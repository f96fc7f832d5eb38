# SPDX-License-Identifier: Apache-2.0
"""In which ways several functions are tried, and what programs each way needs."""

from __future__ import annotations

import errno

import pytest

from app.columns.plan import FUNCTIONS, MULTI, SESSION, SINGLE, Hook, Plan
from app.errors import ProbedeckError
from app.kernel.multi_attach import MultiAttach, Session
from app.linux import bpf
from app.tracer import several_functions
from app.tracer.compiled_object import CompiledObject, ProgramSpec
from app.tracer.several_functions import (
    MAX_SINGLE,
    adapted_for,
    attached,
    entry_programs,
    ways_of,
    with_way,
)
from tests.support.compiled_objects import RETURN_0, load_64

OLD, WITH_MULTI = MultiAttach(), MultiAttach(42)
NEW = MultiAttach(42, Session(56, b"is return", b"cookie"))
ONE = Plan(Hook("function", "f"), "kprobe", False, (), (), (), {})


def plan(mode: str, count: int = 3, way: str | None = None) -> Plan:
    names = tuple(f"f{number}" for number in range(count))
    hook = Hook(FUNCTIONS, "f*", functions=names, way=way)
    return Plan(hook, mode, mode == "kretprobe", (), (), (), {})


@pytest.mark.parametrize(
    ("known", "mode", "ways"),
    [
        (OLD, "kprobe", [SINGLE]),
        (OLD, "kretprobe", [SINGLE]),
        (WITH_MULTI, "kprobe", [MULTI, SINGLE]),
        (WITH_MULTI, "kretprobe", [MULTI, SINGLE]),
        (NEW, "kprobe", [MULTI, SINGLE]),
        (NEW, "kretprobe", [SESSION, MULTI, SINGLE]),
    ],
)
def test_the_best_way_comes_first(
    known: MultiAttach, mode: str, ways: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(several_functions, "find_multi_attach", lambda: known)
    assert list(ways_of(plan(mode))) == ways
    assert list(ways_of(ONE)) == [None]


def refusing(tried: list[str | None], number: int, *refused: str) -> object:
    def load(wanted: Plan) -> Plan:
        tried.append(wanted.hook.way)
        if wanted.hook.way in refused:
            error = OSError(number, "refused")
            raise ProbedeckError(502, "tracer_failed", "refused") from error
        return wanted

    return load


@pytest.mark.parametrize(
    ("refused", "tried"),
    [
        ((), [SESSION]),
        ((SESSION,), [SESSION, MULTI]),
        ((SESSION, MULTI), [SESSION, MULTI, SINGLE]),
    ],
)
def test_a_way_that_the_kernel_lacks_is_followed_by_the_next(
    refused: tuple[str, ...], tried: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(several_functions, "find_multi_attach", lambda: NEW)
    found: list[str | None] = []
    load = refusing(found, errno.EOPNOTSUPP, *refused)
    loaded = attached(plan("kretprobe"), load)  # type: ignore[arg-type]
    assert found == tried
    assert isinstance(loaded, Plan)
    assert loaded.hook.way == tried[-1]


@pytest.mark.parametrize("number", [errno.EPERM, errno.ENOMEM, errno.EINVAL])
def test_another_error_is_one(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(several_functions, "find_multi_attach", lambda: NEW)
    found: list[str | None] = []
    with pytest.raises(ProbedeckError):
        attached(plan("kretprobe"), refusing(found, number, SESSION))  # type: ignore[arg-type]
    assert found == [SESSION]


def test_when_all_are_refused_the_last_error_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(several_functions, "find_multi_attach", lambda: WITH_MULTI)
    load = refusing([], errno.EOPNOTSUPP, MULTI, SINGLE)
    with pytest.raises(ProbedeckError, match="refused"):
        attached(plan("kprobe"), load)  # type: ignore[arg-type]


def test_one_by_one_there_is_a_limit() -> None:
    assert with_way(plan("kprobe", MAX_SINGLE), SINGLE).hook.way == SINGLE
    assert with_way(plan("kprobe", MAX_SINGLE + 1), MULTI).hook.way == MULTI
    with pytest.raises(ProbedeckError, match=f"at most {MAX_SINGLE}") as caught:
        with_way(plan("kprobe", MAX_SINGLE + 1), SINGLE)
    assert caught.value.status == 501
    assert caught.value.extra["reason"]
    assert caught.value.extra["hint"]


NUMBER = load_64(0, 0x445, 0x70000000)
OTHER = load_64(0, 0x446, 0x70000000)
COMPILED = CompiledObject(
    (),
    (
        ProgramSpec("any_entry", bpf.PROG_TYPE_KPROBE, 0, 0, NUMBER + OTHER + RETURN_0),
        ProgramSpec("any_return", bpf.PROG_TYPE_KPROBE, 0, 0, RETURN_0),
        ProgramSpec("raw_tracepoint__x", bpf.PROG_TYPE_RAW_TRACEPOINT, 0, 0, RETURN_0),
    ),
)


@pytest.mark.parametrize(("way", "attach_type"), [(MULTI, 42), (SESSION, 56)])
def test_links_need_programs_of_their_type(
    way: str, attach_type: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(several_functions, "find_multi_attach", lambda: NEW)
    found = adapted_for(COMPILED, plan("kretprobe", way=way))
    assert [each.attach_type for each in found.programs] == [attach_type, attach_type, 0]
    assert [each.name for each in found.programs] == [each.name for each in COMPILED.programs]


def test_one_by_one_each_function_has_a_program_that_knows_its_number() -> None:
    wanted = plan("kretprobe", way=SINGLE)
    found = adapted_for(COMPILED, wanted)
    entries = {each.name: each for each in found.programs if each.name.startswith("any_entry")}
    assert list(entries) == entry_programs(wanted) == ["any_entry", "any_entry_1", "any_entry_2"]
    for number, program in enumerate(entries.values()):
        assert program.instructions == load_64(0, number + 1) + OTHER + RETURN_0
        assert program.attach_type == 0
    assert len(found.programs) == 3 + 2
