# SPDX-License-Identifier: Apache-2.0
"""The one file of filter cases: its form, and that every documented example is in it."""

from __future__ import annotations

import json
import re
from typing import Any

from app import ROOT
from app.probes.modes import MODES
from app.web.api.rows import rfc3339

CASES: dict[str, Any] = json.loads((ROOT / "tests/vectors/filters.json").read_text())
COLUMNS = {column["name"]: column for column in CASES["columns"]}
RANGES = {
    "uint32": (0, 2**32 - 1),
    "int32": (-(2**31), 2**31 - 1),
    "uint64": (0, 2**64 - 1),
    "int64": (-(2**63), 2**63 - 1),
}
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z")


def members(entries: list[dict[str, Any]]) -> set[frozenset[str]]:
    return {frozenset(entry) for entry in entries}


def test_form() -> None:
    assert set(CASES) == {"columns", "users", "rows", "passes", "faults", "hints"}
    assert members(CASES["columns"]) == {frozenset(("name", "type", "title", "unit", "names"))}
    assert members(CASES["passes"]) == {frozenset(("filter", "rows"))}
    assert members(CASES["faults"]) == {frozenset(("filter", "message", "part", "fixes"))}
    explained, silent = frozenset(("filter", "message", "fixes")), frozenset(("filter", "fixes"))
    assert members(CASES["hints"]) == {explained, silent}


def test_columns_are_those_that_probes_have() -> None:
    sent = {c.name: (c.type, c.unit, c.names) for m in MODES.values() for c in m.columns}
    for name, column in COLUMNS.items():
        if name in sent:
            assert (column["type"], column["unit"], column["names"]) == sent[name]


def test_rows_hold_values_of_their_columns() -> None:
    for row in CASES["rows"]:
        for name, value in row.items():
            kind = COLUMNS[name]["type"]
            if value is None or kind == "text":
                assert value is None or isinstance(value, str)
            elif kind == "timestamp_ns":
                assert TIME.fullmatch(value) and rfc3339([0])[0] < value
            else:
                assert isinstance(value, str) == kind.endswith("64")
                least, most = RANGES[kind]
                assert least <= int(value) <= most


def test_each_filter_once_and_its_rows_in_order() -> None:
    filters = [case["filter"] for case in CASES["passes"]]
    assert len(filters) == len(set(filters)) > 150
    for case in CASES["passes"]:
        assert case["rows"] == sorted(set(case["rows"]))
        assert all(0 <= row < len(CASES["rows"]) for row in case["rows"])


def test_parts_are_parts() -> None:
    assert len(CASES["faults"]) > 40
    for case in CASES["faults"]:
        assert case["part"] and case["part"] in case["filter"]
        assert case["message"]


def test_every_example_of_the_documentation_is_a_case() -> None:
    page = (ROOT / "docs/filters.md").read_text()
    known = {case["filter"] for kind in ("passes", "faults", "hints") for case in CASES[kind]}
    test = r"`((?:not )?[a-z_]+(?:!?[=~:]|[<>]=?| in \()[^`…]+)`"
    examples = set(re.findall(test, page)) - {"a!=b", "not a=b", "comm=…"}
    assert len(examples) > 35
    # Local times depend on the day: tests/unit/js/filter.test.mjs has them.
    examples = {text for text in examples if not re.search(r"time\S*?\d\d:\d\d", text)}
    assert examples - known == set()
