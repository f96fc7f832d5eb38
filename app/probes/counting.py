# SPDX-License-Identifier: Apache-2.0
"""Plans that count calls: which columns they need, and errors by what the caller wrote."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from app.columns.aggregate import AggregateSpec
from app.columns.aggregate_plan import with_aggregate
from app.columns.expression import ExpressionError, parse
from app.columns.plan import Plan
from app.errors import ProbedeckError
from app.presets.deletions.columns import PATH_COLUMN

MakePlan = Callable[[tuple[str, ...] | None], Plan]

_WORD = re.compile(r"[A-Za-z_][\w.]*")


def plan_counted(
    make: MakePlan,
    wanted: AggregateSpec,
    *,
    preset_columns: tuple[str, ...] | None = None,
    where: str | None = None,
) -> Plan:
    """Return the plan that counts what is wanted; `make` returns that of columns.

    It reads the columns that are counted or that `where` names, which may be those of a preset, by
    their names there. Raises ProbedeckError as `make` does, with the fields of `aggregate`.
    """
    if preset_columns is None:
        default = make(None)
        if default.has_own_programs:  # which read all columns but one in any case
            return with_aggregate(_with_path(make, default, wanted), wanted)
    named = _by_name(preset_columns or ())
    asked = wanted.columns()
    columns = [named.get(text, text) for text in asked]
    words = set(_WORD.findall(where or "")) - set(asked)
    if preset_columns is None:
        named = {each.column.name: each.column.name for each in default.outputs}
    columns += [named[word] for word in sorted(words) if word in named]
    try:
        plan = make(tuple(dict.fromkeys(columns)))
    except ProbedeckError as error:
        raise _about(error, wanted, asked) from None
    return with_aggregate(plan, wanted)


def _with_path(make: MakePlan, default: Plan, wanted: AggregateSpec) -> Plan:
    if PATH_COLUMN not in wanted.columns():
        return default
    names = [each.column.name for each in default.outputs if each.decoder != "head"]
    return make((*names, PATH_COLUMN))


def _by_name(columns: tuple[str, ...]) -> Mapping[str, str]:
    """Return the expression of each column of a preset, by its name."""
    found = {}
    for text in columns:
        try:
            expression = parse(text)
        except ExpressionError:
            continue  # the planner refuses it
        found[expression.alias or expression.name] = text
    return found


def _about(error: ProbedeckError, wanted: AggregateSpec, asked: tuple[str, ...]) -> ProbedeckError:
    """Return an error about columns as one about the parts of an aggregate."""
    fields: dict[str, str] = {}
    if wanted.histogram is not None:
        fields[wanted.histogram.of] = "aggregate.histogram"
    fields |= {text: f"aggregate.{kind}" for kind, text in wanted.measures}
    fields |= {text: f"aggregate.by.{place}" for place, text in enumerate(wanted.by)}
    faults: list[dict[str, Any]] = []
    for fault in error.extra.get("errors", ()):
        place = fault["field"].removeprefix("columns.")
        is_asked = place.isdigit() and int(place) < len(asked)
        faults.append({**fault, "field": fields[asked[int(place)]]} if is_asked else fault)
    if not faults:
        return error
    detail = " ".join(f"{each['field']}: {each['message']}" for each in faults)
    return ProbedeckError(error.status, error.code, detail, **{**error.extra, "errors": faults})
