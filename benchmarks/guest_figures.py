# SPDX-License-Identifier: Apache-2.0
"""What was measured in the virtual machine, in instructions. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from benchmarks.comparison import UNTRACED


@dataclass(frozen=True)
class Cost:
    """Instructions per call, of one tracer in one mode.

    `loop` counts the loop's own thread, `elapsed` everything until the loop ended, `programs` the
    BPF programs (in a run of its own, including the kernel's measuring). `rows` and `lost` are
    percentages of calls.
    """

    loop: float
    elapsed: float
    reader: float
    programs: float
    rows: float
    lost: float


@dataclass(frozen=True)
class GuestFigures:
    """Costs by mode, then by tracer; for a tracer that failed, `failed` has the reason.

    `together` has Probedeck with several probes at once, keyed by their names joined by spaces.
    """

    release: str
    calls: int
    costs: dict[str, dict[str, Cost]]
    failed: dict[str, str]
    together: dict[str, Cost]

    def added(self, mode: str, tracer: str) -> float:
        """Return the instructions that a tracer adds to a call of the traced thread."""
        return self.costs[mode][tracer].loop - self.costs[mode][UNTRACED].loop

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, members: Mapping[str, Any]) -> GuestFigures:
        """Return the figures that `as_json` returned."""
        costs = {
            mode: {name: Cost(**cost) for name, cost in by_tracer.items()}
            for mode, by_tracer in members["costs"].items()
        }
        together = {names: Cost(**cost) for names, cost in members["together"].items()}
        return cls(members["release"], members["calls"], costs, dict(members["failed"]), together)
