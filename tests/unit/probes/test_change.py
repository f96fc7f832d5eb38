# SPDX-License-Identifier: Apache-2.0
"""What a change asks of a tracer, and in which order. The planner and the tracer are fakes."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from app.errors import ProbedeckError
from app.probes.change import Change, make_change, plan_columns
from app.probes.modes import MODES
from app.probes.planning import Columns, prepare
from app.probes.probe import Probe
from app.probes.spec import FUNCTION, Filter, ProbeSpec, Target, Where
from tests.support.fake_planner import FakePlanner

READ = Target(FUNCTION, "vfs_read")
ALL = ["fexit", "kprobe"]


class FakeRun:
    """A fake of app.probes.run.TracerRun, whose tracer takes so many requests."""

    def __init__(self, takes: int = 9) -> None:
        self.takes, self.sent = takes, []  # type: ignore[var-annotated]
        self.wanted_filter: Filter | None = None

    def _request(self, wanted: Any, number: int, actor: str) -> bool:
        self.sent.append((type(wanted), number, actor))
        return len(self.sent) <= self.takes

    change_columns = change_where = change_filter = _request


def probe_of(spec: ProbeSpec, name: str = "reads") -> Probe:
    prepared = prepare(FakePlanner(), name, spec, ALL)
    probe = Probe(MODES[prepared.mode], name)
    probe.prepare(prepared)
    return probe


def made(probe: Probe, changes: dict[str, Any], run: FakeRun | None = None) -> Change:
    planner, planned = FakePlanner(), None
    if "columns" in changes:
        planned = plan_columns(planner, probe.spec, probe.plan, changes["columns"], ALL)
    return make_change(planner, probe, run or FakeRun(), changes, planned)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changes", "sent"),
    [
        ({"filter": {"pid": 7}}, [Filter]),
        ({"where": "count>1"}, [Where]),
        ({"where": None, "filter": None}, [Where, Filter]),
        ({"columns": ["pos"]}, [Columns]),
        ({"columns": None, "where": "pos>1", "filter": {"uid": 1}}, [Columns]),
    ],
)
def test_what_is_sent(changes: dict[str, Any], sent: list[type]) -> None:
    probe, run = probe_of(ProbeSpec(target=READ, columns=("count",))), FakeRun()
    numbers = itertools.count(5)
    last = made(probe, changes).send(run, numbers, "eve")  # type: ignore[arg-type]
    assert run.sent == [(kind, 5 + place, "eve") for place, kind in enumerate(sent)]
    assert last == 4 + len(sent)


@pytest.mark.parametrize("takes", [0, 1])
def test_a_tracer_that_is_gone_is_asked_no_further(takes: int) -> None:
    probe, run = probe_of(ProbeSpec(target=READ)), FakeRun(takes)
    change = made(probe, {"where": "count>1", "filter": {"pid": 7}})
    assert change.send(run, itertools.count(1), "eve") is None  # type: ignore[arg-type]
    assert len(run.sent) == takes + 1


def test_a_filter_is_merged_into_the_one_asked_for_last() -> None:
    probe, run = probe_of(ProbeSpec(Filter(uid=1), target=READ)), FakeRun()
    assert made(probe, {"filter": {"pid": 7}}).filter == Filter(pid=7, uid=1)
    run.wanted_filter = Filter(comm="rm")
    assert made(probe, {"filter": {"pid": 7}}, run).filter == Filter(pid=7, comm="rm")


def test_other_columns_come_with_both_filters() -> None:
    probe = probe_of(ProbeSpec(Filter(uid=1), target=READ, columns=("count",), where="count>1"))
    columns = made(probe, {"columns": ["pos"]}).columns
    assert columns is not None
    assert (columns.expressions, columns.where.text, columns.filter) == (
        ("pos",),
        "count>1",
        Filter(uid=1),
    )


@pytest.mark.parametrize(
    ("changes", "status", "code"),
    [
        ({"columns": ["+"]}, 422, "invalid"),
        ({"where": "!"}, 422, "invalid"),
        ({"columns": ["path"]}, 409, "running_differently"),
    ],
)
def test_what_is_refused(changes: dict[str, Any], status: int, code: str) -> None:
    probe = probe_of(ProbeSpec(), "fexit")
    with pytest.raises(ProbedeckError) as caught:
        made(probe, changes)
    assert (caught.value.status, caught.value.code) == (status, code)
