# SPDX-License-Identifier: Apache-2.0
"""A change of columns in the tracer: who is told what, and in which order."""

from __future__ import annotations

from typing import Any

import pytest

from app.columns.plan import Hook, Plan
from app.errors import ProbedeckError
from app.tracer.column_change import ColumnChange
from tests.support.waiting import wait_until

PLAN = Plan(Hook("syscall", "openat"), "tracepoint", True, (), (), (), {})
MESSAGE = {"type": "columns", "plan": PLAN.as_json(), "where": None, "filter": {}, "number": 5}


class Stage:
    """Fakes of the programs, the outbox and the drain, which note what is done with them."""

    def __init__(self) -> None:
        self.did: list[Any] = []
        self.queued_bytes = 0
        self.sets: list[Any] = [self]
        self.plan, self.slots, self.probe, self.run = PLAN, {}, "o", 1
        self.refusal: ProbedeckError | None = None
        self.in_progress, self.is_oldest_empty = 1, True
        self.change = ColumnChange(self, self, self)  # type: ignore[arg-type]

    def load(self, plan: Plan, _where: object) -> Stage:
        if self.refusal:
            raise self.refusal
        assert plan == PLAN
        return self

    def account_of(self, _set: object) -> tuple[dict[str, Any], list[int]]:
        return {}, []

    def maps(self, *_: object) -> None:
        self.did.append("maps")
        self.queued_bytes = 1

    def switch_to(self, *_: object) -> None:
        self.did.append("switch")
        self.sets.append(self)

    def retire_oldest(self) -> None:
        self.did.append("retire")
        del self.sets[0]

    def message(self, members: dict[str, Any]) -> None:
        self.did.append(members)

    def calls_in_progress(self) -> int:
        return self.in_progress

    def __getattr__(self, name: str) -> Any:
        return lambda *_: self.did.append(name)

    def steps(self) -> list[Any]:
        done, self.did = self.did, []
        return [each for each in done if each != "send"]

    def advance(self) -> None:
        self.change.advance(self)  # type: ignore[arg-type]

    def answered(self) -> bool:
        self.advance()
        return bool(self.did)


def test_the_service_has_the_maps_before_a_call_can_enter() -> None:
    stage = Stage()
    stage.change.begin(MESSAGE)
    wait_until(stage.answered, "the programs")
    stage.advance()
    assert stage.steps() == ["maps"]  # it has not read them yet
    stage.queued_bytes = 0
    stage.advance()
    answer = {"type": "filtered", "number": 5}
    assert stage.steps() == ["add", "switch", "poll", "report", answer]
    stage.advance()
    assert stage.steps() == []  # calls are in progress
    stage.in_progress, stage.is_oldest_empty = 0, False
    stage.advance()
    assert stage.steps() == ["cut_oldest"]
    stage.is_oldest_empty = True
    stage.advance()
    assert stage.steps() == ["remove_oldest", "retire", "report", {"type": "retired"}]


def test_a_refusal_changes_nothing() -> None:
    stage = Stage()
    stage.refusal = ProbedeckError(502, "tracer_failed", "no memory")
    stage.change.begin(MESSAGE)
    with pytest.raises(ValueError, match="in progress"):
        stage.change.begin(MESSAGE)
    wait_until(stage.answered, "the refusal")
    (told,) = stage.steps()
    assert (told["type"], told["number"], told["detail"]) == ("refused", 5, "no memory")
    assert len(stage.sets) == 1
