# SPDX-License-Identifier: Apache-2.0
"""Sending what a probe has counted: each second, if it is more than before, and at the end."""

from __future__ import annotations

from app.link.frames import Outbox
from app.timestamps import now
from app.tracer.attached_programs import AttachedPrograms
from app.tracer.groups import GroupEncoder, Groups, GroupTable
from app.tracer.plan_programs import PlanPrograms

INTERVAL_S = 1.0


class GroupReports:
    """Reads the groups of a probe's programs. A context manager. Raises OSError."""

    def __init__(
        self, programs: AttachedPrograms | PlanPrograms, encoder: GroupEncoder, outbox: Outbox
    ) -> None:
        self._programs, self._encoder, self._outbox = programs, encoder, outbox
        self._groups = Groups(encoder.layout, programs.groups_fd())
        self._reported: tuple[int, int] | None = None

    def __enter__(self) -> GroupReports:
        return self

    def __exit__(self, *exc: object) -> None:
        self._groups.__exit__(*exc)

    def report(self) -> None:
        """Queue what was counted so far, unless it is the same as last time."""
        ungrouped = self._programs.ungrouped()
        table = self._groups.table()
        counted = int(table.calls.sum()), ungrouped
        if counted == self._reported:
            return
        self._reported = counted
        self._outbox.snapshot(*self._encoder.encode(table, about_counts(table, ungrouped)))


def about_counts(table: GroupTable, ungrouped: int) -> dict[str, str]:
    """Return what a snapshot says of all its groups, as they are now."""
    return {"time": now(), "calls": str(int(table.calls.sum())), "ungrouped": str(ungrouped)}
