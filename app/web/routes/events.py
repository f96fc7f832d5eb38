# SPDX-License-Identifier: Apache-2.0
"""Recent events as JSON rows, with a cursor to continue from."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from flask import Response, jsonify

from app.hub import Batch, Excerpt, Gap
from app.web.api.blueprint import Blueprint
from app.web.api.cursor import cursor_text, read_cursor
from app.web.api.requests import EventsQuerySchema
from app.web.api.responses import EventsSchema
from app.web.api.rows import rows_of
from app.web.context import Service, current_service

blueprint = Blueprint("events", __name__, description="Recent events")


@blueprint.route("/events", methods=["GET"])
@blueprint.arguments(EventsQuerySchema, location="query")
@blueprint.response(200, EventsSchema)
@blueprint.problems({400: "bad_cursor", 404: "unknown_probe"})
def events(query: dict[str, Any]) -> Response:
    """Recent events, newest last; with `after`, those after that cursor."""
    service = current_service()
    probes = known_probes(service, query.get("probe"))
    if "after" in query:
        after, before = read_cursor(query["after"], service.run_id, service.hub.next_row)
        held = service.hub.recent(probes, after_row=after, rows_before=before)
        page, reached = page_after(held, after, query["limit"])
        missed = held.missed
    else:
        held = service.hub.recent(probes)
        page, reached, missed = newest_page(held, query["limit"]), held.next_row, 0
    cursor = cursor_text(reached, service.run_id, held.rows_before(reached))
    return jsonify({"events": page.rows, "gaps": page.gaps, "next": cursor, "missed": missed})


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
    """Rows and the gaps between them; each gap has the index of the row `before` which it is."""

    rows: list[dict[str, Any]] = field(default_factory=list)
    gaps: list[dict[str, Any]] = field(default_factory=list)

    def add_gap(self, gap: Gap) -> None:
        """Add a gap; merge it with one of the same kind and place, to bound the page."""
        message = gap.message()
        here = (last for last in reversed(self.gaps) if last["before"] == len(self.rows))
        last = next((last for last in here if last["probe"] == gap.probe), None)
        if last is not None and last["where"] == gap.where and gap.rows is not None:
            last.update(rows=last["rows"] + gap.rows, to=message["to"])
        else:
            self.gaps.append({**message, "before": len(self.rows)})


def newest_page(held: Excerpt, limit: int) -> Page:
    """Return the newest `limit` rows, oldest first, and the gaps after the first of them."""
    chosen: list[tuple[Batch | Gap, int]] = []
    wanted = limit
    for item in reversed(held.items):
        if wanted <= 0:
            break
        start = max(item.rows - wanted, 0) if isinstance(item, Batch) else 0
        chosen.append((item, start))
        wanted -= item.rows if isinstance(item, Batch) else 0
    page = Page()
    for item, start in reversed(chosen):
        if isinstance(item, Batch):
            page.rows.extend(rows_of(item.data, start))
        else:
            page.add_gap(item)
    return page


def page_after(held: Excerpt, after_row: int, limit: int) -> tuple[Page, int]:
    """Return the oldest `limit` rows from number `after_row` on, and the number that follows."""
    page = Page()
    for item in held.items:
        if isinstance(item, Gap):
            page.add_gap(item)
            continue
        start = max(after_row - item.first_row, 0)
        stop = min(item.rows, start + limit - len(page.rows))
        page.rows.extend(rows_of(item.data, start, stop))
        if stop < item.rows:
            return page, item.first_row + stop
    return page, held.next_row
