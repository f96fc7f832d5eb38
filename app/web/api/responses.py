# SPDX-License-Identifier: Apache-2.0
"""The shapes of answers, for the OpenAPI document; the probe manager makes the answers."""

from __future__ import annotations

from marshmallow import Schema, fields

from app.web.api.requests import FilterSchema


class ColumnSchema(Schema):
    name = fields.String(required=True)
    type = fields.String(required=True)
    title = fields.String(required=True)
    help = fields.String(required=True)
    unit = fields.String(required=True, allow_none=True)
    nullable = fields.Boolean(required=True)
    names = fields.String(
        required=True,
        allow_none=True,
        metadata={"description": "The table of `names` in `GET /probes` that names its values"},
    )


class CountersSchema(Schema):
    """Rows; produced = delivered + dropped_kernel + dropped_pipe + dropped_client."""

    produced = fields.Integer(required=True)
    delivered = fields.Integer(required=True)
    dropped_kernel = fields.Integer(required=True)
    dropped_pipe = fields.Integer(required=True)
    dropped_client = fields.Integer(required=True)


class EndSchema(Schema):
    code = fields.String(required=True)
    detail = fields.String(required=True)
    at = fields.String(required=True)
    reason = fields.String()
    restart_at = fields.String()


class ChangeSchema(Schema):
    """The last change that somebody asked for."""

    who = fields.String(required=True)
    what = fields.String(required=True, metadata={"enum": ["started", "stopped", "filter"]})
    at = fields.String(required=True)


class ClientSchema(Schema):
    client = fields.Integer(required=True)
    peer = fields.String(required=True)
    kind = fields.String(required=True)
    queued = fields.Integer(required=True)
    counters = fields.Nested(CountersSchema, required=True)


class CostSchema(Schema):
    """Time inside the BPF programs, measured by the kernel over the last `calls` it counted."""

    calls = fields.Integer(required=True)
    ns_per_call = fields.Float(required=True)


class BlindSchema(Schema):
    """The programs of a running probe are attached, but the kernel does not run them."""

    since = fields.String(required=True)
    reason = fields.String(required=True)
    hint = fields.String(required=True)


class ProbeSchema(Schema):
    id = fields.String(required=True)
    mode = fields.String(required=True)
    function = fields.String(required=True, allow_none=True)
    state = fields.String(required=True)
    available = fields.Boolean(required=True)
    reason = fields.String(required=True, allow_none=True)
    hint = fields.String(required=True, allow_none=True)
    filter = fields.Nested(FilterSchema, required=True)
    duration_s = fields.Float(required=True, allow_none=True)
    restart = fields.Boolean(required=True)
    restarts = fields.Integer(required=True)
    started_at = fields.String(required=True, allow_none=True)
    ended = fields.Nested(EndSchema, required=True, allow_none=True)
    blind = fields.Nested(BlindSchema, required=True, allow_none=True)
    not_seen = fields.List(
        fields.String(), required=True, metadata={"description": "What the mode does not show"}
    )
    changed_by = fields.Nested(ChangeSchema, required=True, allow_none=True)
    columns = fields.List(fields.Nested(ColumnSchema), required=True)
    counters = fields.Nested(CountersSchema, required=True)
    drops = fields.Dict(keys=fields.String(), values=fields.Integer(), required=True)
    cost = fields.Nested(CostSchema, required=True, allow_none=True)
    clients = fields.List(fields.Nested(ClientSchema), required=True)


class KernelSchema(Schema):
    release = fields.String(required=True)
    machine = fields.String(required=True)
    hostname = fields.String(required=True)


class NameSchema(Schema):
    """`value` as a column holds it: -2 for ENOENT."""

    value = fields.Integer(required=True)
    name = fields.String(required=True)
    aliases = fields.List(fields.String(), required=True)
    meaning = fields.String(required=True)


class ProbesSchema(Schema):
    probes = fields.List(fields.Nested(ProbeSchema), required=True)
    kernel = fields.Nested(KernelSchema, required=True)
    names = fields.Dict(
        keys=fields.String(),
        values=fields.List(fields.Nested(NameSchema)),
        required=True,
        metadata={"description": "Tables of names that columns refer to"},
    )


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
        metadata={"description": "Their rows after the cursor that are no longer held"},
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
