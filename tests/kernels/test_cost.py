# SPDX-License-Identifier: Apache-2.0
"""What a probe costs a call, as the kernel measures it."""

from __future__ import annotations

import pytest

from tests.support.calls import Workload
from tests.support.service import Service
from tests.support.waiting import wait_until


@pytest.mark.suites("bookworm")
def test_cost_is_measured(tracing: Service, mode: str) -> None:
    with Workload() as workload:
        calls = workload.run("plain", rounds=5, threads=1)
    cost = wait_until(lambda: tracing.probe(mode)["cost"], f"{mode} to know its cost")
    assert calls
    assert cost["calls"] > 0
    assert cost["ns_per_call"] > 0
