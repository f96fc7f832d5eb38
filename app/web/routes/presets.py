# SPDX-License-Identifier: Apache-2.0
"""The presets, as this kernel has them."""

from __future__ import annotations

from flask import Response, jsonify

from app.probes.preset_modes import presets_json
from app.web.api.blueprint import Blueprint
from app.web.api.responses import PresetsSchema
from app.web.context import current_service

blueprint = Blueprint("presets", __name__, description="Ready-made targets")


@blueprint.route("/presets", methods=["GET"])
@blueprint.response(200, PresetsSchema)
def presets() -> Response:
    """The ready-made targets: what each traces here in each mode, or the reason why it cannot."""
    service = current_service()
    return jsonify({"presets": presets_json(service.manager.kernel, service.preset_names.has)})
