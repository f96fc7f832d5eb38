# SPDX-License-Identifier: Apache-2.0
"""The OpenAPI document's parts beyond the routes: security, server, and the websocket."""

from __future__ import annotations

from typing import Any

from flask import Flask
from flask_smorest import Api

from app.version import VERSION
from app.web.api.problem import CONTENT_TYPE, ProblemSchema
from app.web.api.requests import WebsocketQuerySchema
from app.web.routes.signing_in import SCHEME

TOKEN, PROTOCOL_TOKEN, PROOF = "token", "websocketToken", "proof"
DESCRIPTION = (
    "Programs of the user who started Probedeck, on the same machine, need no token. Others send "
    "one, as `Authorization: Bearer pd_...`; `sudo ./run token add NAME` creates one. Errors are "
    "problem+json (RFC 9457) with a stable `code`. docs/protocol.md has the columns of events, the "
    "messages of the websocket and all codes."
)
SECURITY_SCHEMES = {
    TOKEN: {
        "type": "http",
        "scheme": "bearer",
        "description": "A token, `pd_...`, or a session, `ps_...`, as of `POST /session`.",
    },
    PROTOCOL_TOKEN: {
        "type": "apiKey",
        "in": "header",
        "name": "Sec-WebSocket-Protocol",
        "description": "From browsers, whose websockets can send no other header: "
        "`probedeck.v1, bearer.pd_...`.",
    },
    PROOF: {
        "type": "http",
        "scheme": SCHEME.lower(),
        "description": f"`Authorization: {SCHEME} challenge=..., nonce=..., mac=...`; "
        "see docs/protocol.md, Signing in.",
    },
}
# For API_SPEC_OPTIONS of flask-smorest. The empty requirement: local programs need no token.
SPEC_OPTIONS: dict[str, Any] = {
    "info": {"description": DESCRIPTION},
    "servers": [{"url": "/", "description": "The service that serves this document"}],
    "security": [{TOKEN: []}, {}],
    "components": {"securitySchemes": SECURITY_SCHEMES},
}
SETTINGS = {
    "API_TITLE": "Probedeck",
    "API_VERSION": VERSION,
    "OPENAPI_VERSION": "3.0.3",
    "OPENAPI_URL_PREFIX": "/",
    "API_SPEC_OPTIONS": SPEC_OPTIONS,
}


def describe_websocket(app: Flask, api: Api) -> None:
    """Document the one route that is not an HTTP call."""
    problem = {"content": {CONTENT_TYPE: {"schema": ProblemSchema}}}
    (rule,) = app.url_map.iter_rules("ws.websocket")
    api.spec.path(
        rule=rule,
        operations={
            "get": {
                "tags": ["stream"],
                "summary": "Live events as Arrow batches, over a websocket (RFC 6455)",
                "description": "Text frames are JSON control messages, from the service only: "
                "`hello` first, then `state` and `gap`. Binary frames are Arrow IPC streams of "
                "one batch. See docs/protocol.md, Websocket.",
                "security": [{TOKEN: []}, {PROTOCOL_TOKEN: []}, {}],
                "parameters": [{"in": "query", "schema": WebsocketQuerySchema}],
                "responses": {
                    "101": {"description": "The connection is a websocket"},
                    "400": {"description": "bad_request: not a websocket handshake", **problem},
                    "404": {"description": "unknown_probe", **problem},
                    "422": {"description": "invalid", **problem},
                    "503": {"description": "busy", **problem},
                },
            }
        },
    )
