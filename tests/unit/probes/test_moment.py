# SPDX-License-Identifier: Apache-2.0
"""A moment keeps the probe as it was when it came."""

from __future__ import annotations

from typing import Any

import pytest

from app.probes.moment import Moment


def test_the_first_description_after_it_came_is_kept() -> None:
    facts: list[str] = []
    described: list[Any] = [{"state": "running"}, {"state": "stopping"}]
    moment = Moment(lambda: "attached" in facts)
    moment.observe(lambda: described[1])
    assert not moment.is_past
    with pytest.raises(LookupError):
        _ = moment.probe
    facts.append("attached")
    moment.observe(lambda: described[0])
    moment.observe(lambda: described[1])
    assert moment.is_past
    assert moment.probe is described[0]
