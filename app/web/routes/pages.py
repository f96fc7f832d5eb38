# SPDX-License-Identifier: Apache-2.0
"""The console page and the health check."""

from __future__ import annotations

from pathlib import Path

from flask import Flask, Response, current_app, jsonify, render_template
from werkzeug.exceptions import NotFound

from app.version import VERSION
from app.web.api.blueprint import Blueprint
from app.web.api.responses import HealthSchema
from app.web.bundle import FOLDER, Bundle

TEMPLATE = "index.html"
BUNDLE = "probedeck.bundle"
KEEP = "private, max-age=31536000, immutable"  # the name contains a digest of the content

blueprint = Blueprint("pages", __name__, description="The console page and the health check")


@blueprint.route("/", methods=["GET"])
@blueprint.response(200, content_type="text/html", description="The console page")
@blueprint.doc(security=[])
def index() -> Response:
    """The console page."""
    return console_page()


def console_page() -> Response:
    bundle: Bundle = current_app.extensions[BUNDLE]
    return Response(bundle.page(render_template(TEMPLATE)), mimetype="text/html")


def add_bundle(app: Flask) -> None:
    """Bundle the page's files and serve them. Raises ValueError if they cannot be bundled."""
    assert app.static_folder is not None
    loader = app.jinja_env.loader
    assert loader is not None
    source, _, _ = loader.get_source(app.jinja_env, TEMPLATE)
    app.extensions[BUNDLE] = Bundle(source, Path(app.static_folder))
    app.add_url_rule(f"{FOLDER}<string:name>", "built", built)


def built(name: str) -> Response:
    """Serve a bundled file, whose name contains a digest of its content."""
    bundle: Bundle = current_app.extensions[BUNDLE]
    file = bundle.file(name)
    if file is None:
        raise NotFound
    response = Response(file.content, content_type=f"{file.media_type}; charset=utf-8")
    response.headers["Cache-Control"] = KEEP
    return response


@blueprint.route("/healthz", methods=["GET"])
@blueprint.response(200, HealthSchema)
@blueprint.doc(security=[])
def healthz() -> Response:
    """Whether the service can serve, and its version. Touches no probe: it answers at once."""
    return jsonify({"status": "ok", "version": VERSION})
