# SPDX-License-Identifier: Apache-2.0
"""Running all tracers in turn on the same loop, round after round, and summing up."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from benchmarks.figures import Spread, ratios, spread
from benchmarks.results import Run
from benchmarks.workload import Workload

UNTRACED, OURS, TEXT, JSON, PRINTK = (
    "untraced",
    "probedeck",
    "bpftrace text",
    "bpftrace json",
    "bpf_printk",
)
ORDER = (UNTRACED, OURS, TEXT, JSON, PRINTK)


def rotated(order: Sequence[str], by: int) -> list[str]:
    """Return the order for a round: over the rounds, each tracer takes each place equally often."""
    by %= len(order)
    return [*order[by:], *order[:by]]


def measure(
    tracers: Mapping[str, Callable[[Workload], Run]],
    new_workload: Callable[[], Workload],
    rounds: int,
    say: Callable[[str], None],
) -> dict[str, list[Run]]:
    """Run every tracer once per round on a new process; return each one's runs, by round."""
    runs: dict[str, list[Run]] = {name: [] for name in tracers}
    for number in range(rounds):
        for name in rotated(list(tracers), number):
            with new_workload() as workload:
                one = tracers[name](workload)
            runs[name].append(one)
            say(
                f"  round {number + 1}/{rounds} {name:14} {one.took.elapsed_ns_per_call:8.0f} ns a"
                f" call, {one.rows} rows, {one.lost} lost{by_process(one)}"
            )
    return runs


def by_process(run: Run) -> str:
    """Return the CPU time per row, in µs, of each process of a tracer that has several."""
    parts = [f"{name} {ns / 1e3 / max(1, run.rows):.3f}" for name, ns in run.parts_ns.items()]
    return "".join(f", {part} µs" for part in parts)


@dataclass(frozen=True)
class Summary:
    """A tracer's figures over all rounds. Ratios are to the untraced loop of the same round.

    `slowdown` is by the wall clock, `cpu_slowdown` by the loop's own CPU time, which other
    programs on the machine disturb less. `reader_us` is the reader's CPU time, in µs, for each
    row received, as a lost row costs its reader nothing; `call_us` is the same for each call,
    `user_us` its part in user mode, `client_us` that of the websocket client. `lost` and
    `missing` are percentages of calls.
    """

    call_ns: Spread
    slowdown: Spread
    cpu_slowdown: Spread
    reader_us: Spread
    call_us: Spread
    user_us: Spread
    client_us: Spread
    lost: Spread
    missing: Spread
    row_bytes: Spread
    start_ms: Spread


def summarise(runs: Sequence[Run], untraced: Sequence[Run]) -> Summary:
    """Sum up the runs of one tracer; `untraced` has the runs of the same rounds."""

    def per_call(value: Callable[[Run], float], scale: float = 1.0) -> Spread:
        return spread([scale * value(run) / run.took.calls for run in runs])

    def slowdown(value: Callable[[Run], float]) -> Spread:
        return spread(ratios([value(run) for run in runs], [value(run) for run in untraced]))

    return Summary(
        call_ns=spread([run.took.elapsed_ns_per_call for run in runs]),
        slowdown=slowdown(lambda run: run.took.elapsed_ns_per_call),
        cpu_slowdown=slowdown(lambda run: run.took.cpu_ns_per_call),
        reader_us=spread([run.reader_ns / 1e3 / max(1, run.rows) for run in runs]),
        call_us=per_call(lambda run: run.reader_ns, 1e-3),
        user_us=per_call(lambda run: run.reader_user_ns, 1e-3),
        client_us=per_call(lambda run: run.client_ns, 1e-3),
        lost=per_call(lambda run: run.lost, 100),
        missing=per_call(lambda run: run.missing, 100),
        row_bytes=spread([run.bytes_ / max(1, run.rows) for run in runs]),
        start_ms=spread([run.start_ns / 1e6 for run in runs]),
    )


def summaries(runs: Mapping[str, Sequence[Run]]) -> dict[str, Summary]:
    """Return every tracer's summary by name; `runs` includes UNTRACED."""
    return {name: summarise(those, runs[UNTRACED]) for name, those in runs.items()}
