# SPDX-License-Identifier: Apache-2.0
"""One row for each decoder, as a reader of docs/columns.md expects it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from app.columns.plan import ENTRY, Output, Read
from app.tracer.any_records import Batch
from app.tracer.arrow import Numbers
from app.tracer.decoders import DECODERS, SHORT_TABLE
from tests.support.plan_records import Record, column, parts_of, plan_of
from tests.unit.tracer.test_text_columns import strings

SIGNED = Read(ENTRY, 0, signed=True)
UNSIGNED = Read(ENTRY, 0)


def cells(decoder: str, kind: str, *records: Record, **members: Any) -> list[Any]:
    """Decode all values and texts of the records, in order, into one column."""
    names = members.pop("names", ())
    reads = [members.pop("read", UNSIGNED)] * len(records[0].values)
    texts = len(records[0].texts)
    output = Output(
        column(members.pop("name", "x"), kind),
        decoder,
        tuple(range(len(reads))),
        tuple(range(texts)),
        names,
    )
    plan = plan_of([output], reads=reads, texts=texts)
    parts, _ = parts_of(plan, records)
    found = DECODERS[decoder](Batch(plan, parts, lambda _: 1_000), output)
    shown = found.values.tolist() if isinstance(found, Numbers) else strings(found)
    valid = [True] * len(records) if found.valid is None else found.valid.tolist()
    return [cell if is_valid else None for cell, is_valid in zip(shown, valid, strict=True)]


@pytest.mark.parametrize(
    ("decoder", "kind", "values", "cell"),
    [
        ("number", "uint64", (2**63 + 1,), 2**63 + 1),
        ("number", "int64", (-1,), -1),
        ("number", "int32", (-(2**31),), -(2**31)),
        ("number", "uint32", (2**32 - 1,), 2**32 - 1),
        ("hex", "uint64", (2**64 - 1,), 2**64 - 1),
        ("bool", "bool", (0,), False),
        ("bool", "bool", (2**32,), True),
        ("name", "int32", (-1,), -1),
        ("error", "text", (-2,), "ENOENT"),
        ("error", "text", (2**64 - 4095,), "E4095"),
        ("error", "text", (2**64 - 4096,), None),
        ("error", "text", (0,), None),
        ("error", "text", (2**63,), None),
        ("device", "text", (8 << 20 | 1,), "8:1"),
        ("device", "text", (2**32 - 1,), "4095:1048575"),
        ("inode", "text", (2**64 - 1, 259 << 20), "18446744073709551615 on 259:0"),
        ("list", "text", (7,), "[7]"),
        ("list", "text", (1, 2**64 - 1), "[1, 18446744073709551615]"),
        ("since", "int64", (400,), 600),
        ("since", "int64", (1_500,), -500),
    ],
)
def test_a_cell_of_values(decoder: str, kind: str, values: tuple[int, ...], cell: Any) -> None:
    record = Record(values, entry_ns=1_000)
    unreadable = Record((*values[1:], None), entry_ns=1_000)
    assert cells(decoder, kind, record, unreadable) == [cell, None]


def test_lists_of_signed_numbers() -> None:
    rows = [Record((-1, 2)), Record((-(2**63), 0))]
    assert cells("list", "text", *rows, read=SIGNED) == ["[-1, 2]", "[-9223372036854775808, 0]"]


@pytest.mark.parametrize(
    ("decoder", "text", "cell"),
    [
        ("text", b"/etc/passwd", "/etc/passwd"),
        ("text", b"", ""),
        ("text", b"a\xc3", "a\\xc3"),
        ("bytes", b"\x00\xff0", "00ff30"),
        ("sockaddr", b"\x02\x00\x01\xbb\x0a\x00\x00\x01", "10.0.0.1:443"),
    ],
)
def test_a_cell_of_a_text(decoder: str, text: bytes, cell: str) -> None:
    assert cells(decoder, "text", Record((), (text,)), Record((), (None,))) == [cell, None]


@pytest.mark.parametrize(("decoder", "cell"), [("text", "etc"), ("bytes", "657463")])
def test_texts_whose_ends_are_missing(decoder: str, cell: str) -> None:
    rows = [
        Record((), (b"etc",), cut=frozenset({0})),
        Record((), (b"etc",), headless=frozenset({0})),
        Record((), (b"etc",), cut=frozenset({0}), headless=frozenset({0})),
        Record((), (b"etc",), cut=frozenset({1}), headless=frozenset({2})),  # others
        Record((), (None,), cut=frozenset({0})),
    ]
    assert cells(decoder, "text", *rows) == [f"{cell}…", f"…{cell}", f"…{cell}…", cell, None]


def test_tasks() -> None:
    rows = [Record((1,), (b"systemd",)), Record((None,), (b"a",)), Record((2,), (None,))]
    assert cells("task", "text", *rows) == ["systemd (1)", None, None]


@pytest.mark.parametrize(
    ("name", "kind", "cell"),
    [
        ("time", "timestamp_ns", 1_009), ("pid", "uint32", 1), ("tid", "uint32", 2),
        ("uid", "uint32", 3), ("process", "text", "process"), ("comm", "text", "thread"),
        ("cpu", "uint32", 4), ("ret", "int64", -13), ("errno", "text", "EACCES"),
        ("latency_ns", "uint64", 2**64 - 1),
    ],
)  # fmt: skip
def test_the_head(name: str, kind: str, cell: Any) -> None:
    record = Record(entry_ns=9, latency_ns=2**64 - 1, ret=-13, cpu=4)
    assert cells("head", kind, record, name=name) == [cell]


@pytest.mark.parametrize("size", [1, SHORT_TABLE, SHORT_TABLE + 1, 5_000])
def test_names_of_a_long_table_are_sent_as_needed(size: int) -> None:
    table = tuple((value, f"N{value}") for value in range(-1, size - 1))
    output = Output(column("state", "int32"), "name", (0,), names=table)
    plan = plan_of([output], reads=[SIGNED])
    parts, _ = parts_of(plan, [Record((value,)) for value in (-1, 0, 60, 60, 10_000)])
    found = DECODERS["name"](Batch(plan, parts, lambda _: 0), output)
    assert isinstance(found, Numbers) and isinstance(found.values, np.ndarray)
    present = {value: name for value, name in table if value in (-1, 0, 60)}
    assert found.names == (dict(table) if size <= SHORT_TABLE else present)
