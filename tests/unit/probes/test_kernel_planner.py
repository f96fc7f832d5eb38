# SPDX-License-Identifier: Apache-2.0
"""From names of a request to plans of a kernel, whose index and types are made by hand."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from app.columns.aggregate import AggregateSpec, HistogramSpec
from app.config import Settings
from app.errors import ProbedeckError
from app.kernel.functions import FunctionIndex
from app.kernel.kernel_types import KernelTypes
from app.presets import kernel_names
from app.presets.kernel_names import PresetNames
from app.probes.kernel_planner import KernelPlanner
from app.probes.planning import add_alternatives, prepare
from app.probes.spec import (
    DEFAULT_TARGET,
    FUNCTION,
    FUNCTIONS,
    PRESET,
    SYSCALL,
    TRACEPOINT,
    ProbeSpec,
    Target,
)
from tests.support.function_index import kernel_btf, write_index

ALL = ["fexit", "kretprobe", "tracepoint", "fentry", "kprobe"]
READ = Target(FUNCTION, "vfs_read")


class FakeFunctions:
    """A fake of app.probes.function_index.Functions, which has an index already."""

    def __init__(self, index: FunctionIndex) -> None:
        self.index = index

    def current(self, timeout_s: float) -> FunctionIndex:
        assert timeout_s > 0
        return self.index


@pytest.fixture
def planner(tmp_path: Path) -> KernelPlanner:
    btf_path = tmp_path / "btf" / "vmlinux"
    btf_path.parent.mkdir()
    btf_path.write_bytes(kernel_btf().build())
    settings = replace(Settings(owner_uid=0), btf_path=btf_path)
    functions = FakeFunctions(write_index(tmp_path / "index"))
    types = KernelTypes(btf_path)
    names = PresetNames(btf_path)
    return KernelPlanner(settings, functions, types, names)  # type: ignore[arg-type]


def refusal(planner: KernelPlanner, **spec: Any) -> ProbedeckError:
    with pytest.raises(ProbedeckError) as caught:
        prepare(planner, "mine", ProbeSpec(**spec), ALL)
    return caught.value


def test_a_function(planner: KernelPlanner) -> None:
    spec = ProbeSpec(target=READ, columns=("count", "file->f_flags as flags"), where="count>5")
    found = prepare(planner, "mine", spec, ALL)
    assert found.plan is not None
    assert (found.mode, found.plan.hook.name, found.plan.sees_return) == ("fexit", "vfs_read", True)
    names = [output.column.name for output in found.plan.outputs]
    assert names[6:] == ["count", "flags", "ret", "errno", "latency_ns"]
    assert found.where.kernel is not None
    assert found.where.in_service is None


def test_what_the_kernel_cannot_test_stays_a_text(planner: KernelPlanner) -> None:
    spec = ProbeSpec(target=READ, columns=("count",), where="count>5 comm~a*b*c")
    where = prepare(planner, "mine", spec, ALL).where
    assert (where.kernel is not None, where.in_service) == (True, "comm~a*b*c")


@pytest.mark.parametrize("target", [READ, DEFAULT_TARGET])
def test_how_a_filter_is_understood(planner: KernelPlanner, target: Target) -> None:
    where = prepare(planner, "mine", ProbeSpec(target=target, where="0>ret"), ALL).where
    (hint,) = where.hints
    assert (where.in_service, hint["fixes"][0]) == ("0>ret", "ret<0")


@pytest.mark.parametrize(
    ("spec", "field", "near"),
    [
        ({"target": Target(FUNCTION, "vfs_raed")}, "function", "vfs_read"),
        ({"target": Target(SYSCALL, "opnat")}, "syscall", "openat"),
        ({"target": Target(TRACEPOINT, "sched:sched_swtch")}, "tracepoint", "sched:sched_switch"),
        ({"target": Target(FUNCTION, "openat")}, "function", "the syscall openat"),
        ({"target": Target(SYSCALL, "vfs_read")}, "syscall", "the function vfs_read"),
        (
            {"target": Target(TRACEPOINT, "syscalls:sys_enter_openat")},
            "tracepoint",
            "the syscall openat",
        ),
        ({"target": Target(TRACEPOINT, "sys_exit_openat")}, "tracepoint", "the syscall openat"),
        ({"target": Target(PRESET, "open")}, "preset", "opens"),
        ({"target": READ, "columns": ("cuont",)}, "columns.0", "count"),
        ({"target": READ, "columns": ("count", "file->f_flag")}, "columns.1", "f_flags"),
        ({"target": READ, "columns": ("count",), "where": "latncy>5"}, "where", "latency"),
    ],
)
def test_near_misses(planner: KernelPlanner, spec: Any, field: str, near: str) -> None:
    error = refusal(planner, **spec)
    assert (error.status, error.code) == (422, "invalid")
    assert [each["field"] for each in error.extra["errors"]] == [field]
    assert near in str(error.extra["errors"])


def test_why_a_function_cannot_be_traced(planner: KernelPlanner) -> None:
    error = refusal(planner, target=Target(FUNCTION, "cut_down"))
    assert (error.status, error.code) == (501, "unavailable")
    assert "cut_down.isra.0" in error.extra["reason"]
    assert planner.others(Target(FUNCTION, "cut_down"), ALL)[0].target.name == "cut_down.isra.0"
    assert error.extra["alternatives"] == ["function cut_down.isra.0"]
    assert "function cut_down.isra.0: " in error.extra["hint"]
    by_kprobe = refusal(planner, target=Target(FUNCTION, "varargs"), mode="fentry")
    assert by_kprobe.extra["alternatives"] == ["kretprobe", "kprobe"]
    assert prepare(planner, "mine", ProbeSpec(target=Target(FUNCTION, "varargs")), ALL).mode == (
        "kretprobe"
    )


def test_what_answers_the_same_question(
    planner: KernelPlanner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A function's system call and presets; each is offered only where it works."""
    kernel_has(monkeypatch, ("syscall", "openat"))
    entry, openat = Target(FUNCTION, "__x64_sys_openat"), Target(SYSCALL, "openat")
    assert [each.target for each in planner.others(entry, ALL)] == [openat]
    assert [each.target for each in planner.others(openat, ALL)] == [entry]
    assert planner.others(openat, ["tracepoint"]) == []
    assert planner.others(Target(PRESET, "opens"), ALL) == []
    assert planner.others(Target(FUNCTION, "nothing"), ALL) == []


