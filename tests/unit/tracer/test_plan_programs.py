# SPDX-License-Identifier: Apache-2.0
"""Which set of a plan's programs calls enter, and which sees their returns; the sets are fakes."""

from __future__ import annotations

from typing import Any

import pytest

from app.columns.plan import FUNCTIONS, MULTI, SESSION, SINGLE, Hook, Plan
from app.filters.kernel_filter import KernelFilter
from app.probes.drops import RECURSION, UNFINISHED
from app.probes.spec import Filter
from app.tracer import plan_programs
from app.tracer.compiled_object import CompiledObject
from app.tracer.plan_programs import PlanPrograms

PLAN = Plan(Hook("syscall", "openat"), "tracepoint", True, (), (), (), {})


class FakeSet:
    """A set of programs as the kernel would run them."""

    log: list[str]

    def __init__(self, plan: Plan, *_: object, is_first: bool) -> None:
        self.plan = plan
        self.is_first, self.enabled, self.filter = is_first, False, Filter()
        self.newer: FakeSet | None = None
        self.other: FakeSet | None = None
        self.in_progress, self.is_loaded = 0, True

    def __exit__(self, *_: object) -> None:
        self.is_loaded = False

    def set_filter(self, wanted: Filter, *, enabled: bool = True) -> None:
        self.log.append(f"filter {enabled}")
        self.filter, self.enabled = wanted, enabled

    def pass_entries_to(self, newer: FakeSet) -> None:
        self.log.append("entries")
        self.newer = newer

    def pass_returns_to(self, other: FakeSet | None) -> None:
        self.log.append("returns")
        self.other = other

    def calls_in_progress(self) -> int:
        return self.in_progress

    def drops(self) -> dict[str, int]:
        return {"ring_full": 1, RECURSION: 0}

    def entry_misses(self) -> int:
        return 5


class Stage:
    def __init__(self) -> None:
        compiled = CompiledObject((), ())
        self.programs = PlanPrograms(PLAN, compiled, 4096, KernelFilter())
        (self.first,) = self.programs.sets
        self.programs.set_filter(Filter(uid=1))

    def change(self, wanted: Filter | None = None) -> Any:
        loaded = self.programs.load(PLAN, KernelFilter())
        self.programs.switch_to(loaded, wanted or Filter(uid=1))
        return loaded

    def entered(self) -> Any:
        """Return the set that a call enters."""
        at: Any = self.first
        while not at.enabled and at.newer:
            at = at.newer
        return at

    def returned(self) -> list[Any]:
        """Return the sets that are asked in turn whether they saw a call at entry."""
        at: Any = self.first
        found = []
        while at:
            assert at.is_loaded
            found.append(at)
            at = at.other
        return found

    def retire(self, wanted: Any) -> None:
        assert self.programs.retirable(4) is wanted
        self.programs.cut(wanted)
        self.programs.retire(wanted)


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    found: list[str] = []
    monkeypatch.setattr(FakeSet, "log", found, raising=False)
    monkeypatch.setattr(plan_programs, "PlanSet", FakeSet)
    monkeypatch.setattr(plan_programs, "wait_for_running_programs", lambda: found.append("wait"))
    return found


@pytest.fixture
def stage(log: list[str]) -> Stage:
    stage = Stage()
    log.clear()
    return stage


def test_the_first_change_is_one_write_of_the_filter(stage: Stage, log: list[str]) -> None:
    """The new programs test the filter before a call reaches them, at return before at entry."""
    second = stage.change()
    assert log == ["filter True", "returns", "entries", "filter False"]
    assert (stage.entered(), stage.returned()) == (second, [stage.first, second])


def test_later_changes_are_one_write_of_where_calls_go(stage: Stage, log: list[str]) -> None:
    second = stage.change()
    second.in_progress = 1
    log.clear()
    third = stage.change()
    assert log == ["filter True", "returns", "returns", "entries", "wait"]
    assert (stage.entered(), stage.returned()) == (third, [stage.first, third, second])


def test_a_filter_holds_for_calls_in_progress_too(stage: Stage) -> None:
    stage.change()
    stage.change(Filter(uid=2))
    assert [each.filter for each in stage.programs.sets] == [Filter(uid=2)] * 3
    stage.programs.set_filter(Filter(uid=3))
    assert [each.filter for each in stage.programs.sets] == [Filter(uid=3)] * 3
    assert [each.enabled for each in stage.programs.sets] == [False, False, True] or (
        stage.entered() is stage.programs.sets[-1]
    )


def test_none_enters_after_the_last_filter(stage: Stage) -> None:
    stage.change()
    stage.programs.set_filter(Filter(), enabled=False)
    assert not stage.entered().enabled


def test_sets_are_retired_when_their_calls_have_returned(stage: Stage) -> None:
    second = stage.change()
    stage.first.in_progress = second.in_progress = 1
    third = stage.change()
    assert stage.programs.retirable(4) is None
    second.in_progress = 0
    stage.retire(second)
    assert not second.is_loaded
    assert stage.returned() == [stage.first, third]
    assert stage.programs.retirable(4) is None
    stage.first.in_progress = 0
    stage.retire(stage.first)
    assert stage.first.is_loaded  # it is attached
    assert (stage.entered(), stage.programs.sets) == (third, [third])
    assert stage.programs.retirable(4) is None
    fourth = stage.change()
    stage.retire(third)
    assert (stage.entered(), stage.returned()) == (fourth, [stage.first, fourth])
    assert stage.programs.drops() == {"ring_full": 4, RECURSION: 5, UNFINISHED: 0}
    stage.programs.__exit__()
    assert not (stage.first.is_loaded or fourth.is_loaded)


def test_a_set_waits_for_the_one_before_it(stage: Stage) -> None:
    """Its returns are passed on from there."""
    second = stage.change()
    third = stage.change()
    stage.change()
    stage.first.in_progress = second.in_progress = 1
    assert third.in_progress == 0
    assert stage.programs.retirable(4) is None


def test_one_set_too_many_ends_the_oldest_but_the_attached(stage: Stage) -> None:
    changed = []
    for _ in range(4):
        for each in stage.programs.sets:
            each.in_progress = 2  # type: ignore[attr-defined]
        changed.append(stage.change())
    stage.retire(changed[0])
    assert stage.returned() == [stage.first, changed[3], changed[2], changed[1]]
    assert stage.programs.drops()[UNFINISHED] == 2
    assert stage.programs.retirable(4) is None


@pytest.mark.parametrize(
    ("kind", "way", "switch"),
    [
        ("function", None, "kprobe"),
        (FUNCTIONS, SINGLE, "kprobe"),
        (FUNCTIONS, MULTI, "fentry"),  # as for trampolines, only ftrace's own switch counts
        (FUNCTIONS, SESSION, "fentry"),
    ],
)
@pytest.mark.usefixtures("log")
def test_which_switch_blinds_a_probe(
    kind: str, way: str | None, switch: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def is_switched_off(mode: str) -> bool:
        asked.append(mode)
        return True

    monkeypatch.setattr(plan_programs, "is_switched_off", is_switched_off)
    plan = Plan(Hook(kind, "f*", functions=("f",), way=way), "kprobe", False, (), (), (), {})
    programs = PlanPrograms(plan, CompiledObject((), ()), 4096, KernelFilter())
    assert programs.unseen() == ["f*"]
    assert asked == [switch]
