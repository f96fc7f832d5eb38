# SPDX-License-Identifier: Apache-2.0
"""Runs of a probe: the same in every mode."""

from __future__ import annotations

import os
from typing import Any

from tests.support.recording import check_nothing_lost, mark
from tests.support.service import Service
from tests.support.waiting import wait_until


def test_ends_by_itself_after_its_duration(idle: Service, modes: tuple[str, ...]) -> None:
    mode = modes[-1]
    idle.start(mode, duration_s=0.5)
    wait_until(lambda: idle.probe(mode)["state"] == "stopped", "the probe to end by itself")
    probe = idle.probe(mode)
    assert probe["ended"]["code"] == "duration"
    check_nothing_lost(probe)
    idle.wait_until_gone_from_kernel()
    assert idle.expect(404, "DELETE", f"/probes/{mode}")["code"] == "not_running"


def test_runs_are_told_apart(idle: Service, modes: tuple[str, ...]) -> None:
    """A second run of a probe has a number, counters and times of its own."""
    mode = modes[-1]
    with idle.websocket("?recent=0") as websocket:
        for _ in range(2):
            started = idle.start(mode, filter={"pid": os.getpid()})
            assert started["counters"]["produced"] == 0
            name = mark()
            assert idle.stop(mode)["counters"]["produced"] == 1
            websocket.wait_for_name(mode, name)
    assert len({batch.run for batch in websocket.batches}) == 2
    assert [batch.number for batch in websocket.batches] == [0, 0]


def test_asking_again_finds_the_same(idle: Service) -> None:
    def answers(probes: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
        """Return the kernel's part of a probe's JSON, without its clients and the like."""
        return [(p["id"], p["available"], p["reason"], p["hint"], p["function"]) for p in probes]

    before = answers(idle.expect(200, "GET", "/probes")["probes"])
    assert answers(idle.expect(200, "POST", "/availability")["probes"]) == before


def test_everybody_is_told_who_changed_it(idle: Service, modes: tuple[str, ...]) -> None:
    mode = modes[-1]
    who = f"uid {os.getuid()}"
    with idle.websocket("?recent=0") as websocket:

        def told(what: str) -> None:
            def is_told() -> bool:
                states = [it["probe"] for it in websocket.controls if it["type"] == "state"]
                changes = [it["changed_by"] for it in states if it["id"] == mode]
                return any(it and (it["who"], it["what"]) == (who, what) for it in changes)

            websocket.wait(is_told, f"who {what} it")

        idle.start(mode)
        told("started")
        idle.expect(200, "PATCH", f"/probes/{mode}", {"filter": {"uid": 0}})
        told("filter")
        idle.stop(mode)
        told("stopped")