def test_types_that_cannot_be_read(planner: KernelPlanner) -> None:
    planner._settings.btf_path.write_bytes(b"")
    error = refusal(planner, target=READ)
    assert (error.status, error.code) == (501, "unavailable")
    assert "CONFIG_DEBUG_INFO_BTF" in error.extra["hint"]


def kernel_has(monkeypatch: pytest.MonkeyPatch, *names: tuple[str, str]) -> None:
    monkeypatch.setattr(kernel_names, "names_here", lambda wanted, btf_path: frozenset(names))


def test_a_preset_that_this_kernel_has_not(
    planner: KernelPlanner, monkeypatch: pytest.MonkeyPatch
) -> None:
    kernel_has(monkeypatch)
    error = refusal(planner, target=Target(PRESET, "opens"))
    assert (error.status, error.code) == (501, "unavailable")
    assert "do_sys_openat2" in error.extra["reason"]


def test_a_preset_is_its_candidate(planner: KernelPlanner, monkeypatch: pytest.MonkeyPatch) -> None:
    kernel_has(monkeypatch, ("syscall", "openat"))
    found = planner.resolve("opens", None, ALL)
    assert (found.target, found.mode) == (Target(SYSCALL, "openat"), "tracepoint")
    assert "Files opened by open, openat2 and creat." in found.not_seen
    off = planner.resolve("opens", None, ["fexit"])  # the start says why it is off
    assert (off.target, off.mode) == (found.target, "tracepoint")


SEVERAL = Target(FUNCTIONS, "vfs_*, do_exit, twice")


def test_several_functions(planner: KernelPlanner) -> None:
    found = prepare(planner, "mine", ProbeSpec(target=SEVERAL), ALL)
    assert found.mode == "kretprobe"  # where do_exit has no return
    assert found.plan.hook.functions == ("vfs_read", "vfs_readv", "vfs_write")
    (sentence,) = found.not_seen
    assert sentence.startswith("2 functions that cannot be traced so: do_exit: ")
    assert "twice: " in sentence
    by_kprobe = prepare(planner, "mine", ProbeSpec(target=SEVERAL, mode="kprobe"), ALL)
    assert by_kprobe.plan.hook.functions == ("do_exit", "vfs_read", "vfs_readv", "vfs_write")


def test_several_functions_are_filtered_by_name(planner: KernelPlanner) -> None:
    spec = ProbeSpec(target=SEVERAL, where="function=vfs_r* latency>1ms")
    where = prepare(planner, "mine", spec, ALL).where
    assert where.kernel is not None
    assert where.in_service is None


def test_counting_several_functions(planner: KernelPlanner) -> None:
    counted = ProbeSpec(target=SEVERAL, aggregate=AggregateSpec(("function", "comm")))
    found = prepare(planner, "mine", counted, ALL)
    assert (found.mode, found.plan.sees_return) == ("kprobe", False)
    timed = AggregateSpec(("function",), (), HistogramSpec("latency_ns"))
    assert prepare(planner, "mine", replace(counted, aggregate=timed), ALL).mode == "kretprobe"


def test_functions_that_are_none(planner: KernelPlanner) -> None:
    error = refusal(planner, target=Target(FUNCTIONS, "vfs_reed"))
    assert (error.status, error.code) == (422, "invalid")
    assert [each["field"] for each in error.extra["errors"]] == ["functions"]
    assert error.extra["errors"][0]["near"][0] == "vfs_read"


def test_without_kprobes_there_is_no_alternative(planner: KernelPlanner) -> None:
    prepared = prepare(planner, "mine", ProbeSpec(target=SEVERAL), ["tracepoint"])
    assert prepared.mode == "kretprobe"  # which is refused at the start, with the reason
    error = ProbedeckError(501, "unavailable", "not here", reason="why")
    add_alternatives(error, planner, ProbeSpec(target=SEVERAL), ALL, "kretprobe")
    assert (error.extra["alternatives"], error.extra["instead"]) == ([], [])
