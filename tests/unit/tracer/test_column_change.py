# SPDX-License-Identifier: Apache-2.0
"""A change of columns in the tracer: who is told what, and in which order."""

from __future__ import annotations

import errno
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
        self.can_retire, self.can_add, self.is_drained = False, True, False
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

    def add(self, *_: object) -> None:
        if not self.can_add:
            raise OSError(errno.ENOMEM, "no memory")
        self.did.append("add")

    def switch_to(self, *_: object) -> None:
        self.did.append("switch")
        self.sets.append(object())

    def retirable(self, _most: int) -> Any:
        return self.sets[0] if self.can_retire else None

    def is_empty(self, place: int) -> bool:
        assert place == 0
        return self.is_drained

    def retire(self, _set: object) -> None:
        self.did.append("retire")
        del self.sets[0]

    def message(self, members: dict[str, Any]) -> None:
        self.did.append(members)

    def __exit__(self, *_: object) -> None:
        self.did.append("unload")

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
    assert stage.steps() == ["add", "maps"]  # it has not read them yet
    stage.queued_bytes = 0
    stage.advance()
    answer = {"type": "filtered", "number": 5}
    assert stage.steps() == ["switch", "poll", "report", answer]
    stage.advance()
    assert stage.steps() == []  # calls are in progress


def test_a_set_is_retired_once_its_last_records_are_read() -> None:
    stage = Stage()
    stage.can_retire = True
    stage.advance()
    stage.advance()
    assert stage.steps() == ["cut"]
    stage.is_drained, stage.can_retire = True, False
    stage.advance()
    assert stage.steps() == ["remove", "retire", "report", {"type": "retired", "set": 0}]


@pytest.mark.parametrize("can_add", [True, False])
def test_a_refusal_changes_nothing(can_add: bool) -> None:
    stage = Stage()
    stage.can_add = can_add
    if can_add:
        stage.refusal = ProbedeckError(502, "tracer_failed", "no memory")
    stage.change.begin(MESSAGE)
    with pytest.raises(ValueError, match="in progress"):
        stage.change.begin(MESSAGE)
    wait_until(stage.answered, "the refusal")
    *unloaded, told = stage.steps()
    assert unloaded == ([] if can_add else ["unload"])
    assert (told["type"], told["number"], told["status"]) == ("refused", 5, 502)
    assert "no memory" in told["detail"]
    assert len(stage.sets) == 1
    stage.change.begin(MESSAGE)  # another one is possible


def test_what_was_not_switched_to_is_unloaded_at_the_end() -> None:
    stage = Stage()
    stage.change.begin(MESSAGE)
    wait_until(stage.answered, "the programs")
    stage.steps()
    stage.change.close()
    assert stage.steps() == ["unload"]
