# SPDX-License-Identifier: Apache-2.0
"""The shapes of answers, for the OpenAPI document; the probe manager makes the answers."""

from __future__ import annotations

from marshmallow import Schema, fields

from app.web.schemas import FilterSchema


class ColumnSchema(Schema):
    name = fields.String(required=True)
    type = fields.String(required=True)
    title = fields.String(required=True)
    help = fields.String(required=True)
    unit = fields.String(required=True, allow_none=True)
    nullable = fields.Boolean(required=True)


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


class ProbesSchema(Schema):
    probes = fields.List(fields.Nested(ProbeSchema), required=True)
    kernel = fields.Nested(KernelSchema, required=True)


class EventsSchema(Schema):
    events = fields.List(fields.Dict(), required=True)
    next = fields.String(required=True, metadata={"description": "For `after`"})
    missed = fields.Integer(
        required=True, metadata={"description": "Rows after the cursor that are no longer held"}
    )


class AuditSchema(Schema):
    entries = fields.List(fields.Dict(), required=True)


class UserSchema(Schema):
    uid = fields.Integer(required=True)
    name = fields.String(required=True)


class UsersSchema(Schema):
    users = fields.List(fields.Nested(UserSchema), required=True)


class HealthSchema(Schema):
    status = fields.String(required=True)
