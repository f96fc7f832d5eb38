# SPDX-License-Identifier: Apache-2.0
"""The console page, and the sign of life."""

from __future__ import annotations

from flask import Response, jsonify, render_template

from app.web.answers import HealthSchema
from app.web.blueprint import Blueprint

blueprint = Blueprint("pages", __name__, description="The console page and the sign of life")


@blueprint.route("/", methods=["GET"])
@blueprint.response(200, content_type="text/html", description="The console page")
def index() -> Response:
    """The console page."""
    return Response(render_template("index.html"), mimetype="text/html")


@blueprint.route("/healthz", methods=["GET"])
@blueprint.response(200, HealthSchema)
def healthz() -> Response:
    """Whether the service can serve. Touches no probe, so it answers while some start."""
    return jsonify({"status": "ok"})
