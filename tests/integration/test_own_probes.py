# SPDX-License-Identifier: Apache-2.0
"""Probes with names of their own in the real service: tracers, rows and the kernel's objects."""

from __future__ import annotations

import os
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.support.service import Service
from tests.support.waiting import wait_until

NAME = "mine"


@pytest.fixture
def mode(modes: tuple[str, ...]) -> str:
    return modes[-1]


def rows(service: Service, name: str, folder: Path) -> list[str]:
    events = service.expect(200, "GET", f"/events?probe={name}")["events"]
    return [each["filename"] for each in events if str(each["filename"]).startswith(str(folder))]


def test_a_name_beside_its_mode(idle: Service, mode: str, tmp_path: Path) -> None:
    """Each has a tracer, its rows and its counters; what is deleted leaves only the rows."""
    body: dict[str, Any] = {"preset": "deletions", "mode": mode, "filter": {"pid": os.getpid()}}
    started = idle.expect(201, "POST", f"/probes/{NAME}", body)
    assert (started["id"], started["mode"], started["state"]) == (NAME, mode, "running")
    idle.start(mode, filter={"pid": os.getpid()})
    assert len(idle.tracers()) == 2
    file = tmp_path / "gone"
    file.touch()
    file.unlink()
    for name in (NAME, mode):
        wait_until(lambda name=name: rows(idle, name, tmp_path), f"the row of {name}")  # type: ignore[misc]
        assert rows(idle, name, tmp_path) == [str(file)]
    changed = idle.expect(200, "PATCH", f"/probes/{NAME}", {"filter": {"pid": None, "uid": 4242}})
    assert (changed["filter"]["pid"], changed["filter"]["uid"]) == (None, 4242)
    stopped = idle.expect(200, "DELETE", f"/probes/{NAME}")
    assert (stopped["state"], stopped["counters"]["produced"]) == ("stopped", 1)
    assert NAME not in idle.probes()
    assert idle.probes()[mode]["state"] == "running"
    assert rows(idle, NAME, tmp_path) == [str(file)]
    idle.stop(mode)
    idle.wait_until_gone_from_kernel()


def test_starts_and_deletes_at_once_leave_nothing(idle: Service, mode: str) -> None:
    """Whatever the order: every answer is a documented one, and at the end all is gone."""
    body = {"preset": "deletions", "mode": mode, "filter": {"comm": "nobody"}}
    together = threading.Barrier(6)

    def call(number: int) -> int:
        together.wait()
        if number % 2:
            return idle.request("DELETE", f"/probes/{NAME}").status
        return idle.request("POST", f"/probes/{NAME}", body).status

    seen: Counter[int] = Counter()
    with ThreadPoolExecutor(6) as pool:
        for _ in range(5):
            seen.update(pool.map(call, range(6)))
    assert seen.keys() <= {200, 201, 404}
    assert seen[201] >= 1
    if NAME in idle.probes():
        assert idle.probes()[NAME]["state"] == "running"
        idle.expect(200, "DELETE", f"/probes/{NAME}")
    assert NAME not in idle.probes()
    idle.wait_until_gone_from_kernel()
