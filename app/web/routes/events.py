# SPDX-License-Identifier: Apache-2.0
"""Recent events as JSON rows, with a cursor to continue from."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

from flask import Response, jsonify

from app.filters import RowFilter
from app.hub import Batch, Excerpt, Gap
from app.web.api.blueprint import Blueprint
from app.web.api.cursor import cursor_text, read_cursor
from app.web.api.requests import EventsQuerySchema
from app.web.api.responses import EventsSchema
from app.web.api.rows import rows_of
from app.web.context import Service, current_service
from app.web.routes.where import filter_of, where_hints

# What a request with `where` tests at most, so that none keeps the service busy.
MAX_EXAMINED = 100_000
MAX_EXAMINING_S = 2.0

blueprint = Blueprint("events", __name__, description="Recent events")


@blueprint.route("/events", methods=["GET"])
@blueprint.arguments(EventsQuerySchema, location="query")
@blueprint.response(200, EventsSchema)
@blueprint.problems({400: "bad_cursor", 404: "unknown_probe"})
def events(query: dict[str, Any]) -> Response:
    """Recent events, newest last; with `after`, those after that cursor."""
    service = current_service()
    probes = known_probes(service, query.get("probe"))
    passes = filter_of(service, probes, query.get("where"))
    if "after" in query:
        after, before = read_cursor(query["after"], service.run_id, service.hub.next_row)
        held = service.hub.recent(probes, after_row=after, rows_before=before)
        page, reached = page_after(held, after, query["limit"], passes)
        missed = held.missed
    else:
        held = service.hub.recent(probes)
        page, reached, missed = newest_page(held, query["limit"], passes), held.next_row, 0
    cursor = cursor_text(reached, service.run_id, held.rows_before(reached))
    return jsonify(
        {
            "events": page.rows,
            "gaps": page.gaps,
            "next": cursor,
            "missed": missed,
            "examined": page.examined,
            "hints": where_hints(service, probes, query.get("where")),
        }
    )


def known_probes(service: Service, asked: list[str] | None) -> frozenset[str] | None:
    """Return the requested probes, None for all; raise 404 `unknown_probe`.

    A probe that is forgotten is known as long as the log has rows of it.
    """
    if not asked:
        return None
    probes = frozenset(asked)
    for probe_id in probes:
        if not service.hub.holds(probe_id):
            service.manager.describe(probe_id)
    return probes


@dataclass
class Page:
    """Rows and the gaps between them; each gap has the index of the row `before` which it is.

    `examined` counts the rows that were tested.
    """

    rows: list[dict[str, Any]] = field(default_factory=list)
    gaps: list[dict[str, Any]] = field(default_factory=list)
    examined: int = 0

    def add_gap(self, gap: Gap) -> None:
        """Add a gap; merge it with one of the same kind and place, to bound the page."""
        message = gap.message()
        here = (last for last in reversed(self.gaps) if last["before"] == len(self.rows))
        last = next((last for last in here if last["probe"] == gap.probe), None)
        if last is not None and last["where"] == gap.where and gap.rows is not None:
            last.update(rows=last["rows"] + gap.rows, to=message["to"])
        else:
            self.gaps.append({**message, "before": len(self.rows)})


class Budget:
    """How many rows a request may test: so many, and for so long."""

    def __init__(self) -> None:
        self.used = 0
        self._until = time.monotonic() + MAX_EXAMINING_S

    @property
    def is_over(self) -> bool:
        # Some rows are always tested: a client that continues must come to an end.
        is_late = self.used > 0 and self.used % 256 == 0 and time.monotonic() > self._until
        return self.used >= MAX_EXAMINED or is_late


def newest_page(held: Excerpt, limit: int, passes: RowFilter | None = None) -> Page:
    """Return the newest `limit` rows that pass, oldest first, and the gaps after the first.

    Of more rows than may be tested, the older are left out.
    """
    chosen: list[list[dict[str, Any]] | Gap] = []
    wanted, budget = limit, Budget()
    for item in reversed(held.items):
        if wanted <= 0 or budget.is_over:
            break
        if isinstance(item, Gap):
            chosen.append(item)
            continue
        rows = _newest_rows(item, wanted, passes, budget)
        wanted -= len(rows)
        chosen.append(rows)
    page = Page(examined=budget.used)
    for each in reversed(chosen):
        if isinstance(each, Gap):
            page.add_gap(each)
        else:
            page.rows.extend(each)
    return page


def _newest_rows(
    batch: Batch, wanted: int, passes: RowFilter | None, budget: Budget
) -> list[dict[str, Any]]:
    if passes is None:
        rows = list(rows_of(batch.data, max(batch.rows - wanted, 0)))
        budget.used += len(rows)
        return rows
    found: list[dict[str, Any]] = []
    for row in reversed(list(rows_of(batch.data))):
        if len(found) == wanted or budget.is_over:
            break
        budget.used += 1
        if passes(row):
            found.append(row)
    return found[::-1]


def page_after(
    held: Excerpt, after_row: int, limit: int, passes: RowFilter | None = None
) -> tuple[Page, int]:
    """Return the oldest `limit` rows that pass, from number `after_row` on, and the number that
    follows the last one that was tested."""
    page, budget = Page(), Budget()
    for item in held.items:
        if isinstance(item, Gap):
            page.add_gap(item)
            continue
        start = max(after_row - item.first_row, 0)
        # One more than is wanted, at which the page ends.
        stop = item.rows if passes else min(item.rows, start + limit - len(page.rows) + 1)
        for index, row in enumerate(rows_of(item.data, start, stop), start):
            if len(page.rows) == limit or (passes and budget.is_over):
                page.examined = budget.used
                return page, item.first_row + index
            budget.used += 1
            if passes is None or passes(row):
                page.rows.append(row)
    page.examined = budget.used
    return page, held.next_row
