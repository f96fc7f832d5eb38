# SPDX-License-Identifier: Apache-2.0
"""Columns of every type as Arrow, read back as rows."""

from __future__ import annotations

import io
from typing import Any

import arro3.io
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.tracer.arrow import TYPES, Numbers, Stream
from app.tracer.text_columns import Coded, Table, from_matrix
from app.web.api.rows import rows_of
from tests.support.plan_records import column
from tests.unit.tracer.test_text_columns import matrix


@pytest.mark.parametrize("rows", [0, 1, 7, 8, 9, 64, 65])
@pytest.mark.parametrize("kind", TYPES)
def test_nulls_are_where_values_are_invalid(kind: str, rows: int) -> None:
    valid = np.arange(rows) % 3 != 0
    values = Numbers(np.arange(rows) % 2, valid)
    texts = from_matrix(*matrix([str(i % 2).encode() for i in range(rows)]))
    cells = type(texts)(texts.offsets, texts.data, valid) if kind == "text" else values
    for nullable in (True, False):
        data = Stream({}, [column("x", kind, nullable=nullable)]).write(rows, [cells])
        found = [row["x"] for row in rows_of(data)]
        if kind == "timestamp_ns":
            found = [None if cell is None else int(cell[-2]) for cell in found]
        elif kind == "text":
            found = [None if cell is None else int(cell) for cell in found]
        wanted = [i % 2 if i % 3 or not nullable else None for i in range(rows)]
        assert found == wanted


def test_truth_values_are_booleans() -> None:
    bits = np.array([True, False, True] * 5)
    data = Stream({}, [column("x", "bool")]).write(15, [Numbers(bits)])
    assert [row["x"] for row in rows_of(data, 2, 13)] == bits.tolist()[2:13]
    assert {type(row["x"]) for row in rows_of(data)} == {bool}


def test_a_view_with_gaps_is_copied() -> None:
    data = Stream({}, [column("x", "uint32")]).write(
        3, [Numbers(np.arange(9, dtype=np.uint32).reshape(3, 3)[:, 1])]
    )
    assert [row["x"] for row in rows_of(data)] == [1, 4, 7]


def read_elsewhere(data: bytes) -> Any:
    """Read a stream by Apache's own reader, in Rust."""
    return arro3.io.read_ipc_stream(io.BytesIO(data)).read_all()


def cells(table: Any, name: str) -> list[Any]:
    return [cell.as_py() for chunk in table.column(name).chunks for cell in chunk]


INTEGERS = {
    "uint32": (0, 2**32 - 1),
    "int32": (-(2**31), 2**31 - 1),
    "uint64": (0, 2**64 - 1),
    "int64": (-(2**63), 2**63 - 1),
}


@settings(deadline=None)
@given(st.data(), st.sampled_from(sorted(INTEGERS)), st.sampled_from([7, 8, 15, 16, 31, 32, 64]))
def test_numbers_of_any_size_are_read_back(data: st.DataObject, kind: str, bits: int) -> None:
    low, high = INTEGERS[kind]
    some = st.integers(max(low, -(2**bits)), min(high, 2**bits - 1))
    drawn = data.draw(st.lists(st.one_of(st.none(), some), min_size=1, max_size=9))
    numbers = drawn * 60
    valid = np.array([number is not None for number in numbers])
    values = np.array([number or 0 for number in numbers], dtype=TYPES[kind][1])
    stream = Stream({"a": "b"}, [column("x", kind, nullable=True)])
    written = stream.write(len(numbers), [Numbers(values, valid)])
    assert [row["x"] for row in rows_of(written)] == numbers
    assert cells(read_elsewhere(written), "x") == numbers


@pytest.mark.parametrize(
    ("kind", "ends", "wanted"),
    [
        ("int64", (-128, 127), "Int8"),
        ("int64", (-129, 0), "Int16"),
        ("int64", (0, 2**15), "Int32"),
        ("int64", (0, 2**31), "Int64"),
        ("uint64", (0, 255), "UInt8"),
        ("uint64", (0, 256), "UInt16"),
        ("uint64", (0, 2**32 - 1), "UInt32"),
        ("uint64", (0, 2**32), "UInt64"),
        ("int32", (-1, 1), "Int8"),
        ("uint32", (0, 65535), "UInt16"),
        ("uint32", (0, 65536), "UInt32"),
        ("timestamp_ns", (0, 1), 'Timestamp(ns, "UTC")'),
    ],
)
def test_numbers_are_of_the_narrowest_type(kind: str, ends: tuple[int, int], wanted: str) -> None:
    values = Numbers(np.array(ends * 200, dtype=TYPES[kind][1]))
    field = read_elsewhere(Stream({}, [column("x", kind)]).write(400, [values])).schema.field("x")
    assert wanted in str(field.type)
    is_narrow = wanted.lower() != kind and kind != "timestamp_ns"
    assert field.metadata.get(b"type") == (kind.encode() if is_narrow else None)


def test_numbers_in_hexadecimal_keep_the_digits_of_their_type() -> None:
    for kind, digits in (("int32", 8), ("int64", 16)):
        stream = Stream({}, [column("x", kind, render="hex")])
        rows = rows_of(stream.write(200, [Numbers(np.full(200, -1))]))
        assert [row["x"] for row in rows] == ["0x" + "f" * digits] * 200


@settings(deadline=None)
@given(
    st.lists(st.binary(max_size=15).filter(lambda b: b"\0" not in b), min_size=1, max_size=300),
    st.integers(1, 400),
)
def test_texts_of_a_table_are_read_back(texts: list[bytes], repeats: int) -> None:
    table = from_matrix(*matrix(texts))
    codes = np.tile(np.arange(len(texts), dtype=np.int32), repeats)[:1000]
    valid = np.arange(len(codes)) % 5 != 0
    data = Stream({}, [column("x", "text", nullable=True)]).write(
        len(codes), [Coded(codes, table, valid)]
    )
    shown = [text.decode("utf-8", "backslashreplace") for text in texts]
    wanted = [
        shown[code] if is_valid else None for code, is_valid in zip(codes, valid, strict=True)
    ]
    assert [row["x"] for row in rows_of(data)] == wanted
    assert cells(read_elsewhere(data), "x") == wanted


@pytest.mark.parametrize(
    ("distinct", "wanted"),
    [(2, "Int8"), (128, "Int8"), (129, "Int16"), (1000, "Utf8")],
)
def test_few_texts_are_in_a_dictionary(distinct: int, wanted: str) -> None:
    table = Table(tuple(f"text {i:04}" for i in range(distinct)))
    coded = table.coded(np.arange(1000) % distinct)
    data = Stream({}, [column("x", "text")]).write(1000, [coded])
    kind = str(read_elsewhere(data).schema.field("x").type)
    assert wanted in kind
    assert ("Dictionary" in kind) == (distinct < 1000)


def test_a_batch_is_numbered_whatever_the_schema() -> None:
    stream = Stream({"batch_of": "10"}, [column("x", "int64")])
    small, large = Numbers(np.zeros(100)), Numbers(np.full(100, 2**40))
    for number in range(12):
        read = read_elsewhere(stream.write(100, [(small, small, large)[number % 3]]))
        assert read.schema.metadata == {b"batch_of": b"10", b"batch": str(number).encode()}
