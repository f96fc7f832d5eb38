# SPDX-License-Identifier: Apache-2.0
"""Columns of every type as Arrow, read back as rows."""

from __future__ import annotations

import numpy as np
import pytest

from app.tracer.arrow import TYPES, Numbers, Stream
from app.tracer.text_columns import from_matrix
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
