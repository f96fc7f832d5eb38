# SPDX-License-Identifier: Apache-2.0
"""Comparing modes."""

from __future__ import annotations

from typing import Any

from flask import Response, jsonify

from app.access.caller import current_caller
from app.web.api.blueprint import Blueprint
from app.web.api.requests import ComparisonSchema
from app.web.api.responses import ComparedSchema
from app.web.api.rows import rows_of
from app.web.context import current_service

blueprint = Blueprint("comparing", __name__, description="Comparing modes")


@blueprint.route("/compare", methods=["POST"])
@blueprint.arguments(ComparisonSchema, required=False)
@blueprint.response(200, ComparedSchema)
@blueprint.problems(
    {
        409: "comparison_running",
        429: "too_many_probes",
        502: "tracer_failed",
        503: "stopping",
        504: "start_timeout",
    }
)
def compare(wanted: dict[str, Any]) -> Response:
    """Trace one target in several modes at once: whether they agree, and what each costs."""
    comparison = current_service().comparison
    found = comparison.compare(
        wanted["spec"],
        wanted["modes"],
        wanted["duration_s"],
        actor=current_caller().name,
        rows_of=rows_of,
    )
    return jsonify(found)
