# SPDX-License-Identifier: Apache-2.0
"""The presets, as this kernel has them."""

from __future__ import annotations

from typing import Any

from flask import Response, jsonify

from app.presets.preset import ALL_MODES, Preset
from app.presets.resolve import Resolution, resolve
from app.presets.table import PRESETS
from app.web.api.blueprint import Blueprint
from app.web.api.responses import PresetsSchema
from app.web.context import Service, current_service

blueprint = Blueprint("presets", __name__, description="Ready-made targets")


@blueprint.route("/presets", methods=["GET"])
@blueprint.response(200, PresetsSchema)
def presets() -> Response:
    """The ready-made targets: what each traces here in each mode, or the reason why it cannot."""
    service = current_service()
    refusals = refusals_of_modes(service)
    found = [describe(preset, service, refusals) for preset in PRESETS.values()]
    return jsonify({"presets": found})


def refusals_of_modes(service: Service) -> dict[str, str]:
    """Return the modes that the kernel does not allow, each with the reason."""
    refusals = {}
    for mode in ALL_MODES:
        probe = service.manager.describe(mode)
        if not probe["available"]:
            refusals[mode] = probe["reason"] or "not available on this kernel"
    return refusals


def describe(preset: Preset, service: Service, refusals: dict[str, str]) -> dict[str, Any]:
    has = service.preset_names.has
    allowed = [mode for mode in ALL_MODES if mode not in refusals]
    return {
        "name": preset.name,
        "title": preset.title,
        "help": preset.help,
        "mode": resolve(preset.name, None, has, allowed).mode,
        "modes": [
            in_mode(mode, resolve(preset.name, mode, has), refusals.get(mode)) for mode in ALL_MODES
        ],
    }


def in_mode(mode: str, found: Resolution, refusal: str | None) -> dict[str, Any]:
    candidate = None if refusal else found.candidate
    if candidate is None:
        reason = found.reason or refusal  # what no kernel could do comes first
        nothing: dict[str, Any] = {"kind": None, "target": None, "columns": [], "where": None}
        return {"mode": mode, "available": False, "reason": reason, **nothing}
    return {
        "mode": mode,
        "available": True,
        "reason": None,
        "kind": candidate.kind,
        "target": candidate.name,
        "columns": list(candidate.columns),
        "where": candidate.where,
    }
