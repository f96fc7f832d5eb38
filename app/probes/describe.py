# SPDX-License-Identifier: Apache-2.0
"""Probes as JSON: pure views of what the parts of the service know."""

from __future__ import annotations

from typing import Any

from app.columns.aggregate_plan import aggregate_columns
from app.columns.column import Column
from app.columns.names import tables_as_json
from app.columns.plan import Plan
from app.hub import Hub
from app.probes.drops import NO_DROPS
from app.probes.json_shapes import KernelJson, ProbeJson, ProbesJson, TargetJson
from app.probes.kernel_check import KernelAnswer
from app.probes.probe import Probe, State
from app.probes.spec import Target

# Members that change all the time: a new value alone is not a change of state.
MOVING = ("counters", "drops", "cost", "clients")


def describe_probe(probe: Probe, kernel: KernelAnswer, hub: Hub) -> ProbeJson:
    """Return everything known of one probe (docs/protocol.md, "A probe"). Needs its lock."""
    name, run, spec, plan = probe.id, probe.run, probe.spec, probe.plan
    mode = probe.mode.name
    answer = kernel.modes[mode]
    traced = answer.function if plan.has_own_programs else plan.hook.name
    return {
        "id": name,
        "mode": mode,
        "target": None if spec.target is None else target_as_json(spec.target),
        "function": (run.function if run else None) or traced,
        "expressions": None if spec.columns is None else list(spec.columns),
        "state": probe.state.value,
        "available": answer.available,
        "reason": answer.reason,
        "hint": answer.hint,
        "filter": spec.filter.as_json(),
        "where": probe.where.text,
        "where_in_service": probe.where.in_service,
        "where_hints": [
            {"message": hint["message"], "fixes": hint["fixes"]} for hint in probe.where.hints
        ],
        "duration_s": spec.duration_s,
        "restart": spec.restart,
        "restarts": probe.restarts.count,
        "started_at": probe.started_at,
        "ended": probe.ended,
        "blind": run.blind if run and probe.state is State.RUNNING else None,
        "not_seen": list(
            kernel.not_seen.get(mode, ()) if plan.has_own_programs else probe.not_seen
        ),
        "changed_by": probe.changed_by,
        "aggregate": None if spec.aggregate is None else spec.aggregate.as_json(),
        "columns": [column.as_json() for column in _columns(plan)],
        "names": tables_of(plan),
        "counters": hub.counters(name),
        "drops": {**NO_DROPS, **(run.drops if run else {})},
        "cost": run.cost if run else None,
        "clients": hub.clients(name),
    }


def _columns(plan: Plan) -> list[Column]:
    """Return the columns of what clients are shown."""
    if plan.aggregate is not None:
        return aggregate_columns(plan, plan.aggregate)
    return [output.column for output in plan.outputs]


def target_as_json(target: Target) -> TargetJson:
    return {"kind": target.kind, "name": target.name}


def tables_of(plan: Plan) -> dict[str, list[dict[str, Any]]]:
    """Return the plan's own tables of names, by what its columns call them, as of
    app.columns.names.
    """
    return {
        output.column.names: [
            {"value": value, "name": name, "aliases": [], "meaning": ""}
            for value, name in output.names
        ]
        for output in plan.outputs
        if output.column.names is not None and output.names
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
