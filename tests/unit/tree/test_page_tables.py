# SPDX-License-Identifier: Apache-2.0
"""What the page and the service both have to know is the same."""

from __future__ import annotations

import re

from app import ROOT
from app.probes.modes import PREFERENCE
from app.web.api.requests import MAX_COMM_BYTES, MAX_DURATION_S, MAX_PID, MAX_UID


def in_page(path: str, pattern: str) -> str:
    found = re.search(pattern, (ROOT / "static/js" / path).read_text(), re.DOTALL)
    assert found, f"{path} has no {pattern}"
    return found[1]


def test_the_page_prefers_what_the_service_does() -> None:
    order = in_page("probes/choice.js", r"const PREFERENCE = \[(.*?)\];")
    assert tuple(re.findall(r'"(\w+)"', order)) == PREFERENCE


def test_the_page_knows_the_limits_of_the_service() -> None:
    limits = in_page("probes/spec.js", r"const LIMITS = \{(.*?)\};").replace("_", "")
    assert re.findall(r"(\w+): \[(\d+), (\d+)\]", limits) == [
        ("pid", "1", str(MAX_PID)),
        ("uid", "0", str(MAX_UID)),
    ]
    assert in_page("probes/spec.js", r"MAX_COMM_BYTES = (\d+);") == str(MAX_COMM_BYTES)
    longest = in_page("probes/spec.js", r"MAX_DURATION_S = ([\d_]+);")
    assert int(longest) == MAX_DURATION_S


def test_the_page_has_no_table_of_errors() -> None:
    """The service sends it (app/columns/names.py)."""
    for path in (ROOT / "static/js").rglob("*.js"):
        assert not re.search(r"\d, \"E[A-Z]+\"", path.read_text()), path
