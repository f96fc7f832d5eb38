# SPDX-License-Identifier: Apache-2.0
"""What is measured on this machine's own kernel."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from benchmarks import bpftrace, ours, printk
from benchmarks.comparison import JSON, OURS, PRINTK, TEXT, UNTRACED
from benchmarks.results import Run
from benchmarks.workload import Load, Workload
from tests.support.service import Service, running_service
from tests.support.waiting import wait_until

Kind = TypeVar("Kind", bound=Workload)


@dataclass(frozen=True)
class Bench:
    """What all measurements share: the compiled workload, a folder in memory, a cache."""

    program: Path
    folder: Path
    cache: Path

    def workload(self) -> Workload:
        """A new traced process, in an empty folder; a context manager."""
        return self.workload_of(Workload)

    def workload_of(self, kind: type[Kind]) -> Kind:
        """As `workload`, of this class."""
        empty = self.folder / "empty"
        empty.mkdir(exist_ok=True)
        return kind(self.program, empty)


def tracers(
    bench: Bench, service: Service, viewers: ours.Viewers, mode: str, function: str, load: Load
) -> dict[str, Callable[[Workload], Run]]:
    """Every tracer of a mode by its name: called, it traces one loop of a waiting workload."""
    return {
        UNTRACED: lambda it: Run(it.loop(load)),
        OURS: lambda it: ours.run(service, viewers, it, load, (mode,)),
        TEXT: lambda it: bpftrace.run("text", mode, function, it, load),
        JSON: lambda it: bpftrace.run("json", mode, function, it, load),
        PRINTK: lambda it: printk.run(mode, function, bench.cache, it, load),
    }


def modes(service: Service) -> dict[str, str]:
    """The modes that this kernel allows, and the function of each."""
    return {
        name: str(probe["function"])
        for name, probe in service.probes().items()
        if probe["available"]
    }


@contextmanager
def prepared(bench: Bench) -> Iterator[Service]:
    """A service that answers and has nothing more to prepare, in folders of its own."""
    folder = bench.folder / "service"
    folder.mkdir(exist_ok=True)
    with running_service(folder, bench.cache, *ours.OPTIONS) as service:
        wait_until(lambda: ours.compiled_ahead(service, bench.cache), "programs to be compiled")
        yield service
