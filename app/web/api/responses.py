# SPDX-License-Identifier: Apache-2.0
"""The shapes of answers, for the OpenAPI document.

Those of probes are made from the types that `app.probes.describe` is checked against. That the
others are what is sent is checked on recorded answers (tests/unit/web/api/test_responses.py).
"""

from __future__ import annotations

from marshmallow import Schema, fields

from app.columns.column import Column
from app.columns.field_level import FieldHere
from app.probes.json_shapes import HintJson, ProbeJson, ProbesJson
from app.web.api.requests import FilterSchema
from app.web.api.typed_schemas import schema_of

ColumnSchema = schema_of(
    Column,
    names=fields.String(
        required=True,
        allow_none=True,
        metadata={"description": "The table of `names` in `GET /probes` that names its values"},
    ),
)


class CountersSchema(Schema):
    """Rows; produced = delivered + dropped_kernel + dropped_pipe + dropped_client."""

    produced = fields.Integer(required=True)
    delivered = fields.Integer(required=True)
    dropped_kernel = fields.Integer(required=True)
    dropped_pipe = fields.Integer(required=True)
    dropped_client = fields.Integer(required=True)


class ClientSchema(Schema):
    client = fields.Integer(required=True)
    peer = fields.String(required=True)
    kind = fields.String(required=True)
    queued = fields.Integer(required=True)
    counters = fields.Nested(CountersSchema, required=True)


HintSchema = schema_of(HintJson)
ProbeSchema = schema_of(
    ProbeJson,
    where_hints=fields.List(fields.Nested(HintSchema), required=True),
    filter=fields.Nested(FilterSchema, required=True),
    columns=fields.List(fields.Nested(ColumnSchema), required=True),
    counters=fields.Nested(CountersSchema, required=True),
    clients=fields.List(fields.Nested(ClientSchema), required=True),
)


class NameSchema(Schema):
    """`value` as a column holds it: -2 for ENOENT."""

    value = fields.Integer(required=True)
    name = fields.String(required=True)
    aliases = fields.List(fields.String(), required=True)
    meaning = fields.String(required=True)


ProbesSchema = schema_of(
    ProbesJson,
    probes=fields.List(fields.Nested(ProbeSchema), required=True),
    names=fields.Dict(
        keys=fields.String(),
        values=fields.List(fields.Nested(NameSchema)),
        required=True,
        metadata={"description": "Tables of names that columns refer to"},
    ),
)


# One level of fields (docs/columns.md).
LevelSchema = Schema.from_dict(
    {
        "name": fields.String(required=True),
        "kind": fields.String(required=True),
        "at": fields.String(required=True),
        "type": fields.String(
            required=True, metadata={"description": "The expression's type; empty without one"}
        ),
        "declaration": fields.String(required=True, metadata={"description": "In C"}),
        "fields": fields.List(fields.Nested(schema_of(FieldHere)), required=True),
        "left_out": fields.Integer(required=True),
    },
    name="LevelSchema",
)


class PresetModeSchema(Schema):
    """What a preset traces in a mode; all null but the reason where it is not available."""

    mode = fields.String(required=True)
    available = fields.Boolean(required=True)
    reason = fields.String(required=True, allow_none=True)
    kind = fields.String(required=True, allow_none=True)
    target = fields.String(required=True, allow_none=True)
    columns = fields.List(
        fields.String(), required=True, metadata={"description": "Expressions, as in a start"}
    )
    where = fields.String(required=True, allow_none=True)
    not_seen = fields.List(
        fields.String(), required=True, metadata={"description": "What it does not show"}
    )


class PresetSchema(Schema):
    name = fields.String(required=True)
    title = fields.String(required=True)
    help = fields.String(required=True)
    mode = fields.String(
        required=True, allow_none=True, metadata={"description": "The best here, if any"}
    )
    modes = fields.List(fields.Nested(PresetModeSchema), required=True)


class PresetsSchema(Schema):
    presets = fields.List(fields.Nested(PresetSchema), required=True)


class GapSchema(Schema):
    """Something is missing before the event with the index `before` of this answer."""

    type = fields.String(required=True)
    probe = fields.String(required=True)
    where = fields.String(required=True)
    rows = fields.Integer(required=True, allow_none=True)
    since = fields.String(required=True, allow_none=True, data_key="from")
    until = fields.String(required=True, allow_none=True, data_key="to")
    before = fields.Integer(required=True)


