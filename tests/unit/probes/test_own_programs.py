# SPDX-License-Identifier: Apache-2.0
"""Plans of programs that are written for one question."""

from __future__ import annotations

import json

import pytest

from app.columns.column import CALLER, RESULT
from app.columns.plan import Plan
from app.errors import ProbedeckError
from app.filters import split
from app.probes.modes import MODES
from app.probes.own_programs import own_plan

OFFSETS = {"TASK_FS": 8}


def names(plan: Plan) -> list[str]:
    return [output.column.name for output in plan.outputs]


@pytest.mark.parametrize("mode", MODES)
def test_every_set_of_columns(mode: str) -> None:
    shown = MODES[mode]
    own = [column.name for column in shown.call]
    for wanted in (None, (), *((name,) for name in own), tuple(reversed(own))):
        plan = own_plan("deletions", mode, wanted, lambda: OFFSETS)
        assert (plan.mode, plan.hook.name, plan.sees_return) == (
            mode,
            "deletions",
            shown.sees_return,
        )
        assert Plan.from_json(json.loads(json.dumps(plan.as_json()))) == plan
        result = [column.name for column in RESULT] if shown.sees_return else []
        of_call = names(plan)[len(CALLER) : len(names(plan)) - len(result)]
        chosen = [name for name in own if name != "path"] if wanted is None else own
        assert of_call == [name for name in chosen if wanted is None or name in wanted]
        assert plan.kernel_offsets == (OFFSETS if "path" in of_call else {})


@pytest.mark.parametrize("text", ["pid=1", "latency>1ms", "filename=a* or comm=b", "ret<0 uid=1"])
def test_a_filter_of_columns_runs_in_the_service(text: str) -> None:
    found = split(text, own_plan("deletions", "fexit"))
    assert found.kernel is None
    assert found.rest is not None


@pytest.mark.parametrize(
    ("columns", "field", "message"),
    [
        (("dfd", "filname"), "columns.1", "Did you mean filename?"),
        (("syscall",), "columns.0", "in mode fexit"),
        (("time",), "columns.0", "Known: "),
        (("dfd", "dfd"), "columns", "twice"),
    ],
)
def test_columns_that_there_are_not(columns: tuple[str, ...], field: str, message: str) -> None:
    with pytest.raises(ProbedeckError, match=message) as caught:
        own_plan("deletions", "fexit", columns)
    assert [each["field"] for each in caught.value.extra["errors"]] == [field]
