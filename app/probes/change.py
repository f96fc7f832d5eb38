# SPDX-License-Identifier: Apache-2.0
"""A change of a running probe: what a caller asks for, and the requests to its tracer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from app.columns.plan import FUNCTIONS, Plan
from app.errors import ProbedeckError, invalid
from app.presets.deletions.columns import PATH_COLUMN
from app.probes.planning import Columns, Planner, compiled, replan
from app.probes.probe import Probe, check_filter
from app.probes.run import TracerRun
from app.probes.spec import Filter, ProbeSpec, Where


@dataclass(frozen=True)
class Planned:
    """Columns that are wanted: expressions as in `ProbeSpec`, and their plan."""

    expressions: tuple[str, ...] | None
    plan: Plan


@dataclass(frozen=True)
class Change:
    """What is asked of the tracer; None is not. `columns` come with both filters."""

    columns: Columns | None = None
    where: Where | None = None
    filter: Filter | None = None

    def send(self, run: TracerRun, numbers: Iterator[int], actor: str) -> int | None:
        """Ask a run's tracer, `where` before `filter`; return the number of the last request, None
        if the tracer takes none any more."""
        number = None
        for request, wanted in (
            (run.change_columns, self.columns),
            (run.change_where, self.where),
            (run.change_filter, self.filter),
        ):
            if wanted is not None:
                number = next(numbers)
                if not request(wanted, number, actor):  # type: ignore[arg-type] # each has its own
                    return None
        return number


def plan_columns(
    planner: Planner,
    spec: ProbeSpec,
    running: Plan,
    columns: list[str] | None,
    working: list[str],
) -> Planned:
    """Plan other columns for a probe with this spec and plan. Raises ProbedeckError: 422 or 501."""
    if spec.aggregate is not None:
        raise invalid("columns", "A probe that counts calls keeps its columns; start another one.")
    if running.hook.kind == FUNCTIONS:  # a program of kprobe.session has no successor
        raise invalid("columns", "A probe of several functions keeps its columns; start another.")
    wanted = None if columns is None else tuple(columns)
    expressions, plan = replan(planner, spec, running.mode, wanted, working)
    if plan.has_own_programs:  # which stay as they are
        plan = replace(plan, kernel_offsets={**running.kernel_offsets, **plan.kernel_offsets})
    return Planned(expressions, plan)


def make_change(
    planner: Planner,
    probe: Probe,
    run: TracerRun,
    changes: Mapping[str, Any],
    planned: Planned | None,
) -> Change:
    """Return a change of a probe as it runs now; needs its lock.

    `changes` and the errors are those of `ProbeManager.change`.
    """
    # Merge into the filter that holds once the requests sent before are confirmed.
    wanted = run.wanted_filter or probe.spec.filter
    if "filter" in changes:
        wanted = wanted.merged(changes["filter"])
    plan = probe.plan if planned is None else planned.plan
    # With other columns the `where` in force stays, and is tested for these.
    text = changes.get("where", probe.spec.where)
    where = compiled(planner, text, plan) if planned or "where" in changes else None
    check_filter(plan, wanted)
    if planned is None:
        return Change(where=where, filter=wanted if "filter" in changes else None)
    _check_hook(probe, plan)
    return Change(Columns(planned.expressions, plan, where or Where(), wanted))


def _check_hook(probe: Probe, plan: Plan) -> None:
    """Raises ProbedeckError 409 for a plan of what the probe's programs do not read."""
    if probe.plan.hook != plan.hook or probe.mode.name != plan.mode:
        why = "traces something else than when these columns were planned"
    elif plan.has_own_programs and plan.kernel_offsets != probe.plan.kernel_offsets:
        why = f"runs programs that do not read the column {PATH_COLUMN}"
    else:
        return
    raise ProbedeckError(
        409,
        "running_differently",
        f"{probe.id} {why}: stop it and start it again",
        running=probe.spec.as_json(),
    )
