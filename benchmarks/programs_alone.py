# SPDX-License-Identifier: Apache-2.0
"""Runs inside the virtual machine: python -m benchmarks.programs_alone PROGRAM OUTPUT CALLS CACHE.

What BPF programs add to a call by themselves: there is no service and no reader, and the kernel
does not measure their time. The machine's clock advances one nanosecond per instruction.
"""

from __future__ import annotations

import json
import sys
import tempfile
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from app.btf.format import Kind
from app.btf.reader import Btf
from app.btf.type_paths import Paths
from app.columns import planner, trace_target
from app.columns.aggregate import AggregateSpec, HistogramSpec
from app.columns.aggregate_plan import with_aggregate
from app.columns.plan import MULTI, SESSION, SINGLE, Plan
from app.filters.kernel_filter import KernelFilter
from app.kernel.bcc_headers import BTF_PATH
from app.presets.deletions.hooks import FUNCTIONS
from app.presets.deletions.offsets import offsets
from app.presets.deletions.own_plan import own_plan
from app.presets.deletions.programs import Programs
from app.presets.preset import DEFAULT_PRESET
from app.probes.spec import Filter
from app.tracer.object_cache import get_template
from app.tracer.plan_programs import PlanPrograms
from app.tracer.several_functions import with_way
from benchmarks.workload import Load, Workload

RING_BYTES = 8 << 20  # holds all records, as nobody reads them
NAME = "str(file->f_path.dentry->d_name.name) as name"


@dataclass(frozen=True)
class Case:
    """A plan by what the loop calls. `columns` are of `vfs_read`; None are the default ones.

    With a `way`, `vfs_read` is one of several functions that are attached so.
    """

    title: str
    mode: str
    call: str
    columns: tuple[str, ...] | None = None
    aggregate: AggregateSpec | None = None
    way: str | None = None


SEVERAL = ("vfs_read", "vfs_write", "vfs_statx")
BY_FUNCTION = AggregateSpec(("function",))
LATENCY_BY_FUNCTION = AggregateSpec(("function",), (), HistogramSpec("latency_ns"))

CASES = (
    Case("deletions, `fentry`", "fentry", "unlinkat"),
    Case("deletions, `fexit`", "fexit", "unlinkat"),
    Case("`vfs_read`, `fexit`: `count`, `ret`", "fexit", "pread", ("count", "ret")),
    Case("the same with the file's name", "fexit", "pread", (NAME, "count", "ret")),
    Case("the same with `path(file)`", "fexit", "pread", ("path(file)", "count", "ret")),
    Case("`vfs_read`, `fentry`, calls by `comm`", "fentry", "pread", (), AggregateSpec(("comm",))),
    Case("`vfs_read`, `fentry`, calls by `pid`", "fentry", "pread", (), AggregateSpec(("pid",))),
    Case("`vfs_read`, `fentry`, calls", "fentry", "pread", (), AggregateSpec()),
    Case("`vfs_read`, `kprobe`, calls by `comm`", "kprobe", "pread", (), AggregateSpec(("comm",))),
    Case("`vfs_read`, `fexit`, calls by `comm`", "fexit", "pread", (), AggregateSpec(("comm",))),
    Case(
        "`vfs_read`, `fexit`, latency by `comm`",
        "fexit",
        "pread",
        (),
        AggregateSpec(("comm",), (), HistogramSpec("latency_ns")),
    ),
    *(
        Case(f"calls by `function`, `{way}`", "kprobe", "pread", (), BY_FUNCTION, way)
        for way in (MULTI, SINGLE)
    ),
    *(
        Case(f"latency by `function`, `{way}`", "kretprobe", "pread", (), LATENCY_BY_FUNCTION, way)
        for way in (SESSION, MULTI, SINGLE)
    ),
)


def plan_of(case: Case, btf: Btf) -> Plan:
    """Return the case's plan for the running kernel."""
    if case.columns is None:
        paths = Paths(btf)
        return own_plan(
            DEFAULT_PRESET,
            case.mode,
            None,
            lambda wants_path: offsets(paths, case.mode, wants_path=wants_path),
        )
    if case.way is None:
        number = btf.find(Kind.FUNC, "vfs_read")
        assert number is not None
        target = trace_target.Target("function", "vfs_read", function_id=number)
        plan = planner.plan(btf, target, case.mode, case.columns)
    else:
        target = trace_target.Target("functions", "vfs_*", functions=SEVERAL)
        plan = with_way(planner.plan(btf, target, case.mode, ("function",)), case.way)
    return plan if case.aggregate is None else with_aggregate(plan, case.aggregate)


def programs_of(
    plan: Plan, btf: Btf, cache: Path
) -> AbstractContextManager[Programs] | AbstractContextManager[PlanPrograms]:
    """Return the plan's programs, attached."""
    template = get_template(plan.template, BTF_PATH, cache)
    if plan.has_own_programs:
        function = next(name for name in FUNCTIONS if btf.find(Kind.FUNC, name))
        return Programs(plan, function, template, RING_BYTES, KernelFilter())
    return PlanPrograms(plan, template, RING_BYTES, KernelFilter())


def measure(program: Path, folder: Path, cache: Path, calls: int) -> dict[str, float]:
    """Return the instructions that each case adds to a call. Raises RuntimeError for a loss."""
    btf = Btf.load(BTF_PATH)
    found = {}
    with Workload(program, folder) as workload:
        for case in CASES:
            load = Load(calls, call=case.call)
            workload.loop(load)
            untraced = workload.loop(load).cpu_ns_per_call
            with programs_of(plan_of(case, btf), btf, cache) as programs:
                programs.set_filter(Filter(pid=workload.pid))
                traced = workload.loop(load).cpu_ns_per_call
                if lost := {kind: count for kind, count in programs.drops().items() if count}:
                    raise RuntimeError(f"{case.title}: rows were lost: {lost}")
            found[case.title] = traced - untraced
            print(f"{case.title}: {found[case.title]:,.0f}", flush=True)
    return found


def main() -> None:
    program, output, calls, cache = sys.argv[1:]
    with tempfile.TemporaryDirectory(prefix="pd-bench-", dir="/dev/shm") as place:
        found = measure(Path(program), Path(place), Path(cache), int(calls))
    Path(output).write_text(json.dumps(found))


if __name__ == "__main__":
    main()
