# SPDX-License-Identifier: Apache-2.0
"""Request targets: the path must be exactly a route's, and the route must know the whole query."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar
from urllib.parse import unquote_to_bytes

from flask import abort, current_app, request

from app.errors import ProbedeckError
from app.web.api.body import BODILESS, StrictParser
from app.web.api.requests import StrictSchema

QUERY_SCHEMA = "query_schema"  # an attribute of views that parse the query themselves
TAKES_BODY = "takes_body"  # an attribute of views that parse a body
View = TypeVar("View", bound=Callable[..., Any])
parser = StrictParser()


class NoQuerySchema(StrictSchema):
    """The query of routes that take none."""


class NoBodySchema(StrictSchema):
    """The body of routes that take none: it may be an empty object."""


def check_target() -> None:
    """Check the target before any route (a Flask before_request).

    Raises 404 for a path that routing would normalise to one of ours, and 422 for a query that is
    not UTF-8, which would be read as another text, or has a parameter that the route does not know
    and would silently ignore.
    """
    if request.environ["PATH_INFO"].startswith("//"):
        abort(404)  # werkzeug merges leading slashes
    try:
        unquote_to_bytes(request.query_string).decode()
    except UnicodeDecodeError as error:
        message = f"The query is not UTF-8 at byte {error.start} of its decoded text."
        raise ProbedeckError(422, "invalid", message) from None
    if request.routing_exception is not None:
        return
    schema = getattr(_view(), QUERY_SCHEMA, None)
    # Flask itself answers OPTIONS: the view, which would check the query, is not called.
    if schema is None or request.method == "OPTIONS":
        parser.parse(schema or NoQuerySchema, request, location="query", unknown="raise")


def check_no_body() -> None:
    """Raise 422 for a body with members that a route without a body would silently ignore.

    A Flask before_request, after `check_body`.
    """
    if request.method in BODILESS or request.routing_exception is not None:
        return
    if not getattr(_view(), TAKES_BODY, False):
        parser.parse(NoBodySchema, request, location="json", unknown="raise")


def takes_body(view: View) -> View:
    """Mark a view that checks the body itself; later decorators keep the mark."""
    setattr(view, TAKES_BODY, True)
    return view


def takes_query(schema: type) -> Callable[[View], View]:
    """Mark a view that checks the query itself, by `schema`; later decorators keep the mark."""

    def mark(view: View) -> View:
        setattr(view, QUERY_SCHEMA, schema)
        return view

    return mark


def _view() -> Callable[..., Any]:
    """Return the function that answers this request."""
    assert request.endpoint is not None
    view = current_app.view_functions[request.endpoint]
    views = getattr(view, "view_class", None)
    if views is None:
        return view
    method = request.method.lower()
    if method == "head" and not hasattr(views, method):
        method = "get"
    found: Callable[..., Any] = getattr(views, method, view)
    return found
