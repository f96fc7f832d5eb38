# SPDX-License-Identifier: Apache-2.0
"""The audit log: caller, address, action and result of each request that changes something.

Each request has two entries: `asked` before anything is done, and its status when it is answered.
What cannot be logged is not done; reading stays possible. Operators can read the log.
"""

from __future__ import annotations

import logging
from typing import Any

from flask import Response, g, jsonify, request

from app.access.audit_log import strict_json
from app.access.caller import current_caller
from app.errors import ProbedeckError
from app.web.api.blueprint import Blueprint
from app.web.api.body import BODILESS
from app.web.api.requests import AuditQuerySchema
from app.web.api.responses import AuditSchema
from app.web.context import current_service
from app.web.routes.signing_in import is_sign_in
from app.web.sockets import peer_name

BODY_CHARACTERS = 1000  # of a body that is not JSON

blueprint = Blueprint("audit", __name__, description="The audit log")


def write_down() -> None:
    """Log that a request would change something (a Flask before_request)."""
    if request.method in BODILESS or is_sign_in(request.environ):
        return
    caller = current_caller()
    audited = {
        "who": caller.name,
        "peer": peer_name(request.environ["gunicorn.socket"]),
        "action": f"{request.method} {request.path}",
        "spec": _spec(request.get_data(cache=True)),
    }
    try:
        current_service().audit.append({**audited, "result": "asked"})
    except ProbedeckError as error:
        logging.getLogger(__name__).error("%s Refused: %s", error.detail, audited["action"])
        raise ProbedeckError(
            503, "audit_unwritable", f"Nothing was changed. {error.detail}"
        ) from error
    g.audited = audited


def write_result(response: Response) -> Response:
    """Log how it was answered (a Flask after_request)."""
    audited = g.pop("audited", None)
    if audited is not None:
        body = response.get_json(silent=True) if response.status_code >= 400 else None
        code = {"code": body["code"]} if isinstance(body, dict) and "code" in body else {}
        try:
            current_service().audit.append({**audited, "result": response.status_code, **code})
        except ProbedeckError as error:
            # It is done, and logged as asked; the next change will be refused.
            logging.getLogger(__name__).error(
                "%s Not logged: the result of %s by %s: %d",
                error.detail,
                audited["action"],
                audited["who"],
                response.status_code,
            )
    return response


def _spec(body: bytes) -> Any:
    if not body:
        return None
    try:
        return strict_json(body)
    except ValueError:  # which the route refuses too
        return body.decode("utf-8", "backslashreplace")[:BODY_CHARACTERS]


@blueprint.route("/audit", methods=["GET"])
@blueprint.arguments(AuditQuerySchema, location="query")
@blueprint.response(200, AuditSchema)
@blueprint.problems({403: "operator_only", 503: "audit_unreadable"})
def audit(query: dict[str, Any]) -> Response:
    """The newest entries of the audit log, oldest first; for operators."""
    if not current_caller().is_operator:
        raise ProbedeckError(403, "operator_only", "Reading the audit log needs an operator token.")
    return jsonify({"entries": current_service().audit.newest(query["limit"])})
