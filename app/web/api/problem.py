# SPDX-License-Identifier: Apache-2.0
"""The one boundary where errors become responses: problem+json (RFC 9457).

Every error of a request ends here: our own, those of routing and of validation, and defects.
"""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from itertools import islice
from typing import Any

from flask import Flask, Response, current_app, request
from flask_smorest import Api
from flask_smorest.utils import prepare_response
from marshmallow import INCLUDE, Schema, fields
from werkzeug.exceptions import HTTPException
from werkzeug.routing.exceptions import WebsocketMismatch
from werkzeug.wrappers import Response as WerkzeugResponse

from app.errors import ProbedeckError
from app.hub import HubClosedError
from app.json_text import without_surrogates
from app.web.api.body import TOO_LARGE

CONTENT_TYPE = "application/problem+json"
MOST_FAULTS = 64  # that one problem lists
MAX_PATH = 200  # characters of a path that a problem quotes
HOW_TO_SIGN_IN = (
    "Send a token as the header `Authorization: Bearer pd_...`. "
    "On the machine itself, `sudo ./run token add NAME` creates one."
)

# The codes (docs/protocol.md) of what routing and validation raise, by status.
CODES = {
    404: "not_found",
    405: "method_not_allowed",
    413: "too_large",
    415: "not_json",
    422: "invalid",
}
# Their details name files of the service: these go to its log, and the caller gets these texts.
PRIVATE = {
    "audit_unreadable": "The audit log cannot be read; the service's log says why.",
    "audit_unwritable": "Nothing was changed: the audit log cannot be written; the service's log "
    "says why.",
    "tokens_unreadable": "The token file cannot be used; the service's log says why.",
}
TRACEBACK = "Traceback (most recent call last)"
SEE_LOG = "internal error; the service's log has the details"


class ProblemSchema(Schema):
    """For the OpenAPI document; some codes carry further members (docs/protocol.md)."""

    class Meta:
        unknown = INCLUDE  # otherwise the document forbids further members

    type = fields.String(required=True)
    title = fields.String(required=True)
    status = fields.Integer(required=True)
    detail = fields.String(required=True)
    code = fields.String(required=True, metadata={"description": "Stable; see docs/protocol.md"})


class ProblemApi(Api):  # type: ignore[misc]  # flask-smorest carries no types
    """flask-smorest with our errors, in responses and in the OpenAPI document."""

    ERROR_SCHEMA = ProblemSchema

    def _register_error_handlers(self) -> None:
        register_error_handlers(self._app)

    def _register_responses(self) -> None:
        # As in flask-smorest, which has no setting for the content type.
        names = [(status.name, status.phrase) for status in HTTPStatus if status >= 400]
        for name, phrase in [*names, ("DEFAULT_ERROR", "A problem (RFC 9457)")]:
            response = {"description": phrase, "schema": self.ERROR_SCHEMA}
            prepare_response(response, self.spec, CONTENT_TYPE)
            self.spec.components.response(name, response, lazy=True)


def register_error_handlers(app: Flask) -> None:
    """Send every kind of error through this module."""
    app.register_error_handler(ProbedeckError, problem_response)
    app.register_error_handler(HTTPException, _from_werkzeug)
    app.register_error_handler(HubClosedError, _stopping)
    app.register_error_handler(Exception, _defect)


def published(error: ProbedeckError) -> ProbedeckError:
    """Return the part of an error that may leave the machine; log the rest."""
    extra = {
        name: SEE_LOG if isinstance(value, str) and TRACEBACK in value else value
        for name, value in error.extra.items()
    }
    detail = PRIVATE.get(error.code, SEE_LOG if TRACEBACK in error.detail else error.detail)
    if (detail, extra) == (error.detail, error.extra):
        return error
    logging.getLogger(__name__).error("%s: %s %s", error.code, error.detail, error.extra or "")
    return ProbedeckError(error.status, error.code, detail, **extra)


def problem_document(error: ProbedeckError) -> bytes:
    """Return the JSON text; it ends with a newline, for terminals."""
    hint = {"hint": HOW_TO_SIGN_IN} if error.status == 401 else {}
    document = {
        **hint,
        **error.extra,
        "type": "about:blank",
        "title": HTTPStatus(error.status).phrase,
        "status": error.status,
        "detail": error.detail,
        "code": error.code,
    }
    return without_surrogates(json.dumps(document)).encode() + b"\n"


def problem_response(error: ProbedeckError) -> Response:
    error = published(error)
    response = Response(problem_document(error), status=error.status, content_type=CONTENT_TYPE)
    if error.status == 401:  # RFC 9110, 11.6.1
        response.headers["WWW-Authenticate"] = "Bearer"
    if "retry_after_s" in error.extra:
        response.headers["Retry-After"] = str(math.ceil(error.extra["retry_after_s"]))
    return response


def _from_werkzeug(error: HTTPException) -> WerkzeugResponse:
    status = error.code or 500
    if status < 400:  # a redirect by the router
        return error.get_response()
    code = CODES.get(status, "bad_request" if status < 500 else "internal")
    problem = ProbedeckError(status, code, _detail_of(error, status))
    messages = (getattr(error, "data", None) or {}).get("messages")  # set by webargs
    if messages:
        # webargs nests the fields under their location (json, query).
        found = (fault for place in messages.values() for fault in _flat(place))
        faults = list(islice(found, MOST_FAULTS))
        problem.extra["errors"] = faults
        problem.detail = " ".join(f"{f['field'] or 'body'}: {f['message']}" for f in faults)
    response = problem_response(problem)
    for name, value in error.get_headers():
        if name.lower() == "allow":
            response.headers[name] = value
    return response


def _detail_of(error: HTTPException, status: int) -> str:
    """Return what is wrong, for the errors that routing raises with a text for browsers."""
    # As it came: werkzeug's `path` has only one of several slashes at the start.
    path = request.environ.get("PATH_INFO", request.path)[:MAX_PATH]
    if isinstance(error, WebsocketMismatch):
        if "HTTP_UPGRADE" in request.environ:
            return f"There is no websocket at {path}; it is at /ws."
        return f"{path} is a websocket: send an upgrade request (RFC 6455)."
    if status == 404:
        return f"There is nothing at {path}; GET /api lists what there is."
    if status == 405:
        return f"{request.method} is not allowed for {path}; the header Allow lists what is."
    if status == 413:
        return TOO_LARGE
    return error.description or HTTPStatus(status).phrase


def _flat(messages: Any, path: str = "") -> Iterator[dict[str, str]]:
    """Flatten `{"filter": {"pid": ["Small."]}}` to `{"field": "filter.pid", "message": ...}`."""
    if isinstance(messages, Mapping):
        for key, below in messages.items():
            # marshmallow uses the key _schema for the object as a whole
            name = "" if key == "_schema" else str(key)
            yield from _flat(below, ".".join(filter(None, (path, name))))
    elif isinstance(messages, list):
        for message in messages:
            yield from _flat(message, path)
    else:
        yield {"field": path, "message": str(messages)}


def _stopping(_error: HubClosedError) -> Response:
    return problem_response(ProbedeckError(503, "stopping", "The service is shutting down."))


def _defect(error: Exception) -> Response:
    current_app.logger.error("%s %s failed", request.method, request.path, exc_info=error)
    return problem_response(
        ProbedeckError(500, "internal", "Probedeck failed internally; its log has the details.")
    )
