# SPDX-License-Identifier: Apache-2.0
"""The one file of filter cases: its form, and that every documented example is in it."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from app import ROOT
from app.presets.deletions.columns import columns_of
from app.probes.modes import MODES
from app.web.api.rows import rfc3339

CASES: dict[str, Any] = json.loads((ROOT / "tests/vectors/filter_cases.json").read_text())
TABLES = {"deletions": CASES, "typed": CASES["typed"]}
RANGES = {
    "uint32": (0, 2**32 - 1),
    "int32": (-(2**31), 2**31 - 1),
    "uint64": (0, 2**64 - 1),
    "int64": (-(2**63), 2**63 - 1),
    "bool": (False, True),
}
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z")


def members(entries: list[dict[str, Any]]) -> set[frozenset[str]]:
    return {frozenset(entry) for entry in entries}


def test_form() -> None:
    shared = {"columns", "users", "rows", "passes", "faults"}
    assert set(CASES) == {*shared, "hints", "typed"}
    assert set(CASES["typed"]) == {*shared, "names"}
    for table in TABLES.values():
        plain = frozenset(("name", "type", "title", "unit", "names"))
        assert members(table["columns"]) - {plain | {"render"}} == {plain}
        passes = frozenset(("filter", "rows"))
        assert members(table["passes"]) == {passes, passes | {"rest"}}
        assert members(table["faults"]) == {frozenset(("filter", "message", "part", "fixes"))}
    explained, silent = frozenset(("filter", "message", "fixes")), frozenset(("filter", "fixes"))
    assert members(CASES["hints"]) == {explained, explained | {"in_service"}, silent}
    assert {hint.get("in_service") for hint in CASES["hints"]} == {None, True}


def test_columns_are_those_that_probes_have() -> None:
    sent = {c.name: (c.type, c.unit, c.names) for mode in MODES for c in columns_of(mode)}
    for column in CASES["columns"]:
        if column["name"] in sent:
            assert (column["type"], column["unit"], column["names"]) == sent[column["name"]]


def test_typed_columns_have_every_type() -> None:
    types = {column["type"] for column in CASES["typed"]["columns"]}
    assert types == {*RANGES, "text", "timestamp_ns"}


@pytest.mark.parametrize("name", TABLES)
def test_rows_hold_values_of_their_columns(name: str) -> None:
    types = {column["name"]: column["type"] for column in TABLES[name]["columns"]}
    for row in TABLES[name]["rows"]:
        for column, value in row.items():
            kind = types[column]
            if value is None or kind == "text":
                assert value is None or isinstance(value, str)
            elif kind == "timestamp_ns":
                assert TIME.fullmatch(value) and rfc3339([0])[0] < value
            else:
                assert isinstance(value, str) == kind.endswith("64")
                assert isinstance(value, bool) == (kind == "bool")
                least, most = RANGES[kind]
                assert least <= int(value) <= most


@pytest.mark.parametrize("name", TABLES)
def test_each_filter_once_and_its_rows_in_order(name: str) -> None:
    cases, rows = TABLES[name]["passes"], TABLES[name]["rows"]
    filters = [case["filter"] for case in cases]
    assert len(filters) == len(set(filters)) > 150
    for case in cases:
        assert case["rows"] == sorted(set(case["rows"]))
        assert all(0 <= row < len(rows) for row in case["rows"])


def test_parts_are_parts() -> None:
    assert len(CASES["faults"]) > 40
    for case in (*CASES["faults"], *CASES["typed"]["faults"]):
        assert case["part"] and case["part"] in case["filter"]
        assert case["message"]


def test_every_example_of_the_documentation_is_a_case() -> None:
    page = (ROOT / "docs/filters.md").read_text()
    known = {
        case["filter"]
        for table in TABLES.values()
        for kind in ("passes", "faults", "hints")
        for case in table.get(kind, ())
    }
    test = r"`((?:not )?[a-z_]+(?:!?[=~:]|[<>]=?| in \()[^`…]+)`"
    examples = set(re.findall(test, page)) - {"a!=b", "not a=b", "comm=…"}
    assert len(examples) > 35
    # Local times depend on the day: tests/unit/js/filter.test.mjs has them.
    examples = {text for text in examples if not re.search(r"time\S*?\d\d:\d\d", text)}
    assert examples - known == set()
