# SPDX-License-Identifier: Apache-2.0
"""Processor time of making batches from records, in this process: python -m benchmarks.decoding.

Compares deletions with a function's plan of three numbers and a short text, for batches of 16,384
records as the tracer reads them.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from app.columns.column import CALLER, RESULT, Column
from app.columns.plan import ENTRY, STRING, Hook, Output, Plan, Read, Text
from app.presets.deletions.own_plan import own_plan
from app.tracer.any_records import slots
from app.tracer.decode_plan import PlanEncoder

ROWS = 16384
REPEATS = 50
NUMBERS = 3
READ = Read(ENTRY, 0)
PLAN = Plan(
    hook=Hook("function", "vfs_read"),
    mode="fexit",
    sees_return=True,
    values=(READ,) * NUMBERS,
    texts=(Text(STRING, READ),),
    outputs=(
        *[Output(column, "head") for column in CALLER],
        *[
            Output(Column(f"n{i}", "uint64", "Number", "A number"), "number", (i,))
            for i in range(NUMBERS)
        ],
        Output(Column("name", "text", "Name", "A name"), "text", (), (0,)),
        *[Output(column, "head") for column in RESULT],
    ),
    kernel_offsets={},
)


def records(plan: Plan, sizes: Any, entries: Any) -> np.ndarray[Any, Any]:
    """Return records whose text has these sizes."""
    made = np.zeros(ROWS, dtype=slots(plan)["ring_short"])
    made["entry_ns"] = entries
    made["comm"][:, :4] = made["process"][:, :4] = np.frombuffer(b"bash", dtype=np.uint8)
    made["texts"] = ord("x")
    made["text_size"][:, 0] = sizes
    return made


def no_offset(_: np.ndarray[Any, Any]) -> int:
    """Leave timestamps as they are."""
    return 0


def shortest_ns(encode: Callable[[], bytes]) -> tuple[float, float]:
    """Return the processor time for a row, in the fastest batch, and its bytes."""
    best, size = float("inf"), 0
    for _ in range(REPEATS):
        before = time.process_time_ns()
        size = len(encode())
        best = min(best, time.process_time_ns() - before)
    return best / ROWS, size / ROWS


def main() -> None:
    rng = np.random.default_rng(1)
    ordered = np.arange(ROWS) * 1000
    # By several CPUs at once, and in order of return: almost sorted.
    entries = {"ordered": ordered, "almost": ordered + rng.integers(0, 20_000, ROWS)}
    widths = {"12": np.full(ROWS, 12), "4 to 40": rng.integers(4, 41, ROWS)}
    print(f"{'entries':9} {'text bytes':11} {'deletions':>20} {'plan':>20}")
    for order, stamps in entries.items():
        for width, sizes in widths.items():
            figures = [
                shortest_ns(
                    partial(
                        PlanEncoder("probe", 1, plan).encode,
                        [records(plan, sizes, stamps)],
                        no_offset,
                    )
                )
                for plan in (own_plan("deletions", "fexit"), PLAN)
            ]
            shown = [f"{ns:6.0f} ns {size:6.1f} bytes" for ns, size in figures]
            print(f"{order:9} {width:11} {shown[0]:>20} {shown[1]:>20}")


if __name__ == "__main__":
    main()
