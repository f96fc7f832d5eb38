# SPDX-License-Identifier: Apache-2.0
"""Arrow batches as rows: every type, hostile text, the ends of the ranges, slices."""

from __future__ import annotations

import io
import json
from datetime import datetime, timezone

import nanoarrow as na
import pytest
from hypothesis import given
from hypothesis import strategies as st
from nanoarrow.ipc import StreamWriter

from app.web.api.rows import rfc3339, rows_of
from tests.support.web_fakes import arrow_batch, deletions

INT64 = (-(2**63), -1, 0, 1, 2**63 - 1)


def test_a_row_is_in_the_order_of_the_protocol() -> None:
    (row,) = rows_of(deletions(["/tmp/x"]))
    assert list(row.items()) == [
        ("time", "2026-11-22T10:00:00.123456789Z"),
        ("probe", "fexit"),
        ("mode", "fexit"),
        ("pid", 100),
        ("comm", "rm"),
        ("filename", "/tmp/x"),
        ("ret", 0),
        ("errno", None),
        ("latency_ns", 1500),
    ]


def test_every_type_at_its_ends() -> None:
    batch = arrow_batch(
        {
            "time": ("timestamp_ns", INT64),
            "a": ("uint32", [0, 1, 2, 3, 2**32 - 1]),
            "b": ("int32", [-(2**31), -100, 0, 1, 2**31 - 1]),
            "c": ("uint64", [0, 1, 2, 2**53 + 1, 2**64 - 1]),
            "d": ("int64", INT64),
            "e": ("text", ["", "a", "é", "\U0001f600", "z"]),
        }
    )
    rows = list(rows_of(batch))
    assert [row["a"] for row in rows] == [0, 1, 2, 3, 2**32 - 1]
    assert [row["b"] for row in rows] == [-(2**31), -100, 0, 1, 2**31 - 1]
    assert [row["c"] for row in rows] == [0, 1, 2, 2**53 + 1, 2**64 - 1]
    assert [row["d"] for row in rows] == list(INT64)
    assert [row["e"] for row in rows] == ["", "a", "é", "\U0001f600", "z"]
    assert rows[0]["time"] == "1677-09-21T00:12:43.145224192Z"
    assert rows[-1]["time"] == "2262-04-11T23:47:16.854775807Z"


@pytest.mark.parametrize("kind", ["timestamp_ns", "uint32", "int32", "uint64", "int64", "text"])
def test_nulls(kind: str) -> None:
    filled = "x" if kind == "text" else 1
    values = [None, filled, None, *[filled] * 6, None]  # over the edge of a validity byte
    rows = list(rows_of(arrow_batch({"v": (kind, values)})))
    assert [row["v"] is None for row in rows] == [value is None for value in values]


def test_truth_values() -> None:
    for values in ([True], [False], [True, False, None] * 6, [False] * 8 + [True]):
        assert [row["v"] for row in rows_of(arrow_batch({"v": ("bool", values)}))] == values
        part = rows_of(arrow_batch({"v": ("bool", values)}), 1, 12)
        assert [row["v"] for row in part] == values[1:12]


@pytest.mark.parametrize(
    ("kind", "values", "shown"),
    [
        ("uint64", [0, 2**53 + 1, 2**64 - 1], ["0x0", "0x20000000000001", "0x" + "f" * 16]),
        ("int64", [-1, 2**63 - 1, -(2**63)], ["0x" + "f" * 16, "0x7" + "f" * 15, "0x8" + "0" * 15]),
        ("uint32", [1, 2**32 - 1, None], ["0x1", "0xffffffff", None]),
        ("int32", [-1, None, -(2**31)], ["0xffffffff", None, "0x80000000"]),
    ],
)
def test_numbers_to_be_shown_in_hexadecimal_are_texts(
    kind: str, values: list[int | None], shown: list[str | None]
) -> None:
    rows = rows_of(arrow_batch({"v": (kind, values)}, metadata={"v": {"render": "hex"}}))
    assert [row["v"] for row in rows] == shown


def test_numbers_with_names_are_shown_by_them() -> None:
    metadata = {"render": "name", "value_names": '{"-1": "NONE", "7": "CLOSE"}'}
    batch = arrow_batch({"v": ("int32", [7, 8, None, -1])}, metadata={"v": metadata})
    assert [row["v"] for row in rows_of(batch)] == ["CLOSE", 8, None, "NONE"]


def test_a_reference_to_a_table_changes_nothing() -> None:
    batch = arrow_batch({"v": ("int64", [-2, 0])}, metadata={"v": {"names": "errors"}})
    assert [row["v"] for row in rows_of(batch)] == [-2, 0]


def test_an_empty_batch_has_no_rows() -> None:
    assert list(rows_of(deletions([]))) == []


def test_text_that_is_not_utf8_does_not_stop_the_rows() -> None:
    assert [r["filename"] for r in rows_of(deletions([b"a\xff", b"\xed\xa0\x80", "ok"]))] == [
        "a\\xff",
        "\\xed\\xa0\\x80",
        "ok",
    ]


@pytest.mark.parametrize(
    ("start", "stop", "names"),
    [
        (0, None, "abcdefghij"),
        (3, None, "defghij"),
        (0, 3, "abc"),
        (8, 99, "ij"),
        (10, None, ""),
        (99, None, ""),
        (4, 4, ""),
    ],
)
def test_slices(start: int, stop: int | None, names: str) -> None:
    filled = [None if name == "f" else name for name in "abcdefghij"]
    rows = rows_of(deletions(filled), start, stop)
    assert [row["filename"] for row in rows] == [None if n == "f" else n for n in names]


def test_an_unknown_type_is_an_error() -> None:
    schema = na.c_schema(na.struct({"v": na.float64()}))
    children = [na.c_array([1.5], na.float64())]
    out = io.BytesIO()
    with StreamWriter.from_writable(out) as writer:
        writer.write_stream(na.c_array_from_buffers(schema, 1, [None], children=children))
    with pytest.raises(ValueError, match="Arrow type"):
        list(rows_of(out.getvalue()))


@given(st.lists(st.one_of(st.none(), st.text())))
def test_any_text_comes_through_and_is_json(names: list[str | None]) -> None:
    names = [n.encode("utf-8", "replace").decode() if n else n for n in names]
    rows = list(rows_of(deletions(names)))
    assert [row["filename"] for row in json.loads(json.dumps(rows))] == names


@given(st.lists(st.integers(-(2**63), 2**63 - 1)))
def test_times_are_exact(times_ns: list[int]) -> None:
    for time_ns, text in zip(times_ns, rfc3339(times_ns), strict=True):
        whole, fraction = text.removesuffix("Z").split(".")
        moment = datetime.fromisoformat(whole).replace(tzinfo=timezone.utc)
        since = moment - datetime(1970, 1, 1, tzinfo=timezone.utc)
        assert (since.days * 86400 + since.seconds) * 10**9 + int(fraction) == time_ns
        assert len(fraction) == 9
