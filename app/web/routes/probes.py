# SPDX-License-Identifier: Apache-2.0
"""Starting, changing, stopping and describing probes."""

from __future__ import annotations

from typing import Any

from flask import Response, jsonify, url_for
from flask.views import MethodView

from app.access.caller import current_caller
from app.probes.spec import ProbeSpec
from app.web.api.blueprint import Blueprint
from app.web.api.requests import FilterChangeSchema, SpecSchema
from app.web.api.responses import ProbeSchema, ProbesSchema
from app.web.context import current_service

blueprint = Blueprint("probes", __name__, description="Probes of the running kernel")


@blueprint.route("/probes")
class Probes(MethodView):
    @blueprint.response(200, ProbesSchema)
    def get(self) -> Response:
        """Every mode and probe: state, availability with its reason, filter, counters."""
        return jsonify(current_service().manager.describe_all())


@blueprint.route("/availability")
class Availability(MethodView):
    @blueprint.response(200, ProbesSchema)
    def post(self) -> Response:
        """Check again which modes the kernel supports."""
        manager = current_service().manager
        manager.check_availability()
        return jsonify(manager.describe_all())


@blueprint.route("/probes/<string:probe_id>")
class Probe(MethodView):
    @blueprint.response(200, ProbeSchema)
    @blueprint.problems({404: "unknown_probe"})
    def get(self, probe_id: str) -> Response:
        """One probe, its columns and counters."""
        return jsonify(current_service().manager.describe(probe_id))

    @blueprint.arguments(SpecSchema, required=False)
    @blueprint.response(201, ProbeSchema, description="Attached")
    @blueprint.alt_response(200, schema=ProbeSchema, description="The same already runs")
    @blueprint.problems(
        {
            404: "unknown_probe",
            409: "running_differently",
            429: "too_many_probes",
            501: "unavailable",
            502: "tracer_failed",
            503: "stopping",
            504: "start_timeout",
        }
    )
    def post(self, spec: ProbeSpec, probe_id: str) -> Response:
        """Start a probe: of deletions, or of a target, then under any name. Answers once it is
        attached."""
        description, created = current_service().manager.start(
            probe_id, spec, current_caller().name
        )
        response = jsonify(description)
        if created:
            response.status_code = 201
            response.headers["Location"] = url_for("probes.Probe", probe_id=probe_id)
        return response

    @blueprint.arguments(FilterChangeSchema)
    @blueprint.response(200, ProbeSchema)
    @blueprint.problems(
        {
            404: "unknown_probe, not_running",
            409: "running_differently",
            501: "unavailable",
            502: "tracer_failed",
        }
    )
    def patch(self, change: dict[str, Any], probe_id: str) -> Response:
        """Change a running probe's filters or columns without detaching (RFC 7396)."""
        actor = current_caller().name
        return jsonify(current_service().manager.change(probe_id, change, actor))

    @blueprint.response(200, ProbeSchema, description="Detached and drained")
    @blueprint.problems(
        {404: "unknown_probe, not_running", 502: "tracer_failed", 504: "stop_timeout"}
    )
    def delete(self, probe_id: str) -> Response:
        """Stop a probe; answers with its final counters. One of a name of its own is forgotten."""
        return jsonify(current_service().manager.stop(probe_id, current_caller().name))
