# SPDX-License-Identifier: Apache-2.0
"""The service's processes have the capabilities they need, and no more."""

from __future__ import annotations

import os
from pathlib import Path

from app.linux.capabilities import KEPT
from tests.support.service import Service


def status(pid: int) -> dict[str, str]:
    """proc_pid_status(5)."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


def test_each_process_has_what_it_needs_and_can_get_no_more(
    tracing: Service, modes: tuple[str, ...]
) -> None:
    """With every mode tracing, which shows that it is enough."""
    own = int(status(os.getpid())["CapEff"], 16)
    kept = sum(1 << number for number in KEPT.values())
    tracers = {tracer.pid for tracer in tracing.tracers()}
    assert len(tracers) == len(modes)
    everyone = {process.pid for process in tracing.processes()}
    assert everyone > tracers
    for pid in everyone:
        found = status(pid)
        assert found["NoNewPrivs"] == "1"
        for name in ("CapEff", "CapPrm", "CapBnd"):
            assert int(found[name], 16) == kept & own, (found["Name"], name, found[name])
        for name in ("CapInh", "CapAmb"):
            assert int(found[name], 16) == 0
        # No thread of it is an exception.
        for task in Path(f"/proc/{pid}/task").iterdir():
            assert "\nCapEff:\t" + found["CapEff"] in (task / "status").read_text()
