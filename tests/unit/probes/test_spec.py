# SPDX-License-Identifier: Apache-2.0
"""PATCH merges a filter as RFC 7396 says."""

from __future__ import annotations

from typing import Any

import pytest

from app.probes.spec import Filter


@pytest.mark.parametrize(
    ("changes", "result"),
    [
        ({}, Filter(pid=1, comm="rm")),
        ({"pid": 2}, Filter(pid=2, comm="rm")),
        ({"pid": None}, Filter(comm="rm")),
        ({"only_failures": True}, Filter(pid=1, comm="rm", only_failures=True)),
        ({"only_failures": None, "uid": 0}, Filter(pid=1, uid=0, comm="rm")),
        (None, Filter()),
    ],
)
def test_merge(changes: dict[str, Any] | None, result: Filter) -> None:
    assert Filter(pid=1, comm="rm").merged(changes) == result
