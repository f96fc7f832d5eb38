"""What is measured on this machine's own kernel."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.bench import bpftrace, ours, printk
from tests.bench.comparison import JSON, OURS, PRINTK, TEXT, UNTRACED
from tests.bench.results import Run
from tests.bench.workload import Load, Workload
from tests.support.service import Service


@dataclass(frozen=True)
class Bench:
    """What all measurements share: the compiled workload, a folder in memory, a cache."""

    program: Path
    folder: Path
    cache: Path

    @contextmanager
    def workload(self) -> Iterator[Workload]:
        """A new traced process, in an empty folder."""
        empty = self.folder / "empty"
        empty.mkdir(exist_ok=True)
        with Workload(self.program, empty) as workload:
            yield workload


def tracers(
    bench: Bench, service: Service, viewers: ours.Viewers, mode: str, function: str, load: Load
) -> dict[str, Callable[[], Run]]:
    """Every tracer of a mode by its name: called, it traces one loop of a new process."""

    def untraced() -> Run:
        with bench.workload() as workload:
            return Run(workload.loop(load))

    def probedeck() -> Run:
        with bench.workload() as workload:
            return ours.run(service, viewers, workload, load, [mode])

    def with_bpftrace(form: str) -> Run:
        with bench.workload() as workload:
            return bpftrace.run(form, mode, function, workload, load)

    def with_printk() -> Run:
        with bench.workload() as workload:
            return printk.run(mode, function, bench.cache, workload, load)

    return {
        UNTRACED: untraced,
        OURS: probedeck,
        TEXT: lambda: with_bpftrace("text"),
        JSON: lambda: with_bpftrace("json"),
        PRINTK: with_printk,
    }


def modes(service: Service) -> dict[str, str]:
    """The modes that this kernel allows, and the function of each."""
    return {
        name: str(probe["function"])
        for name, probe in service.probes().items()
        if probe["available"]
    }


@contextmanager
def prepared(bench: Bench, clients: int = 1) -> Iterator[tuple[Service, ours.Viewers]]:
    """A service with viewers, in folders of its own."""
    with ExitStack() as stack:
        folder = bench.folder / "service"
        folder.mkdir(exist_ok=True)
        yield stack.enter_context(ours.service_with_viewers(folder, bench.cache, clients))
