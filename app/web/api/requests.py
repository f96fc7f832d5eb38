# SPDX-License-Identifier: Apache-2.0
"""Schemas of queries and bodies: one declaration for validation and for the OpenAPI document.

Types are strict: the text "5" is not a number and true is not 1. Unknown members are refused.
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Iterable, Mapping
from typing import Any

from marshmallow import RAISE, Schema, ValidationError, fields, post_load, validates_schema
from marshmallow.validate import Equal, Length, OneOf, Range

from app.columns.aggregate import (
    DEFAULT_GROUPS,
    DEFAULT_TOP,
    KINDS,
    MAX_BY,
    MAX_GROUPS,
    MAX_MEASURES,
    MAX_TOP,
    AggregateSpec,
    HistogramSpec,
)
from app.filters import MAX_CHARACTERS
from app.probes.modes import MODES
from app.probes.spec import MODES_OF_KIND, Filter, ProbeSpec, Target

MAX_PID = 4194304  # PID_MAX_LIMIT, include/linux/threads.h
MAX_UID = 2**32 - 2  # (uid_t) -1 means "no user"
MAX_COMM_BYTES = 15  # TASK_COMM_LEN - 1
MAX_DURATION_S = 86400
MAX_COMPARED_S, DEFAULT_DURATION_S = 30, 3.0  # of a comparison
MAX_KERNEL_NAME = 511  # KSYM_NAME_LEN - 1, include/linux/kallsyms.h since Linux 6.1
MAX_COLUMNS = 32
MAX_EXPRESSION = 256
MAX_WHERE = 4096
MAX_PATTERN = 1024  # characters of all patterns
MAX_NAMED_UNKNOWN = 16  # unknown members that an answer says more of
MAX_LIMIT = 10_000
DEFAULT_LIMIT = 1_000
MAX_USERS = 100
MAX_EXPRESSION = 256
MAX_MODULE_NAME = 64
MAX_USER_NAME = 256  # LOGIN_NAME_MAX


def numbers(field: fields.Field[Any], kind: str) -> str:
    """Describe the numbers that a field accepts: `a whole number from 1 to 10000`."""
    for each in field.validators:
        if isinstance(each, Range):
            if each.min_inclusive:
                return f"{kind} from {each.min} to {each.max}"
            return f"{kind} above {each.min}, at most {each.max}"
    return kind


class Ranged(fields.Field[Any]):
    """A number; every error says which numbers are accepted."""

    kind = "a number"

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        for each in self.validators:
            if isinstance(each, Range):
                if not each.min_inclusive:
                    # for the OpenAPI document
                    self.metadata = {**self.metadata, "exclusiveMinimum": True}
                each.error = f"Must be {numbers(self, self.kind)}."

    def make_error(self, key: str, **kwargs: Any) -> ValidationError:
        if key in ("invalid", "too_large", "special"):
            return ValidationError(f"Must be {numbers(self, self.kind)}.")
        return super().make_error(key, **kwargs)


class StrictInteger(Ranged, fields.Integer):
    kind = "a whole number"

    def _validated(self, value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int):
            raise self.make_error("invalid", input=value)
        return super()._validated(value)


class StrictNumber(Ranged, fields.Float):
    def _validated(self, value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self.make_error("invalid", input=value)
        if isinstance(value, float) and math.isnan(value):
            raise self.make_error("special", input=value)
        return super()._validated(value)


class StrictBoolean(fields.Boolean):
    def _deserialize(self, value: Any, *_args: Any, **_kwargs: Any) -> bool:
        if not isinstance(value, bool):
            raise ValidationError("Must be true or false.")
        return value


class QueryBoolean(fields.Boolean):
    """1 or 0 in a query."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(
            truthy={"1"},
            falsy={"0"},
            error_messages={"invalid": "Must be 1 or 0."},
            # For the OpenAPI document: `true` is not accepted.
            metadata={"type": "integer", "enum": [0, 1], "default": int(kwargs["load_default"])},
            **kwargs,
        )


