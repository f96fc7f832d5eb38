# SPDX-License-Identifier: Apache-2.0
"""Probes as JSON."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

from app.columns.plan import Hook
from app.hub import Hub
from app.kernel.availability import Availability
from app.probes.describe import describe_probe, describe_service
from app.probes.drops import NO_DROPS
from app.probes.kernel_check import KernelAnswer
from app.probes.modes import MODES
from app.probes.probe import Probe
from app.probes.spec import Filter, ProbeSpec
from app.web.api.responses import ProbesSchema

KERNEL = KernelAnswer("6.1", "x86_64", "lab", {name: Availability(True, "f") for name in MODES})
BLIND = {"since": "2026-01-01T00:00:00.000000Z", "reason": "why", "hint": "what"}


def running() -> tuple[Probe, Any]:
    """A probe with a fake run, which has reported something of everything."""
    run = SimpleNamespace(
        function="g",
        attached=True,
        end=None,
        filter=None,
        where=None,
        blind=BLIND,
        drops={"ring_full": 3},
        cost={"calls": 2, "ns_per_call": 800.0},
    )
    probe = Probe(MODES["fexit"])
    with probe.changed:
        probe.start(run, ProbeSpec(Filter(uid=1), 5.0, True))  # type: ignore[arg-type]
    return probe, run


def test_the_whole_is_what_is_declared() -> None:
    hub = Hub(1 << 20, 1 << 20)
    probe, _ = running()
    with hub.subscribe(kind="test", peer="-", probes=None, recent=False):
        described = [
            describe_probe(probe, KERNEL, hub),
            describe_probe(Probe(MODES["kprobe"]), KERNEL, hub),
        ]
    answer = describe_service(described, KERNEL)
    assert ProbesSchema(unknown="raise").validate(answer) == {}


def test_what_a_run_has_reported() -> None:
    hub = Hub(1 << 20, 1 << 20)
    probe, run = running()
    described = describe_probe(probe, KERNEL, hub)
    assert (described["state"], described["function"], described["blind"]) == (
        "starting",
        "g",
        None,
    )
    assert described["drops"] == {**NO_DROPS, "ring_full": 3}
    assert (described["duration_s"], described["restart"]) == (5.0, True)
    with probe.changed:
        probe.follow_run()
    assert describe_probe(probe, KERNEL, hub)["blind"] == BLIND
    run.function = None
    assert describe_probe(probe, KERNEL, hub)["function"] == "f"


def test_what_the_kernel_does_not_let_it_see() -> None:
    """Of the preset with programs of its own; of another one, what that says."""
    kernel = replace(KERNEL, not_seen={"fexit": ["Some."], "kprobe": ["Others."]})
    probe = Probe(MODES["fexit"])
    assert describe_probe(probe, kernel, Hub(1, 1))["not_seen"] == ["Some."]
    probe.plan = replace(probe.plan, hook=Hook("function", "vfs_read"))
    assert describe_probe(probe, kernel, Hub(1, 1))["not_seen"] == []
    probe.not_seen = ("Others by this preset.",)
    assert describe_probe(probe, kernel, Hub(1, 1))["not_seen"] == ["Others by this preset."]
