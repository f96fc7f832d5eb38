# SPDX-License-Identifier: Apache-2.0
"""One declaration for validation and for the OpenAPI document, of all that a request holds.

Types are strict: the text "5" is not a number and true is not 1. Unknown members are refused.
"""

from __future__ import annotations

import re
from typing import Any

from marshmallow import RAISE, Schema, ValidationError, fields, post_load
from marshmallow.validate import Length, Range

from app.probes.spec import Filter, ProbeSpec

MAX_PID = 4194304  # PID_MAX_LIMIT, include/linux/threads.h
MAX_UID = 2**32 - 2  # (uid_t) -1 stands for "no user"
MAX_COMM_BYTES = 15  # TASK_COMM_LEN - 1
MAX_DURATION_S = 86400
MAX_LIMIT = 10_000
DEFAULT_LIMIT = 1_000
MAX_USERS = 100
MAX_USER_NAME = 256  # LOGIN_NAME_MAX


class StrictInteger(fields.Integer):
    def _validated(self, value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int):
            raise self.make_error("invalid", input=value)
        return super()._validated(value)


class StrictNumber(fields.Float):
    def _validated(self, value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self.make_error("invalid", input=value)
        return super()._validated(value)


class StrictBoolean(fields.Boolean):
    def _deserialize(self, value: Any, *_args: Any, **_kwargs: Any) -> bool:
        if not isinstance(value, bool):
            raise self.make_error("invalid", input=value)
        return value


class QueryInteger(fields.Integer):
    """A whole number in a query: decimal digits, where int() also takes `+5`, ` 5` and `5_0`."""

    def _validated(self, value: Any) -> int:
        if not re.fullmatch(r"[0-9]{1,10}", str(value)):
            raise self.make_error("invalid", input=value)
        return super()._validated(value)


def _check_comm(comm: str) -> None:
    try:
        size = len(comm.encode())
    except UnicodeEncodeError:
        raise ValidationError("Not valid text: it has half of a surrogate pair.") from None
    if not 1 <= size <= MAX_COMM_BYTES or "\0" in comm:
        raise ValidationError(f"Must be 1 to {MAX_COMM_BYTES} bytes of UTF-8 without NUL.")


class StrictSchema(Schema):
    class Meta:
        unknown = RAISE


class FilterSchema(StrictSchema):
    """Tested in the kernel; all parts must hold. null: any."""

    pid = StrictInteger(allow_none=True, validate=Range(1, MAX_PID))
    uid = StrictInteger(allow_none=True, validate=Range(0, MAX_UID))
    comm = fields.String(allow_none=True, validate=_check_comm)
    process = fields.String(allow_none=True, validate=_check_comm)
    only_failures = StrictBoolean(allow_none=True)


class SpecSchema(StrictSchema):
    """The body of a start."""

    filter = fields.Nested(FilterSchema, allow_none=True)
    duration_s = StrictNumber(
        allow_none=True, validate=Range(0, MAX_DURATION_S, min_inclusive=False)
    )
    restart = StrictBoolean(load_default=False)

    @post_load
    def make_spec(self, data: dict[str, Any], **_kwargs: Any) -> ProbeSpec:
        given = {k: v for k, v in (data.get("filter") or {}).items() if v is not None}
        return ProbeSpec(Filter(**given), data.get("duration_s"), data["restart"])


class FilterChangeSchema(StrictSchema):
    """The body of a change: RFC 7396, so that an absent member and null are two things."""

    filter = fields.Nested(FilterSchema, allow_none=True, required=True)


class StreamQuerySchema(StrictSchema):
    """What a stream carries. `probe` may be repeated; without it, all."""

    probe = fields.List(fields.String())
    recent = fields.Boolean(truthy={"1"}, falsy={"0"}, load_default=True)


class EventsQuerySchema(StrictSchema):
    """Which of the recent events."""

    probe = fields.List(fields.String())
    limit = QueryInteger(load_default=DEFAULT_LIMIT, validate=Range(1, MAX_LIMIT))
    after = fields.String()


class AuditQuerySchema(StrictSchema):
    """How much of the audit log."""

    limit = QueryInteger(load_default=DEFAULT_LIMIT, validate=Range(1, MAX_LIMIT))


def _check_user_name(name: str) -> None:
    if not 1 <= len(name) <= MAX_USER_NAME or not name.isprintable():
        raise ValidationError(f"Must be 1 to {MAX_USER_NAME} printable characters.")


class UsersQuerySchema(StrictSchema):
    """Which users; both may be repeated."""

    uid = fields.List(
        QueryInteger(validate=Range(0, MAX_UID)), load_default=list, validate=Length(max=MAX_USERS)
    )
    name = fields.List(
        fields.String(validate=_check_user_name), load_default=list, validate=Length(max=MAX_USERS)
    )
