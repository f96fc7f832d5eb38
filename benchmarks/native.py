# SPDX-License-Identifier: Apache-2.0
"""What the measurements on this machine's own kernel share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from benchmarks import bpftrace, ours, printk
from benchmarks.comparison import JSON, OURS, PRINTK, TEXT, UNTRACED
from benchmarks.results import Run
from benchmarks.traced import Traced
from benchmarks.workload import Load, Workload
from tests.support.service import Service, running_service
from tests.support.waiting import wait_until

Kind = TypeVar("Kind", bound=Workload)


@dataclass(frozen=True)
class Bench:
    """The compiled workload, a folder on tmpfs, and the service's cache folder."""

    program: Path
    folder: Path
    cache: Path

    def workload(self) -> Workload:
        """Return a new process to trace, in an empty folder. A context manager."""
        return self.workload_of(Workload)

    def workload_of(self, kind: type[Kind]) -> Kind:
        """Return a new process as `workload` does, of this class."""
        empty = self.folder / "empty"
        empty.mkdir(exist_ok=True)
        return kind(self.program, empty)


def tracers(
    bench: Bench, service: Service, viewers: ours.Viewers, mode: str, function: str, load: Load
) -> dict[str, Callable[[Workload], Run]]:
    """Return the tracers of a mode by name; each is called with a workload and traces one loop."""
    return {
        UNTRACED: lambda it: Run(it.loop(load)),
        OURS: lambda it: ours.run(service, viewers, it, load, (mode,)),
        TEXT: lambda it: bpftrace.run("text", mode, function, it, load),
        JSON: lambda it: bpftrace.run("json", mode, function, it, load),
        PRINTK: lambda it: printk.run(mode, function, bench.cache, it, load),
    }


def tracers_of(
    service: Service, viewers: ours.Viewers, traced: Traced, load: Load
) -> dict[str, Callable[[Workload], Run]]:
    """Return the tracers of any function by name, as `tracers` does."""
    names = (traced.probe,)
    bodies = {traced.probe: traced.body}
    its = replace(load, call=traced.call)
    return {
        UNTRACED: lambda it: Run(it.loop(its)),
        OURS: lambda it: ours.run(service, viewers, it, its, names, bodies),
        TEXT: lambda it: bpftrace.run_script("text", traced.script(f"pid == {it.pid}"), it, its),
    }


def modes(service: Service) -> dict[str, str]:
    """Return the modes that this kernel allows, and the traced function of each."""
    return {
        name: str(probe["function"])
        for name, probe in service.probes().items()
        if probe["available"]
    }


@contextmanager
def prepared(bench: Bench) -> Iterator[Service]:
    """Run a service in folders of its own; yield it once it has finished precompiling."""
    folder = bench.folder / "service"
    folder.mkdir(exist_ok=True)
    with running_service(folder, bench.cache, *ours.OPTIONS) as service:
        wait_until(lambda: ours.is_precompiled(service, bench.cache), "programs to be compiled")
        yield service
