# SPDX-License-Identifier: Apache-2.0
"""Signing in: the page proves that it has a token, and the service that it knows the token.

The proof is described in app/access/sessions.py. The routes are open to all, like the page itself:
what is sent is of no use without the token.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from flask import Response, jsonify, request

from app.access.sessions import Sessions
from app.errors import ProbedeckError
from app.web.api.blueprint import Blueprint
from app.web.api.responses import ChallengeSchema, SessionSchema

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

PATH = "/session"
SCHEME = "Probedeck-Proof"
SESSIONS = "probedeck.sessions"  # in a request's environ: the guard's sessions
ORIGIN = "probedeck.origin"  # of the service, as this request addressed it

blueprint = Blueprint("sessions", __name__, description="Signing in by a proof")


def is_sign_in(environ: WSGIEnvironment) -> bool:
    """Return whether a request is for these routes, which need no caller."""
    path = environ.get("PATH_INFO", "").removesuffix("/")  # as routing does
    return path == PATH and environ["REQUEST_METHOD"] in ("GET", "HEAD", "POST")


@blueprint.route(PATH, methods=["GET"])
@blueprint.response(200, ChallengeSchema)
@blueprint.doc(security=[])
def challenge() -> Response:
    """A challenge to sign in with."""
    return jsonify({"challenge": _sessions().challenge()})


@blueprint.route(PATH, methods=["POST"])
@blueprint.response(201, SessionSchema, description="A session, which can be used as a token")
@blueprint.problems({401: "bad_proof, bad_token", 429: "too_often"})
@blueprint.doc(security=[{"proof": []}])
def sign_in() -> Response:
    """A session, for the proof in the header `Authorization: Probedeck-Proof ...`."""
    scheme, _, credentials = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != SCHEME.lower():
        raise ProbedeckError(
            401,
            "bad_proof",
            f"Signing in needs the header `Authorization: {SCHEME} ...` (docs/protocol.md).",
        )
    opened = _sessions().sign_in(credentials.strip(), request.environ[ORIGIN])
    response = jsonify(asdict(opened))
    response.status_code = 201
    return response


def _sessions() -> Sessions:
    sessions: Sessions = request.environ[SESSIONS]
    return sessions
