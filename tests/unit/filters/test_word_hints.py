# SPDX-License-Identifier: Apache-2.0
"""The hints of tests/vectors/filter_cases.json that the service gives too."""

from __future__ import annotations

from typing import Any

import pytest

from app.filters import hints_of, row_filter
from app.filters.fault import MAX_QUOTED
from tests.support.filter_cases import FILE, TABLES

TABLE = TABLES["deletions"]


@pytest.mark.parametrize("case", FILE["hints"], ids=lambda case: case["filter"])
def test_hint(case: dict[str, Any]) -> None:
    hints = hints_of(case["filter"], TABLE.vocabulary)
    if "in_service" not in case:
        assert hints == []
        return
    (hint,) = [hint for hint in hints if case["message"] in hint.message]
    assert list(hint.fixes) == case["fixes"]
    for fix in hint.fixes:
        row_filter(fix, TABLE.vocabulary)  # raises FilterFault for an invalid one


def test_at_most_four_short_hints() -> None:
    hints = hints_of(" ".join(f"{i}>ret" for i in range(9)), TABLE.vocabulary)
    assert [hint.message[:7] for hint in hints] == [f"“{i}>ret”" for i in range(4)]
    (hint,) = hints_of(f"{'1' * MAX_QUOTED}>ret", TABLE.vocabulary)
    assert len(hint.message) < MAX_QUOTED + 100
    assert hint.fixes == ()


@pytest.mark.parametrize("text", ["", '"0>ret"', "ret<0 (rm or not *.log)"])
def test_nothing_to_say(text: str) -> None:
    assert hints_of(text, TABLE.vocabulary) == []
