# SPDX-License-Identifier: Apache-2.0
"""Random filters and rows: the kernel's part and the rest pass what the whole filter passes."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from app.filters import row_filter, split
from app.filters.kernel_filter import MAX_CLAUSES, MAX_TESTS, KernelFilter, evaluate_record
from tests.support.filter_cases import TABLES, pack, plan_of

TABLE = TABLES["typed"]
PLAN = plan_of(TABLE.columns, TABLE.tables)
NAMES = TABLE.vocabulary

# Few values of each kind, so that tests pass and fail about as often.
NUMBERS = {
    "uint32": [0, 1, 2, 2**31, 2**32 - 1],
    "int32": [-(2**31), -2, -1, 0, 1, 2**31 - 1],
    "uint64": [0, 1, 2**31, 2**63, 2**64 - 1],
    "int64": [-(2**63), -4096, -4095, -95, -2, 0, 1, 2**63 - 1],
    "bool": [True, False],
}
SHORT = ["", "a", "A", "ab", "aB", "b.log", "9", r"\xe9", r"a\xff", "é", "x/y", "*", "\\"]
EQUAL = st.sampled_from(["=", "!="])
TEXTS = [
    *SHORT,
    "/tmp/a",
    "/tmp/b.LOG",
    "a" * 64,
    "a" * 65,
    "…",
    "a\nb",
    "/tmp/a…",
    "…/tmp/a",
    "…a…",
]


def cells(column: Any) -> st.SearchStrategy[Any]:
    if column.type == "text":
        values: list[Any] = SHORT if column.name in ("comm", "process") else TEXTS
    elif column.type == "timestamp_ns":
        return st.just("2026-11-22T10:47:50.000000000Z")
    else:
        values = NUMBERS[column.type]
    is_head = column.name in ("pid", "tid", "uid", "comm", "process", "ret", "latency_ns")
    return st.sampled_from(values if is_head else [*values, None])


@st.composite
def rows(draw: st.DrawFn) -> dict[str, Any]:
    row = {column.name: draw(cells(column)) for column in TABLE.columns}
    names = {-95: "ENOTSUP", -2: "ENOENT", -4095: "E4095"}
    return {**row, "errno": names.get(row["ret"]), "probe": "mine", "mode": "fexit"}


def quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


@st.composite
def terms(draw: st.DrawFn) -> str:
    column = draw(st.sampled_from([column for column in TABLE.columns if column.name != "time"]))
    if column.type == "text":
        text = draw(st.sampled_from(TEXTS))
        operator = draw(st.sampled_from(["=", "!=", "~", "!~"]))
        shape = draw(st.sampled_from(["{}", "{}", "{}*", "*{}", "*{}*", "?{}"]))
        bare = "".join(each for each in text if each.isalnum() or each in "./é…")
        if shape == "{}":
            return f"{column.name}{operator}{quoted(text)}"
        if shape.startswith("*"):
            bare = bare[draw(st.integers(0, max(len(bare) - 1, 0))) :]
        return f"{column.name}{operator}{shape.format(bare)}"
    if column.type == "bool":
        return f"{column.name}{draw(EQUAL)}{draw(st.sampled_from(['true', 'false']))}"
    values = st.sampled_from(NUMBERS[column.type])
    if draw(st.booleans()):
        low, high = sorted((draw(values), draw(values)))
        return f"{column.name}{draw(EQUAL)}{low}..{high}"
    operator = draw(st.sampled_from(["=", "!=", "<", "<=", ">", ">="]))
    return f"{column.name}{operator}{draw(values)}"


def combined(parts: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.one_of(
        st.lists(parts, min_size=2, max_size=4).map(lambda each: f"({' '.join(each)})"),
        st.lists(parts, min_size=2, max_size=4).map(lambda each: f"({' or '.join(each)})"),
        parts.map(lambda part: f"not {part}"),
    )


FILTERS = st.lists(
    st.recursive(terms() | st.just("a") | st.just("probe=mine"), combined, max_leaves=12),
    min_size=1,
    max_size=4,
).map(" ".join)


@settings(max_examples=200, deadline=None)
@given(FILTERS, st.lists(rows(), min_size=1, max_size=6))
def test_kernel_and_rest_together(text: str, found: list[dict[str, Any]]) -> None:
    whole = row_filter(text, NAMES)
    parts = split(text, PLAN)
    kernel = parts.kernel or KernelFilter()
    assert len(kernel.tests) <= MAX_TESTS and len(kernel.clauses) <= MAX_CLAUSES
    rest = row_filter(parts.rest or "", NAMES)
    assert whole is not None
    for row in found:
        in_kernel = evaluate_record(kernel, *pack(row, PLAN))
        assert (in_kernel and (rest is None or rest(row))) == whole(row), (text, parts, row)
