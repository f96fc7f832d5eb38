# SPDX-License-Identifier: Apache-2.0
"""Request bodies: JSON by RFC 8259, of bounded size, and nothing else."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, NoReturn, TypeVar

from flask import Request, request
from flask.json.provider import DefaultJSONProvider
from marshmallow import Schema, ValidationError
from marshmallow.fields import List
from webargs import missing
from webargs.flaskparser import FlaskParser
from werkzeug.exceptions import RequestEntityTooLarge

from app.errors import ProbedeckError
from app.json_text import check_surrogates, without_surrogates

View = TypeVar("View", bound=Callable[..., Any])
MAX_BODY_BYTES = 16 * 1024
MAX_DIGITS = 1000  # of a number; Python itself refuses more than 4,300
TOO_LARGE = f"The request body is larger than {MAX_BODY_BYTES // 1024} KiB."
# werkzeug reads this much of a body without Content-Length and leaves the rest: one byte above the
# maximum, so that the excess is noticed.
READ_BYTES = MAX_BODY_BYTES + 1
BODILESS = frozenset({"GET", "HEAD", "OPTIONS"})


def check_body() -> None:
    """Raise 413 for a body over 16 KiB, 415 for one not declared as JSON (a Flask before_request).

    Requiring the type also keeps out forms of other sites, which cannot send it. An empty form
    has an empty body, but still declares its type.
    """
    if request.method in BODILESS:
        return
    body = request.get_data(cache=True)  # in memory already (app/server/worker.py)
    if len(body) > MAX_BODY_BYTES:
        raise RequestEntityTooLarge
    says_otherwise = bool(request.headers.get("Content-Type", "").strip())
    if (body or says_otherwise) and request.mimetype != "application/json":
        raise ProbedeckError(
            415,
            "not_json",
            "A body needs the header `Content-Type: application/json`, which `curl --json` sends; "
            "without a body, omit it.",
        )


def parse_json(body: bytes) -> Any:
    """Parse JSON without Python's extensions: NaN, Infinity, repeated members, UTF-16,
    lone surrogates.

    Raises 400 `bad_request`.
    """
    try:
        text = body.decode("utf-8")
        value = json.loads(
            text, parse_constant=_constant, parse_int=_integer, object_pairs_hook=_members
        )
        check_surrogates(text)
    except RecursionError:
        raise ProbedeckError(400, "bad_request", "The body is nested too deeply.") from None
    except UnicodeDecodeError as error:
        where = f"byte {error.start} of the body is not UTF-8"
        raise ProbedeckError(400, "bad_request", f"The body is not JSON: {where}") from None
    except ValueError as error:
        raise ProbedeckError(400, "bad_request", f"The body is not JSON: {error}") from None
    return value


def _constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON number")


def _integer(digits: str) -> int:
    if len(digits) > MAX_DIGITS:
        raise ValueError(f"a number has more than {MAX_DIGITS} digits")
    return int(digits)


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("an object has two members of the same name")
    return members


class StrictParser(FlaskParser):
    """webargs with our JSON parser; an absent body is an empty object."""

    def _raw_load_json(self, req: Request) -> Any:
        body = req.get_data(cache=True)
        return parse_json(body) if body else missing

    def load_querystring(self, req: Request, schema: Schema) -> Any:
        """Load as webargs does, but refuse a repeated parameter that takes one value."""
        for name, values in req.args.lists():
            field = schema.fields.get(name)
            if len(values) > 1 and field is not None and not isinstance(field, List):
                raise ValidationError({name: ["Given more than once."]})
        return super().load_querystring(req, schema)


class StrictJSON(DefaultJSONProvider):
    """Writes responses: members in the order of the protocol, plain ASCII.

    Traced programs choose the names of files and processes: as \\u escapes, none of their control
    characters or bidirectional marks reaches the terminal of someone using curl.
    """

    sort_keys = False
    ensure_ascii = True
    compact = True

    def dumps(self, obj: Any, **kwargs: Any) -> str:
        return without_surrogates(super().dumps(obj, allow_nan=False, **kwargs))
