"""Recent events as JSON rows, with a cursor to ask for what came since."""

from __future__ import annotations

from typing import Any

from flask import Response, jsonify

from app.hub import Hub
from app.web.answers import EventsSchema
from app.web.blueprint import Blueprint
from app.web.cursor import Cursor
from app.web.rows import rows_of
from app.web.schemas import EventsQuerySchema
from app.web.service import Service, current_service

blueprint = Blueprint("events", __name__, description="Recent events")


@blueprint.route("/events", methods=["GET"])
@blueprint.arguments(EventsQuerySchema, location="query", unknown="raise")
@blueprint.response(200, EventsSchema)
@blueprint.problems({400: "bad_cursor", 404: "unknown_probe"})
def events(query: dict[str, Any]) -> Response:
    """Recent events, newest last; with `after`, those that came after that cursor."""
    service = current_service()
    probes = known_probes(service, query.get("probe"))
    if "after" in query:
        cursor = Cursor.parse(query["after"], service.run_id)
        rows, reached, missed = rows_after(service.hub, probes, cursor, query["limit"])
    else:
        rows, reached = newest_rows(service.hub, probes, query["limit"])
        missed = 0
    return jsonify({"events": rows, "next": reached.text(service.run_id), "missed": missed})


def known_probes(service: Service, asked: list[str] | None) -> frozenset[str] | None:
    """The probes asked for, None for all; raises 404 `unknown_probe`."""
    if not asked:
        return None
    for probe_id in asked:
        service.manager.describe(probe_id)
    return frozenset(asked)


def newest_rows(
    hub: Hub, probes: frozenset[str] | None, limit: int
) -> tuple[list[dict[str, Any]], Cursor]:
    """The newest `limit` rows, oldest first, and the cursor behind them."""
    held = hub.recent(probes)
    chosen, wanted = [], limit
    for batch in reversed(held.batches):
        if wanted <= 0:
            break
        chosen.append((batch, max(batch.rows - wanted, 0)))
        wanted -= batch.rows
    rows = [row for batch, start in reversed(chosen) for row in rows_of(batch.data, start)]
    return rows, Cursor(held.next_row)


def rows_after(
    hub: Hub, probes: frozenset[str] | None, cursor: Cursor, limit: int
) -> tuple[list[dict[str, Any]], Cursor, int]:
    """The oldest `limit` rows behind the cursor, the cursor behind them, and how many are lost."""
    held = hub.recent(probes, after_row=cursor.row)
    rows: list[dict[str, Any]] = []
    for batch in held.batches:
        start = max(cursor.row - batch.first_row, 0)
        stop = min(batch.rows, start + limit - len(rows))
        rows.extend(rows_of(batch.data, start, stop))
        if len(rows) >= limit:
            return rows, Cursor(batch.first_row + stop), held.missed
    return rows, Cursor(held.next_row), held.missed