class QueryInteger(Ranged, fields.Integer):
    """A whole number in a query: digits only; int() would also accept `+5`, ` 5` and `5_0`."""

    kind = "a whole number"

    def _validated(self, value: Any) -> int:
        if not re.fullmatch(r"[0-9]{1,10}", str(value)):
            raise self.make_error("invalid", input=value)
        return super()._validated(value)


def _check_comm(comm: str) -> None:
    if not 1 <= len(comm.encode()) <= MAX_COMM_BYTES or "\0" in comm:
        raise ValidationError(f"Must be 1 to {MAX_COMM_BYTES} bytes of UTF-8 without NUL.")


def unknown_field(name: str, known: Iterable[str]) -> str:
    """Return the message for an unknown field: the nearest match, and all known fields."""
    known = list(known)
    near = difflib.get_close_matches(name, known, n=1)
    guess = f" Did you mean {near[0]}?" if near else ""
    return (
        f"Unknown field.{guess} Known: {', '.join(known)}."
        if known
        else "Unknown field. There are none."
    )


def unknown_value(value: str, known: Iterable[str]) -> str:
    """Return the message for a value that is none of the known: the nearest match, and all."""
    known = list(known)
    near = difflib.get_close_matches(value, known, n=1)
    guess = f" Did you mean {near[0]}?" if near else ""
    return f"Unknown.{guess} Known: {', '.join(known)}."


class StrictSchema(Schema):
    error_messages = {"type": "Must be an object."}  # noqa: RUF012 - as marshmallow has it

    class Meta:
        unknown = RAISE

    def handle_error(self, error: ValidationError, data: Any, **_kwargs: Any) -> None:
        """Name the known fields (a hook of marshmallow, which then raises the error)."""
        if not isinstance(data, Mapping) or not isinstance(error.messages, dict):
            return
        unknown = [name for name in data if name in error.messages and name not in self.fields]
        for name in unknown[:MAX_NAMED_UNKNOWN]:
            error.messages[name] = [unknown_field(str(name), self.fields)]


class Expression(fields.String):
    """A line of text of at most `most` characters: an expression or a filter."""

    def __init__(self, most: int, **kwargs: Any) -> None:
        super().__init__(**kwargs, validate=Length(1, most))

    def _deserialize(self, value: Any, *args: Any, **kwargs: Any) -> str:
        text = str(super()._deserialize(value, *args, **kwargs)).strip()
        if not text.replace("\t", " ").isprintable():
            raise ValidationError("Must be printable characters, on one line.")
        return text


class BoundedList(fields.List[Any]):
    """A list whose elements are looked at only if it is not too long."""

    def __init__(self, inner: fields.Field[Any], most: int, **kwargs: Any) -> None:
        super().__init__(inner, **kwargs, validate=Length(max=most))
        self._most = most

    def _deserialize(self, value: Any, *args: Any, **kwargs: Any) -> list[Any]:
        if isinstance(value, list) and len(value) > self._most:
            raise ValidationError(f"At most {self._most} are possible.")
        return super()._deserialize(value, *args, **kwargs)


def _check_kernel_name(name: str) -> None:
    """What functions, system calls, events and presets are called; whether there is one is not
    decided here.
    """
    if not re.fullmatch(rf"[A-Za-z0-9_.$:-]{{1,{MAX_KERNEL_NAME}}}", name, re.ASCII):
        raise ValidationError(
            f"Must be 1 to {MAX_KERNEL_NAME} of the characters of names in the kernel: "
            "letters, digits, '_', '.', '$', ':', '-'."
        )


