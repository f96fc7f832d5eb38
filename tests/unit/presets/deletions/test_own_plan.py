# SPDX-License-Identifier: Apache-2.0
"""Plans of programs that are written for one question."""

from __future__ import annotations

import json

import pytest

from app.columns.column import CALLER, RESULT
from app.columns.plan import Plan
from app.errors import ProbedeckError
from app.filters import split
from app.presets.deletions.columns import OF_CALL
from app.presets.deletions.own_plan import own_plan
from app.probes.modes import MODES

OFFSETS = {"TASK_FS": 8}


def names(plan: Plan) -> list[str]:
    return [output.column.name for output in plan.outputs]


@pytest.mark.parametrize("mode", MODES)
def test_every_set_of_columns(mode: str) -> None:
    shown = MODES[mode]
    own = [column.name for column in OF_CALL[mode]]
    for wanted in (None, (), *((name,) for name in own), tuple(reversed(own))):
        plan = own_plan("deletions", mode, wanted, lambda wants: OFFSETS if wants else {})
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


@pytest.mark.parametrize(
    ("text", "rest"),
    [
        ("pid=1 latency>1ms ret<0", None),
        ("filename=a* or comm=b", None),
        ("dfd=3 filename~*X", "filename~*X"),
        ("replaced=unknown syscall=rename uid=1", None),
        ("path=/tmp/*", "path=/tmp/*"),
    ],
)
def test_what_the_kernel_tests_of_a_filter(text: str, rest: str | None) -> None:
    plan = own_plan("deletions", "tracepoint", ("syscall", "dfd", "filename", "path", "replaced"))
    assert split(text, plan).rest == rest


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
