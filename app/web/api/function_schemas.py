# SPDX-License-Identifier: Apache-2.0
"""Queries and answers about functions, for validation and the OpenAPI document."""

from __future__ import annotations

from marshmallow import Schema, fields
from marshmallow.validate import Length, OneOf, Range

from app.web.api.requests import QueryInteger, StrictSchema

DEFAULT_FUNCTIONS, MAX_FUNCTIONS = 50, 1000
KINDS = ("function", "syscall", "tracepoint")
MAX_NAME = 200  # characters; the kernel's names have at most 511 bytes, and those of C far fewer
_IS_KIND = OneOf(KINDS, error=f"Must be one of {', '.join(KINDS)}.")


class FunctionsQuerySchema(StrictSchema):
    """Which functions: docs/functions.md has the language of `q`."""

    q = fields.String(load_default="")
    kind = fields.String(validate=_IS_KIND)
    limit = QueryInteger(load_default=DEFAULT_FUNCTIONS, validate=Range(1, MAX_FUNCTIONS))


class FunctionQuerySchema(StrictSchema):
    """Which of several things of one name."""

    kind = fields.String(validate=_IS_KIND)
    module = fields.String(validate=Length(1, MAX_NAME))


class ParameterSchema(Schema):
    name = fields.String(required=True)
    type = fields.String(required=True)


class InsteadSchema(Schema):
    kind = fields.String(required=True)
    name = fields.String(required=True)
    note = fields.String(required=True)


class FunctionModeSchema(Schema):
    """Whether it can be traced in a mode, else why not and what to trace instead."""

    available = fields.Boolean(required=True)
    code = fields.String(required=True, allow_none=True)
    reason = fields.String(required=True, allow_none=True)
    hint = fields.String(required=True, allow_none=True)
    instead = fields.List(fields.Nested(InsteadSchema), required=True)


class FunctionSchema(Schema):
    name = fields.String(required=True)
    kind = fields.String(required=True, metadata={"enum": list(KINDS)})
    category = fields.String(required=True, allow_none=True)
    module = fields.String(required=True, allow_none=True)
    signature = fields.String(required=True, allow_none=True)
    returns = fields.String(required=True, allow_none=True)
    parameters = fields.List(fields.Nested(ParameterSchema), required=True, allow_none=True)
    modes = fields.Dict(
        keys=fields.String(), values=fields.Nested(FunctionModeSchema), required=True
    )
    twins = fields.List(fields.String(), required=True)
    notes = fields.List(fields.String(), required=True)
    looked_at = fields.List(fields.String(), required=True)


class FunctionsSchema(Schema):
    """`functions` are the first of `total`; with `more`, there are others."""

    functions = fields.List(fields.Nested(FunctionSchema), required=True)
    total = fields.Integer(required=True)
    more = fields.Boolean(required=True)