class Patterns(Expression):
    """Patterns for names of functions, with commas between them; or a list."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(MAX_PATTERN, **kwargs)

    def _deserialize(self, value: Any, *args: Any, **kwargs: Any) -> str:
        if isinstance(value, list) and value and all(isinstance(each, str) for each in value):
            value = ", ".join(value)
        return super()._deserialize(value, *args, **kwargs)


def _check_mode(mode: str) -> None:
    if mode not in MODES:
        raise ValidationError(unknown_value(mode, MODES))


class FilterSchema(StrictSchema):
    """Tested in the kernel; all members must match. null matches anything."""

    pid = StrictInteger(allow_none=True, validate=Range(1, MAX_PID))
    uid = StrictInteger(allow_none=True, validate=Range(0, MAX_UID))
    comm = fields.String(allow_none=True, validate=_check_comm)
    process = fields.String(allow_none=True, validate=_check_comm)
    only_failures = StrictBoolean(allow_none=True)


class OneOrMore(BoundedList):
    """A list, or one element alone."""

    def _deserialize(self, value: Any, *args: Any, **kwargs: Any) -> list[Any]:
        return super()._deserialize([value] if isinstance(value, str) else value, *args, **kwargs)


class HistogramSchema(StrictSchema):
    """Buckets of a column: of powers of two, or all three of `from`, `to` and `step`."""

    of = Expression(MAX_EXPRESSION, required=True)
    low = StrictInteger(data_key="from", validate=Range(-(2**62), 2**62))
    high = StrictInteger(data_key="to", validate=Range(-(2**62), 2**62))
    step = StrictInteger(validate=Range(1, 2**62))

    @validates_schema
    def check_steps(self, data: dict[str, Any], **_kwargs: Any) -> None:
        given = [name for name in ("low", "high", "step") if name in data]
        if given and len(given) < 3:
            raise ValidationError("Give all of from, to and step, or none.")
        if given and data["low"] >= data["high"]:
            raise ValidationError({"to": ["Must be above `from`."]})

    @post_load
    def make(self, data: dict[str, Any], **_kwargs: Any) -> HistogramSpec:
        return HistogramSpec(**data)


class HistogramField(fields.Nested):
    """A histogram; a column alone is one of powers of two."""

    def _deserialize(self, value: Any, *args: Any, **kwargs: Any) -> Any:
        return super()._deserialize(
            {"of": value} if isinstance(value, str) else value, *args, **kwargs
        )


class AggregateSchema(StrictSchema):
    """Count calls in the kernel, by the values of columns, instead of showing each."""

    by = OneOrMore(Expression(MAX_EXPRESSION), MAX_BY, load_default=list)
    count = StrictBoolean(
        load_default=True,
        validate=Equal(True, error="Calls are always counted."),
    )
    sum = OneOrMore(Expression(MAX_EXPRESSION), MAX_MEASURES)
    min = OneOrMore(Expression(MAX_EXPRESSION), MAX_MEASURES)
    max = OneOrMore(Expression(MAX_EXPRESSION), MAX_MEASURES)
    avg = OneOrMore(Expression(MAX_EXPRESSION), MAX_MEASURES)
    histogram = HistogramField(HistogramSchema, allow_none=True)
    groups = StrictInteger(load_default=DEFAULT_GROUPS, validate=Range(1, MAX_GROUPS))
    top = StrictInteger(load_default=DEFAULT_TOP, validate=Range(1, MAX_TOP))

    @post_load
    def make(self, data: dict[str, Any], **_kwargs: Any) -> AggregateSpec:
        measures = tuple((kind, column) for kind in KINDS for column in data.get(kind, ()))
        if len(measures) > MAX_MEASURES:
            raise ValidationError(f"At most {MAX_MEASURES} of sum, min, max and avg are possible.")
        if len(set(measures)) < len(measures):
            raise ValidationError("The same is measured twice.")
        histogram = data.get("histogram")
        return AggregateSpec(tuple(data["by"]), measures, histogram, data["groups"], data["top"])


class SpecSchema(StrictSchema):
    """The body of a start."""

    filter = fields.Nested(FilterSchema, allow_none=True)
    duration_s = StrictNumber(
        allow_none=True, validate=Range(0, MAX_DURATION_S, min_inclusive=False)
    )
    restart = StrictBoolean(load_default=False)
    mode = fields.String(allow_none=True, validate=_check_mode, metadata={"enum": [*MODES, None]})
    function = fields.String(allow_none=True, validate=_check_kernel_name)
    functions = Patterns(allow_none=True)
    syscall = fields.String(allow_none=True, validate=_check_kernel_name)
    tracepoint = fields.String(allow_none=True, validate=_check_kernel_name)
    preset = fields.String(allow_none=True, validate=_check_kernel_name)
    columns = BoundedList(Expression(MAX_EXPRESSION), MAX_COLUMNS, allow_none=True)
    where = Expression(MAX_WHERE, allow_none=True)
    aggregate = fields.Nested(AggregateSchema, allow_none=True)

    @validates_schema
    def check_target(self, data: dict[str, Any], **_kwargs: Any) -> None:
        kinds = [kind for kind in MODES_OF_KIND if data.get(kind) is not None]
        if len(kinds) > 1:
            message = f"Give only one of {', '.join(kinds)}."
            raise ValidationError({kind: [message] for kind in kinds})
        faults = {}
        if kinds and data.get("mode") not in (None, *MODES_OF_KIND[kinds[0]]):
            possible = ", ".join(MODES_OF_KIND[kinds[0]])
            faults["mode"] = [f"A {kinds[0]} can be traced in: {possible}."]
        if faults:
            raise ValidationError(faults)

    @post_load
    def make_spec(self, data: dict[str, Any], **_kwargs: Any) -> ProbeSpec:
        given = {k: v for k, v in (data.get("filter") or {}).items() if v is not None}
        targets = [Target(kind, data[kind]) for kind in MODES_OF_KIND if data.get(kind) is not None]
        columns = data.get("columns")
        return ProbeSpec(
            Filter(**given),
            data.get("duration_s"),
            data["restart"],
            targets[0] if targets else None,
            data.get("mode"),
            None if columns is None else tuple(columns),
            data.get("where"),
            data.get("aggregate"),
        )


class ComparisonSchema(SpecSchema):
    """The body of a comparison: what to trace, as in a start, in which modes and for how long."""

    class Meta:
        unknown = RAISE
        exclude = ("mode", "restart", "aggregate")

    modes = BoundedList(fields.String(validate=_check_mode), len(MODES), load_default=None)
    duration_s = StrictNumber(
        load_default=DEFAULT_DURATION_S, validate=Range(0, MAX_COMPARED_S, min_inclusive=False)
    )

    @post_load
    def make_spec(self, data: dict[str, Any], **_kwargs: Any) -> Any:
        modes, duration_s = data.pop("modes"), data.pop("duration_s")
        if modes is not None and len(set(modes)) < max(2, len(modes)):
            raise ValidationError({"modes": ["Must be two or more, each once."]})
        spec = super().make_spec({**data, "restart": False})
        return {"spec": spec, "modes": modes, "duration_s": duration_s}


class FilterChangeSchema(StrictSchema):
    """The body of a change (RFC 7396): an absent member is not the same as null."""

    filter = fields.Nested(FilterSchema, allow_none=True)
    where = Expression(MAX_WHERE, allow_none=True)
    columns = BoundedList(Expression(MAX_EXPRESSION), MAX_COLUMNS, allow_none=True)

    @validates_schema
    def check_something(self, data: dict[str, Any], **_kwargs: Any) -> None:
        if not data:
            raise ValidationError("Give filter, where or columns.")


class WhereQuerySchema(StrictSchema):
    """Which events: those of some probes (`probe` may be repeated) that pass a filter."""

    probe = fields.List(fields.String())
    where = fields.String(
        validate=Length(max=MAX_CHARACTERS), metadata={"description": "See docs/filters.md"}
    )


class StreamQuerySchema(WhereQuerySchema):
    """Which events a stream carries: live ones only by default."""

    recent = QueryBoolean(load_default=False)


class WebsocketQuerySchema(StrictSchema):
    """Which events a websocket carries; it starts with the recent ones by default."""

    probe = fields.List(fields.String())
    recent = QueryBoolean(load_default=True)


class EventsQuerySchema(WhereQuerySchema):
    """Which of the recent events."""

    limit = QueryInteger(load_default=DEFAULT_LIMIT, validate=Range(1, MAX_LIMIT))
    after = fields.String()


class FieldsQuerySchema(StrictSchema):
    """Below which expression; of what kind the name is, and of which module."""

    at = fields.String(load_default="", validate=Length(max=MAX_EXPRESSION))
    kind = fields.String(validate=OneOf(("function", "syscall", "tracepoint")))
    module = fields.String(validate=Length(max=MAX_MODULE_NAME))


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
