# SPDX-License-Identifier: Apache-2.0
"""Probedeck: a console for eBPF function tracing."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from app.linux.socket_owner import owner_uid

if TYPE_CHECKING:
    from flask import Flask

    from app.web.context import Service
    from app.web.guard import PeerOwner

ROOT = Path(__file__).resolve().parent.parent


def create_app(service: Service, owner: PeerOwner = owner_uid) -> Flask:
    """Return the Flask application around a service. It only wires parts from other modules.

    `owner` returns the user at the other end of a connection.
    """
    # Imported here: the tracer and `./run --help` import `app` without flask.
    from flask import Flask  # noqa: PLC0415

    from app.web import response_headers, stream_limit  # noqa: PLC0415
    from app.web.api import body, openapi, target  # noqa: PLC0415
    from app.web.api.problem import ProblemApi  # noqa: PLC0415
    from app.web.guard import Guard  # noqa: PLC0415
    from app.web.routes import (  # noqa: PLC0415
        audit,
        comparing,
        counted,
        events,
        fields,
        pages,
        presets,
        probes,
        reference,
        signing_in,
        stream,
        traceable,
        users,
        ws,
    )

    app = Flask(__name__, static_folder=ROOT / "static", template_folder=ROOT / "templates")
    app.extensions["probedeck"] = service
    app.config.from_mapping(
        openapi.SETTINGS,
        MAX_CONTENT_LENGTH=body.READ_BYTES,
        SOCK_SERVER_OPTIONS={
            "max_message_size": ws.MAX_MESSAGE_BYTES,
            "subprotocols": [ws.SUBPROTOCOL],
        },
    )
    app.url_map.merge_slashes = False  # a path with an empty segment is 404
    app.url_map.strict_slashes = False  # ignore one trailing slash
    app.json = body.StrictJSON(app)
    app.before_request(target.check_target)
    app.before_request(body.check_body)
    app.before_request(audit.write_down)
    app.before_request(target.check_no_body)
    app.after_request(audit.write_result)
    app.teardown_request(stream_limit.release_at_teardown)

    api = ProblemApi(app)
    parts = (
        pages,
        probes,
        counted,
        comparing,
        presets,
        traceable,
        fields,
        events,
        stream,
        users,
        signing_in,
        audit,
        reference,
    )
    for part in parts:
        api.register_blueprint(part.blueprint)
    app.register_blueprint(ws.blueprint)
    openapi.describe_websocket(app, api)
    pages.add_bundle(app)
    reference.add_reference(app, api)

    guarded = Guard(app.wsgi_app, service.settings, owner)
    app.extensions["probedeck.guard"] = (
        guarded  # the worker checks with it before it waits for a body
    )
    more = response_headers.strict_transport(service.settings.hsts_max_age_s)
    app.wsgi_app = response_headers.Hardened(guarded, more)  # type: ignore[method-assign]
    return app
