# SPDX-License-Identifier: Apache-2.0
"""Which mode a target is traced in, and what a caller is told if it cannot be."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from app.columns.aggregate import AggregateSpec, HistogramSpec
from app.columns.column import CALLER
from app.errors import ProbedeckError
from app.probes import planning
from app.probes.planning import (
    MAX_PLAN_BYTES,
    Prepared,
    add_alternatives,
    check_name,
    prepare,
    replan,
)
from app.probes.spec import (
    DEFAULT_TARGET,
    FUNCTION,
    PRESET,
    SYSCALL,
    TRACEPOINT,
    Filter,
    ProbeSpec,
    Target,
)
from tests.support.fake_planner import PATH_OFFSETS, FakePlanner

ALL = ["fexit", "kretprobe", "tracepoint", "fentry", "kprobe"]
READ = Target(FUNCTION, "vfs_read")
BY_KPROBE = Target(FUNCTION, "only_by_kprobe")


def prepared(spec: ProbeSpec, working: list[str] = ALL, name: str = "reads") -> Prepared:
    return prepare(FakePlanner(), name, spec, working)


def refusal(spec: ProbeSpec, working: list[str] = ALL, name: str = "reads") -> ProbedeckError:
    with pytest.raises(ProbedeckError) as caught:
        prepared(spec, working, name)
    return caught.value


@pytest.mark.parametrize(
    ("target", "working", "mode"),
    [
        (READ, ALL, "fexit"),
        (READ, ["tracepoint", "fentry", "kprobe"], "fentry"),
        (READ, ["tracepoint"], "fexit"),  # which is refused at the start, with the reason
        (BY_KPROBE, ALL, "kretprobe"),
        (Target(SYSCALL, "openat"), ALL, "tracepoint"),
        (Target(TRACEPOINT, "sched:sched_switch"), ["fexit"], "tracepoint"),
        (Target(PRESET, "reads"), ["kprobe"], "kprobe"),
        (DEFAULT_TARGET, ["tracepoint", "fentry"], "tracepoint"),
        (DEFAULT_TARGET, [], "fexit"),
    ],
)
def test_the_best_mode_that_the_kernel_allows(
    target: Target, working: list[str], mode: str
) -> None:
    found = prepared(ProbeSpec(target=target), working)
    assert (found.mode, found.spec.mode, found.spec.target) == (mode, mode, target)
    assert found.plan.has_own_programs == (target == DEFAULT_TARGET)
    assert found.plan.mode == mode
    assert mode in found.possible


@pytest.mark.parametrize(
    ("aggregate", "more", "working", "mode"),
    [
        (AggregateSpec(("comm",)), {}, ALL, "fentry"),
        (AggregateSpec(), {}, ["fexit", "kprobe"], "kprobe"),
        (AggregateSpec(), {}, ["fexit"], "fexit"),
        (AggregateSpec((), (("sum", "latency_ns"),)), {}, ALL, "fexit"),
        (AggregateSpec(("errno",)), {}, ALL, "fexit"),
        (AggregateSpec((), (), HistogramSpec("ret")), {}, ALL, "fexit"),
        (AggregateSpec(), {"where": "Latency>1ms"}, ALL, "fexit"),
        (AggregateSpec(), {"where": "comm=ret*"}, ALL, "fexit"),  # might be: then it works, too
        (AggregateSpec(), {"filter": Filter(only_failures=True)}, ALL, "fexit"),
        (AggregateSpec(("comm",)), {"mode": "fexit"}, ALL, "fexit"),
    ],
)
def test_what_is_counted_at_entry_needs_no_return(
    aggregate: AggregateSpec,
    more: dict[str, Any],
    working: list[str],
    mode: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(planning, "plan_counted", lambda make, *_, **__: make(()))
    assert prepared(ProbeSpec(target=READ, aggregate=aggregate, **more), working).mode == mode


def test_a_mode_that_was_asked_for_is_taken() -> None:
    assert prepared(ProbeSpec(target=READ, mode="kprobe"), ["fexit"]).mode == "kprobe"
    assert prepared(ProbeSpec(target=DEFAULT_TARGET, mode="kprobe")).mode == "kprobe"
    assert prepared(ProbeSpec(target=READ), name="kprobe").mode == "kprobe"


def test_the_path_of_deletions_is_chosen() -> None:
    assert prepared(ProbeSpec(target=DEFAULT_TARGET, columns=("dfd",))).plan.kernel_offsets == {}
    found = prepared(ProbeSpec(target=DEFAULT_TARGET, mode="fexit", columns=("path", "dfd")))
    assert found.plan.kernel_offsets == PATH_OFFSETS
    assert [output.column.name for output in found.plan.outputs] == [
        *("time", "pid", "tid", "uid", "process", "comm", "dfd", "path"),
        *("ret", "errno", "latency_ns"),
    ]


def test_a_preset_gives_what_the_caller_does_not() -> None:
    preset = ProbeSpec(target=Target(PRESET, "reads"))
    found = prepared(preset)
    assert (found.spec.columns, found.spec.where) == (("count", "state"), "count>1")
    assert found.where.kernel == {"tests": [{"text": "count>1"}], "clauses": [[1, 1]]}
    other = prepared(replace(preset, columns=("pos",), where="comm=glob*"))
    assert (other.spec.columns, other.where.in_service) == (("pos",), "comm=glob*")
    assert other.where.kernel is None


def test_a_mode_that_cannot_trace_it_names_those_that_can() -> None:
    error = refusal(ProbeSpec(target=BY_KPROBE, mode="fexit"))
    assert (error.status, error.code) == (501, "unavailable")
    assert error.extra["alternatives"] == ["kretprobe", "kprobe"]
    assert (error.extra["reason"], error.extra["hint"]) == ("it is not in the kernel's BTF", "-")
    nothing = refusal(ProbeSpec(target=BY_KPROBE), ["fexit", "fentry"])
    assert (nothing.status, nothing.extra["alternatives"]) == (501, [])


def test_other_columns_of_what_runs() -> None:
    def columns(spec: ProbeSpec, wanted: tuple[str, ...] | None) -> tuple[Any, str, list[str]]:
        found, plan = replan(FakePlanner(), spec, "kprobe", wanted, ALL)
        return found, plan.mode, [each.column.name for each in plan.outputs[len(CALLER) :]]

    preset = ProbeSpec(target=Target(PRESET, "reads"), columns=("pos",))
    assert columns(ProbeSpec(target=READ), ("pos",)) == (("pos",), "kprobe", ["pos"])
    assert columns(ProbeSpec(target=READ), None) == (None, "kprobe", ["count"])
    assert columns(preset, None) == (("count", "state"), "kprobe", ["count", "state"])
    assert columns(preset, ("flags",)) == (("flags",), "kprobe", ["flags"])
    with pytest.raises(ProbedeckError) as caught:
        replan(FakePlanner(), ProbeSpec(target=BY_KPROBE), "fexit", None, ALL)
    assert caught.value.extra["alternatives"] == ["kretprobe", "kprobe"]
    with pytest.raises(ProbedeckError) as caught:
        replan(FakePlanner(), ProbeSpec(target=READ), "fexit", ("+",), ALL)
    assert (caught.value.status, caught.value.code) == (422, "invalid")


def test_what_works_instead_is_planned_first() -> None:
    """Only with what the caller wants of it, only in modes that this kernel allows."""

    def offered(target: Target, failed: str, working: list[str], **more: Any) -> ProbedeckError:
        error = ProbedeckError(501, "unavailable", "no")
        spec = ProbeSpec(target=target, **more)
        add_alternatives(error, FakePlanner(), spec, working, failed)
        return error

    error = offered(READ, "fexit", ["kprobe", "fexit", "tracepoint"])
    assert error.extra["alternatives"] == ["kprobe", "preset reads"]
    instead = {"kind": "preset", "name": "reads", "note": "instead of vfs_read"}
    assert (error.extra["instead"], error.extra["reason"]) == ([instead], "no")
    assert error.extra["hint"] == "preset reads: instead of vfs_read"
    none = offered(READ, "fexit", ["tracepoint"])  # nor does the preset work
    assert (none.extra["alternatives"], none.extra["hint"]) == ([], None)
    assert offered(READ, "fexit", ["kprobe"], columns=("a-",)).extra["alternatives"] == [
        "preset reads"
    ]


@pytest.mark.parametrize(
    ("name", "spec", "field"),
    [
        ("reads", ProbeSpec(), "function"),
        ("reads", ProbeSpec(target=Target(FUNCTION, "vfs_raed")), "function"),
        ("reads", ProbeSpec(target=Target(PRESET, "writes")), "preset"),
        ("reads", ProbeSpec(target=READ, columns=("a", "b->")), "columns.1"),
        ("reads", ProbeSpec(target=READ, where="!"), "where"),
        ("reads", ProbeSpec(target=READ, mode="tracepoint"), "mode"),
        ("reads", ProbeSpec(target=Target(PRESET, "reads"), mode="tracepoint"), "mode"),
        ("fentry", ProbeSpec(target=READ, mode="fexit"), "mode"),
        ("tracepoint", ProbeSpec(target=READ), "mode"),
        ("fentry", ProbeSpec(target=Target(SYSCALL, "openat")), "mode"),
        ("fentry", ProbeSpec(target=DEFAULT_TARGET, columns=("a",)), "columns.0"),
        ("fexit", ProbeSpec(columns=("path", "syscall")), "columns.1"),
        ("tracepoint", ProbeSpec(columns=("path", "time")), "columns.1"),
        ("tracepoint", ProbeSpec(columns=("path", "dfd", "path")), "columns"),
        ("reads", ProbeSpec(target=DEFAULT_TARGET, where="!"), "where"),
        ("Reads", ProbeSpec(target=READ), "id"),
    ],
)
def test_what_the_caller_should_correct(name: str, spec: ProbeSpec, field: str) -> None:
    error = refusal(spec, name=name)
    assert (error.status, error.code) == (422, "invalid")
    assert [each["field"] for each in error.extra["errors"]] == [field]


@pytest.mark.parametrize("name", ["a", "0", "a" * 32, "reads-2.b_c", "0..-"])
def test_names_of_probes(name: str) -> None:
    check_name(name)


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".",
        "..",
        ".a",
        "-a",
        "_a",
        "a" * 33,
        "A",
        "ä",
        "\u0661",
        "a b",
        "a\n",
        "a\0",
        "a/b",
        "*",
    ],
)
def test_what_no_probe_is_called(name: str) -> None:
    with pytest.raises(ProbedeckError) as caught:
        check_name(name)
    assert caught.value.extra["errors"][0]["field"] == "id"


class OddPlanner(FakePlanner):
    """A fake planner with a defect: its plans have other names, modes or sizes."""

    def __init__(self, **odd: Any) -> None:
        super().__init__()
        self.odd = odd

    def make_plan(self, *arguments: Any) -> Any:
        plan = super().make_plan(*arguments)
        hook = {name: value for name, value in self.odd.items() if name in vars(plan.hook)}
        rest = {name: value for name, value in self.odd.items() if name not in hook}
        return replace(plan, hook=replace(plan.hook, **hook), **rest)


@pytest.mark.parametrize(
    "odd",
    [
        {"name": "../../x"},
        {"name": "a b"},
        {"name": "vfs_read\n"},
        {"name": ""},
        {"category": "sched/.."},
        {"module": "a\0"},
        {"mode": "kretprobe"},
    ],
)
def test_a_plan_with_other_names_goes_no_further(odd: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=r"is not the name of a symbol|a plan for"):
        prepare(OddPlanner(**odd), "reads", ProbeSpec(target=READ, mode="kprobe"), ALL)


def test_a_plan_that_is_too_long_for_a_line() -> None:
    planner = OddPlanner(kernel_offsets={"x" * MAX_PLAN_BYTES: 1})
    with pytest.raises(ProbedeckError) as caught:
        prepare(planner, "reads", ProbeSpec(target=READ), ALL)
    assert caught.value.extra["errors"][0]["field"] == "columns"
