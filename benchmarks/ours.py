# SPDX-License-Identifier: Apache-2.0
"""Running Probedeck: the real service, and websocket clients in a process of their own."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app import ROOT
from benchmarks.processes import CpuMeter
from benchmarks.results import Run
from benchmarks.workload import Load, Workload
from tests.support import kernel
from tests.support.child import Child
from tests.support.service import Service
from tests.support.waiting import wait_until

VIEWERS = 50
# Enough for the viewers of the scale measurements, beside plain HTTP.
OPTIONS = ("--max-websockets", str(VIEWERS + 4), "--threads", str(2 * VIEWERS + 32))


@dataclass(frozen=True)
class Count:
    """What the slowest client has received. `bytes_` is on the wire."""

    rows: int
    lost: int
    bytes_: int
    frames: int


class Viewers(Child):
    """Websocket clients of the service (benchmarks/reader.py). A context manager."""

    def __init__(self, port: int, clients: int = 1, keep: bool = False) -> None:
        self._port, self._others = port, kernel.open_connections(port)
        argv = [sys.executable, "-m", "benchmarks.reader", str(port), str(clients)]
        super().__init__(argv + ["--keep"] * keep, ROOT)
        self.answer()  # the empty one that says all clients are connected

    def close(self) -> None:
        super().close()
        # The service polls once a second for clients that left, and works for them until then.
        wait_until(
            lambda: kernel.open_connections(self._port) <= self._others, "the clients to have left"
        )

    def count(self) -> Count:
        found = self.ask("count")
        return Count(found["rows"], found["lost"], found["bytes"], found["frames"])

    def save(self, path: Path) -> None:
        """Write the frames stored so far to a file, for `reader.read_kept`."""
        self.ask(f"save {path}")

    def wait_for(self, rows: int, before: Count) -> Count:
        """Wait until `rows` rows have arrived, or were reported lost, since `before`."""

        def counted() -> Count | None:
            now = self.count()
            arrived = now.rows - before.rows + now.lost - before.lost
            return now if arrived >= rows else None

        found = wait_until(counted, f"{rows} rows at the websocket")
        assert found
        return found


def role(service: Service, pid: int) -> str:
    """Return the role of one of the service's processes."""
    if pid == service.process.pid:
        return "arbiter"
    if pid == service.worker().pid:
        return "worker"
    name = Path(f"/proc/{pid}/comm").read_text().strip()
    return "waiting tracer" if name == "pd:waiting" else "tracer"


def start(service: Service, probe: str, **spec: Any) -> int:
    """Start a probe; return the nanoseconds from the request until it was attached."""
    wait_until(lambda: any_waiting(service), "the process that forks tracers")
    begin_ns = time.monotonic_ns()
    service.start(probe, **spec)
    return time.monotonic_ns() - begin_ns


def any_waiting(service: Service) -> bool:
    """Return whether the process that forks tracers has loaded their modules."""
    # unix_stream_read_generic; unix_stream_data_wait on older kernels
    return any(
        name == "pd:waiting" and "unix_stream" in waits_in
        for name, waits_in in names(service).values()
    )


def is_precompiled(service: Service, cache: Path) -> bool:
    """Return whether the programs of all available modes are compiled, and no compiler runs."""
    modes = [name for name, probe in service.probes().items() if probe["available"]]
    kept = all(any(cache.glob(f"object-{mode}-*")) for mode in modes)
    return kept and not any(name == "pd:compile" for name, _ in names(service).values())


def names(service: Service) -> dict[int, tuple[str, str]]:
    """Return name and wait channel (/proc/PID/wchan) of each of the service's processes."""
    found = {}
    for process in service.processes():
        place = Path(f"/proc/{process.pid}")
        try:
            found[process.pid] = (
                (place / "comm").read_text().strip(),
                (place / "wchan").read_text(),
            )
        except (FileNotFoundError, ProcessLookupError):
            pass  # it has ended
    return found


def run(
    service: Service,
    viewers: Viewers,
    workload: Workload,
    load: Load,
    modes: Sequence[str],
    bodies: Mapping[str, Mapping[str, Any]] | None = None,
    **spec: Any,
) -> Run:
    """Trace one loop with all of `modes` at once, filtered by the workload's pid.

    `bodies` has what is traced by each of `modes`, which are then names of probes; otherwise they
    trace deletions. `spec` may add a `comm` to the filter, which then passes `load.passing` calls.
    Waits until every row has arrived or was reported lost; CPU time is that of all processes of the
    service.
    """
    wanted = {"pid": workload.pid, **spec}
    start_ns = sum(
        start(service, mode, filter=wanted, **(bodies or {}).get(mode, {})) for mode in modes
    )
    try:
        before = viewers.count()
        meter = CpuMeter(process.pid for process in service.processes())
        client = CpuMeter([viewers.pid])
        took = workload.loop(load)
        expected = (load.passing if spec else load.total) * len(modes)
        after = viewers.wait_for(expected, before)
        used, client_ns = meter.used_ns(), client.total_ns()
        reader_user_ns = meter.total_user_ns()
        parts: dict[str, int] = {}
        for pid, ns in used.items():
            name = role(service, pid)
            parts[name] = parts.get(name, 0) + ns
    finally:
        ended = [service.stop(mode)["counters"] for mode in modes]
    lost = sum(one["dropped_kernel"] + one["dropped_pipe"] for one in ended)
    return Run(
        took,
        rows=after.rows - before.rows,
        lost=max(lost, after.lost - before.lost),
        reader_ns=sum(used.values()),
        reader_user_ns=reader_user_ns,
        client_ns=client_ns,
        bytes_=after.bytes_ - before.bytes_,
        start_ns=start_ns,
        parts_ns=parts,
    )
