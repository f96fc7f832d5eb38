# SPDX-License-Identifier: Apache-2.0
"""Probes as JSON: pure views of what the parts of the service know."""

from __future__ import annotations

from app.columns.names import tables_as_json
from app.hub import Hub
from app.probes.drops import NO_DROPS
from app.probes.json_shapes import KernelJson, ProbeJson, ProbesJson
from app.probes.kernel_check import KernelAnswer
from app.probes.not_seen import not_seen
from app.probes.probe import Probe, State

# Members that move all the time: a new value alone is no change of state.
MOVING = ("counters", "drops", "cost", "clients")


def describe_probe(probe: Probe, kernel: KernelAnswer, hub: Hub) -> ProbeJson:
    """Return everything known of one probe (docs/protocol.md, "A probe"). Needs its lock."""
    name, run, spec = probe.mode.name, probe.run, probe.spec
    answer = kernel.modes[name]
    return {
        "id": name,
        "mode": name,
        "function": (run.function if run else None) or answer.function,
        "state": probe.state.value,
        "available": answer.available,
        "reason": answer.reason,
        "hint": answer.hint,
        "filter": spec.filter.as_json(),
        "duration_s": spec.duration_s,
        "restart": spec.restart,
        "restarts": probe.restarts.count,
        "started_at": probe.started_at,
        "ended": probe.ended,
        "blind": run.blind if run and probe.state is State.RUNNING else None,
        "not_seen": not_seen(name, kernel.rename_function is not None),
        "changed_by": probe.changed_by,
        "columns": [column.as_json() for column in probe.mode.columns],
        "counters": hub.counters(name),
        "drops": {**NO_DROPS, **(run.drops if run else {})},
        "cost": run.cost if run else None,
        "clients": hub.clients(name),
    }


def describe_service(probes: list[ProbeJson], kernel: KernelAnswer) -> ProbesJson:
    """Return the answer of `GET /probes`."""
    return {"probes": probes, "kernel": describe_kernel(kernel), "names": tables_as_json()}


def describe_kernel(kernel: KernelAnswer) -> KernelJson:
    """Return which kernel is traced."""
    return {
        "release": kernel.release,
        "machine": kernel.machine,
        "hostname": kernel.hostname,
    }
