# SPDX-License-Identifier: Apache-2.0
"""What the virtual machine measured, in instructions of its processor. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from benchmarks.comparison import UNTRACED


@dataclass(frozen=True)
class Cost:
    """Of one tracer in one mode, each for one call, in instructions: of the loop's own thread,
    of everything until the loop ended, of the reader, and inside BPF programs (in a run of its own,
    whose measuring is part of it). `rows` and `lost` are percent of calls."""

    loop: float
    elapsed: float
    reader: float
    programs: float
    rows: float
    lost: float


@dataclass(frozen=True)
class GuestFigures:
    """By mode, then by tracer; a tracer that failed there has a reason in `failed` instead.
    `together` is ours with several probes at once, by their names joined by spaces."""

    release: str
    calls: int
    costs: dict[str, dict[str, Cost]]
    failed: dict[str, str]
    together: dict[str, Cost]

    def added(self, mode: str, tracer: str) -> float:
        """Instructions that a probe adds to a call of the traced thread."""
        return self.costs[mode][tracer].loop - self.costs[mode][UNTRACED].loop

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, members: Mapping[str, Any]) -> GuestFigures:
        """What `as_json` gave."""
        costs = {
            mode: {name: Cost(**cost) for name, cost in by_tracer.items()}
            for mode, by_tracer in members["costs"].items()
        }
        together = {names: Cost(**cost) for names, cost in members["together"].items()}
        return cls(members["release"], members["calls"], costs, dict(members["failed"]), together)
