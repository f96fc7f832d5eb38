# SPDX-License-Identifier: Apache-2.0
"""What a probe has counted, as JSON."""

from __future__ import annotations

from typing import Any

from flask import Response, jsonify
from flask.views import MethodView

from app.columns.aggregate import CALLS, HIGH, LOW
from app.errors import ProbedeckError
from app.web.api.blueprint import Blueprint
from app.web.api.responses import CountedSchema
from app.web.api.rows import metadata_of, rows_of
from app.web.context import current_service

blueprint = Blueprint("counted", __name__, description="What probes count in the kernel")


@blueprint.route("/probes/<string:probe_id>/aggregate")
class Counted(MethodView):
    @blueprint.response(200, CountedSchema)
    @blueprint.problems({404: "unknown_probe, not_counted"})
    def get(self, probe_id: str) -> Response:
        """What a probe counts, or its last run has counted; it is read each second."""
        service = current_service()
        # A probe of one's own name is forgotten with its stop, what it has counted is not.
        last = service.manager.describe_last(probe_id)
        described = service.manager.describe(probe_id) if last is None else last
        wanted = described["aggregate"]
        if wanted is None:
            detail = f"{probe_id} shows each call: start it with `aggregate` to count them"
            raise ProbedeckError(404, "not_counted", detail)
        snapshot = service.hub.snapshot(probe_id)
        rows = [] if snapshot is None else list(rows_of(snapshot.data))
        about = {} if snapshot is None else metadata_of(snapshot.data)
        return jsonify(
            {
                "probe": probe_id,
                "time": about.get("time"),
                "calls": int(about.get("calls", 0)),
                "groups": int(about.get("groups", 0)),
                "ungrouped": int(about.get("ungrouped", 0)),
                "rows": _grouped(rows) if "histogram" in wanted else rows,
            }
        )


def _grouped(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return a row for each group, with its buckets as a list `histogram`; they follow each other.

    What else was measured is of a bucket.
    """
    groups: list[dict[str, Any]] = []
    names: list[str] = []
    for row in rows:
        names = names or list(row)[: list(row).index(LOW)]
        key = {name: row[name] for name in names}
        if not groups or {name: groups[-1][name] for name in names} != key:
            groups.append({**key, CALLS: 0, "histogram": []})
        groups[-1][CALLS] += row[CALLS]
        bucket = {name: value for name, value in row.items() if name not in names}
        groups[-1]["histogram"].append({"from": bucket.pop(LOW), "to": bucket.pop(HIGH), **bucket})
    return groups
