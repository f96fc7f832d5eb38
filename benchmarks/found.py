# SPDX-License-Identifier: Apache-2.0
"""The results of one run of the benchmark; parts that did not run are empty."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from app.linux.bpf import prog_ids
from benchmarks.comparison import Summary
from benchmarks.delays import Delays
from benchmarks.figures import Spread
from benchmarks.footprint import Footprint
from benchmarks.guest_figures import GuestFigures
from benchmarks.run_time import Programs
from benchmarks.scale import Point


@dataclass
class Found:
    """Results by part of `./bench`; dictionaries are keyed by mode, then by tracer.

    `traced` has functions beside deletions, keyed by benchmarks.traced.Traced.title. `answers` has
    milliseconds of starts and of answers by name (benchmarks.answers). `programs` has the
    instructions that programs alone add to a call (benchmarks.programs_alone).
    """

    machine: dict[str, str]
    compare: dict[str, dict[str, Summary]] = field(default_factory=dict)
    traced: dict[str, dict[str, Summary]] = field(default_factory=dict)
    run_time: dict[str, dict[str, Programs]] = field(default_factory=dict)
    start: dict[str, Spread] = field(default_factory=dict)
    answers: dict[str, Spread] = field(default_factory=dict)
    footprint: Footprint | None = None
    idle: dict[str, float] = field(default_factory=dict)
    delays: dict[str, Delays] = field(default_factory=dict)
    scale: list[tuple[Point, Summary]] = field(default_factory=list)
    page: dict[str, Any] = field(default_factory=dict)
    programs: dict[str, float] = field(default_factory=dict)
    vm: GuestFigures | None = None

    def as_json(self) -> Mapping[str, Any]:
        """Return plain dictionaries and lists."""
        return asdict(self)


def machine() -> dict[str, str]:
    """Return the properties of this machine that ratios may depend on, or be disturbed by."""
    release = platform.freedesktop_os_release()
    return {
        "processors": str(os.cpu_count()),
        "architecture": platform.machine(),
        "kernel": ".".join(platform.release().split(".")[:2]),
        "distribution": release.get("PRETTY_NAME", "unknown"),
        "python": platform.python_version(),
        "load before": f"{os.getloadavg()[0]:.1f}",
        "BPF programs of others": str(len(prog_ids())),
    }