class EventsSchema(Schema):
    events = fields.List(fields.Dict(), required=True)
    gaps = fields.List(fields.Nested(GapSchema), required=True)
    next = fields.String(required=True, metadata={"description": "For `after`"})
    missed = fields.Integer(
        required=True,
        metadata={"description": "Rows of these probes after the cursor that were evicted"},
    )
    examined = fields.Integer(
        required=True,
        metadata={"description": "Rows that were tested by `where`; without it, those of `events`"},
    )
    hints = fields.List(
        fields.Nested(HintSchema),
        required=True,
        metadata={"description": "How `where` was understood, where that may surprise"},
    )


class CountedSchema(Schema):
    """What was counted so far. `rows` are the groups with the most calls; with a histogram, each
    has its buckets."""

    probe = fields.String(required=True)
    time = fields.String(required=True, allow_none=True)
    calls = fields.Integer(
        required=True, metadata={"description": "Of all groups, also those not shown"}
    )
    groups = fields.Integer(required=True, metadata={"description": "How many there are"})
    ungrouped = fields.Integer(
        required=True, metadata={"description": "Calls for whose group there was no room"}
    )
    rows = fields.List(fields.Dict(), required=True)


class ComparedTargetSchema(Schema):
    kind = fields.String(required=True)
    name = fields.String(required=True)


class ComparedModeSchema(Schema):
    """A mode of a comparison. Times are in ns; null is what was not measured."""

    mode = fields.String(required=True)
    available = fields.Boolean(required=True)
    reason = fields.String(required=True, allow_none=True)
    hint = fields.String(required=True, allow_none=True)
    rows = fields.Integer(required=True, allow_none=True)
    lost = fields.Integer(
        required=True, allow_none=True, metadata={"description": "Rows lost, and counted as lost"}
    )
    missing = fields.Integer(
        required=True,
        allow_none=True,
        metadata={"description": "Calls that were made, and that it did not show"},
    )
    program_ns_per_call = fields.Float(
        required=True,
        allow_none=True,
        metadata={"description": "In its programs, as the kernel counts it"},
    )
    added_ns_per_call = fields.Float(
        required=True,
        allow_none=True,
        metadata={"description": "Added to the processor time of the caller of the function"},
    )
    slow_down = fields.Float(
        required=True,
        allow_none=True,
        metadata={"description": "A call's time when traced, by its time when not"},
    )


class ComparedSchema(Schema):
    """What modes showed of the same calls, and what each costs."""

    target = fields.Nested(ComparedTargetSchema, required=True)
    calls = fields.Integer(
        required=True,
        allow_none=True,
        metadata={"description": "Made for it; null where calls of others were waited for"},
    )
    untraced_ns_per_call = fields.Float(required=True, allow_none=True)
    modes = fields.List(fields.Nested(ComparedModeSchema), required=True)
    agree = fields.Boolean(
        required=True,
        allow_none=True,
        metadata={"description": "Whether all showed the same; null with less than two modes"},
    )
    compared = fields.List(
        fields.String(), required=True, metadata={"description": "The columns that were compared"}
    )
    differences = fields.List(
        fields.Dict(),
        required=True,
        metadata={"description": "Calls that a mode shows, and another one does not"},
    )


class AuditSchema(Schema):
    entries = fields.List(fields.Dict(), required=True)


class UserSchema(Schema):
    uid = fields.Integer(required=True)
    name = fields.String(required=True)
    aliases = fields.List(
        fields.String(),
        required=True,
        metadata={"description": "Other names asked for that mean this user"},
    )


class UsersSchema(Schema):
    users = fields.List(fields.Nested(UserSchema), required=True)


class HealthSchema(Schema):
    status = fields.String(required=True)
    version = fields.String(required=True)


class ChallengeSchema(Schema):
    challenge = fields.String(required=True)


class SessionSchema(Schema):
    session = fields.String(required=True, metadata={"description": "Ends with the service"})
    lifetime_s = fields.Float(required=True)
    mac = fields.String(required=True, metadata={"description": "The service's own proof"})
