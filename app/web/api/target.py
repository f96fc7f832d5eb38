# SPDX-License-Identifier: Apache-2.0
"""Request targets: a path that is exactly a route's, a query that the route knows all of."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import abort, current_app, request

from app.web.api.body import StrictParser
from app.web.api.requests import StrictSchema

TAKES_QUERY = "takes_query"  # an attribute of views that parse the query themselves
parser = StrictParser()


class NoQuerySchema(StrictSchema):
    """Of routes that take none."""


def check_target() -> None:
    """Before any route: 404 for a path that the routing would first make one of ours, and 422
    for a query parameter that the route does not know, and would pass over in silence.
    """
    if request.environ["PATH_INFO"].startswith("//"):
        abort(404)  # werkzeug takes all slashes that it begins with for one
    if request.routing_exception is None and not getattr(_view(), TAKES_QUERY, False):
        parser.parse(NoQuerySchema, request, location="query", unknown="raise")


def takes_query(view: Callable[..., Any]) -> Callable[..., Any]:
    """Mark a view that checks the query itself; what decorates it later keeps the mark."""
    setattr(view, TAKES_QUERY, True)
    return view


def _view() -> Callable[..., Any]:
    """The function that answers this request."""
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
