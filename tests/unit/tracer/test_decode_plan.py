# SPDX-License-Identifier: Apache-2.0
"""Batches of a plan: their metadata, fields and numbers; the way to JSON rows."""

from __future__ import annotations

import io
from typing import Any

import nanoarrow as na
import pytest
from nanoarrow.ipc import InputStream

from app.columns.column import CALLER, RESULT
from app.columns.plan import ENTRY, Output, Plan, Read
from app.tracer.decode_plan import PlanEncoder
from app.web.api.rows import rows_of
from tests.support.plan_records import Record, column, parts_of, plan_of

STATES = ((1, "ESTABLISHED"), (7, "CLOSE"))
OUTPUTS = [
    *[Output(each, "head") for each in CALLER],
    Output(column("ok", "bool"), "bool", (0,)),
    Output(column("at", "uint64", render="hex"), "hex", (1,)),
    Output(column("state", "int32", names="states", render="name"), "name", (2,), names=STATES),
    Output(column("path", "text"), "text", (), (0,)),
    *[Output(each, "head") for each in RESULT],
]
PLAN = plan_of(OUTPUTS, reads=[Read(ENTRY, 0)] * 3, texts=1)


def encode(encoder: PlanEncoder, plan: Plan, *records: Record) -> bytes:
    return encoder.encode(parts_of(plan, records)[0], lambda _: 0)


def schema_of(data: bytes) -> Any:
    return na.ArrayStream(InputStream.from_readable(io.BytesIO(data))).schema


def test_batches_carry_their_origin_and_number() -> None:
    encoder = PlanEncoder("reads", 7, PLAN)
    record = Record((1, 2, 3), (b"p",))
    numbers = [dict(schema_of(encode(encoder, PLAN, record)).metadata) for _ in range(2)]
    origin = {b"probe": b"reads", b"mode": b"fexit", b"run": b"7"}
    assert numbers == [{**origin, b"batch": b"0"}, {**origin, b"batch": b"1"}]


def test_fields_say_how_they_are_shown() -> None:
    data = encode(PlanEncoder("reads", 7, PLAN), PLAN, Record((1, 2, 3), (b"p",)))
    fields = {field.name: dict(field.metadata or {}) for field in schema_of(data).fields}
    assert {name: metadata for name, metadata in fields.items() if metadata} == {
        "at": {b"render": b"hex"},
        "state": {
            b"names": b"states",
            b"render": b"name",
            b"value_names": b'{"1": "ESTABLISHED", "7": "CLOSE"}',
        },
        "ret": {b"names": b"errors"},
        "errno": {b"names": b"errors"},
    }


def test_rows_as_json() -> None:
    records = [
        Record((1, 2**64 - 1, 7), (b"/a\xff",), entry_ns=1, ret=-2, latency_ns=2**53 + 1),
        Record((0, 0, 8), (None,), entry_ns=2),
        Record((None, None, None), (b"b" * 4096,), entry_ns=3, cut=frozenset({0})),
    ]
    rows = [*rows_of(encode(PlanEncoder("reads", 7, PLAN), PLAN, *records))]
    assert rows[0] == {
        "time": "1970-01-01T00:00:00.000000001Z", "probe": "reads", "mode": "fexit", "pid": 1,
        "tid": 2, "uid": 3, "process": "process", "comm": "thread", "ok": True,
        "at": "0xffffffffffffffff", "state": "CLOSE", "path": "/a\\xff", "ret": -2,
        "errno": "ENOENT", "latency_ns": 2**53 + 1,
    }  # fmt: skip
    shown = [(row["ok"], row["at"], row["state"], row["path"]) for row in rows[1:]]
    assert shown == [(False, "0x0", 8, None), (None, None, None, "b" * 4096 + "…")]


def test_names_follow_the_batch_where_the_table_is_long() -> None:
    names = tuple((value, f"N{value}") for value in range(1_000))
    output = Output(column("state", "uint32", render="name"), "name", (0,), names=names)
    plan = plan_of([output], reads=[Read(ENTRY, 0)])
    encoder = PlanEncoder("states", 1, plan)
    for value in (3, 3, 999, 1_000, 5):
        data = encode(encoder, plan, Record((value,)))
        assert len(data) < 2_000
        assert [row["state"] for row in rows_of(data)] == [f"N{value}" if value < 1_000 else value]


def test_an_unknown_decoder_is_refused() -> None:
    plan = plan_of([Output(column("x", "text"), "guess")])
    with pytest.raises(ValueError, match="unknown decoders: guess"):
        PlanEncoder("x", 1, plan)
