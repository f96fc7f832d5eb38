# SPDX-License-Identifier: Apache-2.0
"""Recent events as JSON rows, with a cursor to ask for what came since."""

from __future__ import annotations

from typing import Any

from flask import Response, jsonify

from app.hub import Held
from app.web.answers import EventsSchema
from app.web.blueprint import Blueprint
from app.web.cursor import cursor_row, cursor_text
from app.web.rows import rows_of
from app.web.schemas import EventsQuerySchema
from app.web.service import Service, current_service

blueprint = Blueprint("events", __name__, description="Recent events")


@blueprint.route("/events", methods=["GET"])
@blueprint.arguments(EventsQuerySchema, location="query")
@blueprint.response(200, EventsSchema)
@blueprint.problems({400: "bad_cursor", 404: "unknown_probe"})
def events(query: dict[str, Any]) -> Response:
    """Recent events, newest last; with `after`, those that came after that cursor."""
    service = current_service()
    probes = known_probes(service, query.get("probe"))
    if "after" in query:
        after = cursor_row(query["after"], service.run_id, service.hub.next_row)
        held = service.hub.recent(probes, after_row=after)
        rows, reached = rows_after(held, after, query["limit"])
        missed = held.missed
    else:
        held = service.hub.recent(probes)
        rows, reached, missed = newest_rows(held, query["limit"]), held.next_row, 0
    cursor = cursor_text(reached, service.run_id)
    return jsonify({"events": rows, "next": cursor, "missed": missed})


def known_probes(service: Service, asked: list[str] | None) -> frozenset[str] | None:
    """The probes asked for, None for all; raises 404 `unknown_probe`."""
    if not asked:
        return None
    for probe_id in asked:
        service.manager.describe(probe_id)
    return frozenset(asked)


def newest_rows(held: Held, limit: int) -> list[dict[str, Any]]:
    """The newest `limit` rows, oldest first."""
    chosen = []
    wanted = limit
    for batch in reversed(held.batches):
        if wanted <= 0:
            break
        chosen.append((batch, max(batch.rows - wanted, 0)))
        wanted -= batch.rows
    return [row for batch, start in reversed(chosen) for row in rows_of(batch.data, start)]


def rows_after(held: Held, after_row: int, limit: int) -> tuple[list[dict[str, Any]], int]:
    """The oldest `limit` rows from number `after_row` on, and the number of the row behind them."""
    rows: list[dict[str, Any]] = []
    for batch in held.batches:
        start = max(after_row - batch.first_row, 0)
        stop = min(batch.rows, start + limit - len(rows))
        rows.extend(rows_of(batch.data, start, stop))
        if stop < batch.rows:
            return rows, batch.first_row + stop
    return rows, held.next_row
