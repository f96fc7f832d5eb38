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


def delete(file: Path) -> None:
    file.touch()
    file.unlink()


def test_a_filter_of_columns_from_the_start(idle: Service, mode: str, tmp_path: Path) -> None:
    """What the programs do not test of it is left out of the answers."""
    where = f"filename=*.log filename~{tmp_path}/*"
    body = {
        "preset": "deletions",
        "mode": mode,
        "columns": ["filename"],
        "where": where,
        "filter": {"pid": os.getpid()},
    }
    started = idle.expect(201, "POST", "/probes/sifted", body)
    assert (started["where"], started["where_in_service"]) == (where, where.split()[1])
    for name in ("a.log", "b.txt", "c.log"):
        delete(tmp_path / name)
    wait_until(lambda: len(rows(idle, "sifted", tmp_path)) == 2, "the rows that pass")
    changed = idle.expect(200, "PATCH", "/probes/sifted", {"where": "filename=*.txt"})
    assert (changed["where"], changed["where_in_service"]) == ("filename=*.txt", None)
    for name in ("d.log", "e.txt"):
        delete(tmp_path / name)
    found = [str(tmp_path / name) for name in ("a.log", "c.log", "e.txt")]
    wait_until(lambda: rows(idle, "sifted", tmp_path) == found, "the rows that pass")
    assert idle.expect(200, "PATCH", "/probes/sifted", {"where": None})["where"] is None
    delete(tmp_path / "f")
    wait_until(lambda: rows(idle, "sifted", tmp_path)[-1] == str(tmp_path / "f"), "the last row")
    idle.expect(200, "DELETE", "/probes/sifted")


def test_other_columns_while_it_runs(idle: Service, mode: str, tmp_path: Path) -> None:
    """The programs stay, so no call is missed; a path only where they read it from the start."""
    body = {
        "preset": "deletions",
        "mode": mode,
        "columns": ["path", "dfd"],
        "filter": {"pid": os.getpid()},
    }
    idle.expect(201, "POST", "/probes/columned", body)
    wanted: tuple[list[str] | None, ...] = (["filename"], ["path"], None, ["path", "dfd"])
    for number, columns in enumerate(wanted):
        changed = idle.expect(200, "PATCH", "/probes/columned", {"columns": columns})
        assert changed["expressions"] == columns
        delete(tmp_path / f"{number}")
        shown = {column["name"] for column in changed["columns"]}
        wait_until(lambda: len(events(idle, "columned")) > number, "the row")  # noqa: B023
        row = events(idle, "columned")[-1]
        assert row.keys() >= shown
        assert ("path" in row, "filename" in row) == ("path" in shown, "filename" in shown)
        assert row.get("path", str(tmp_path / f"{number}")) == str(tmp_path / f"{number}")
    counters = idle.expect(200, "DELETE", "/probes/columned")["counters"]
    assert (counters["produced"], counters["delivered"]) == (len(wanted), len(wanted))
    idle.expect(201, "POST", "/probes/columned", {**body, "columns": None})
    refused = idle.expect(409, "PATCH", "/probes/columned", {"columns": ["path"]})
    assert refused["code"] == "running_differently"
    assert "path" in refused["detail"]
    idle.expect(200, "DELETE", "/probes/columned")


def events(service: Service, name: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = service.expect(200, "GET", f"/events?probe={name}")["events"]
    return found
