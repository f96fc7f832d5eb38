# SPDX-License-Identifier: Apache-2.0
"""Start and stop a probe; check what the kernel holds while it runs and afterwards."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.support.fixtures import MODES
from tests.support.recording import check_nothing_lost, mark, names_since
from tests.support.service import Service
from tests.support.waiting import wait_until


def test_from_start_to_stop(idle: Service, modes: tuple[str, ...]) -> None:
    """A probe's life, with everything that is promised of its start, run and end.

    In one test, because a start takes seconds under emulation. Eight starts at the same moment
    are one; a deletion right after the answer, and one right before the stop, are shown; the
    same start again changes nothing and another one is refused; afterwards nothing is left.
    """
    mode = modes[0]
    spec = {"filter": {"pid": os.getpid()}, "duration_s": 3600}
    cursor = idle.cursor()
    with idle.websocket("?recent=0") as websocket:
        with ThreadPoolExecutor(8) as pool:
            post = idle.request
            answers = list(pool.map(lambda _: post("POST", f"/probes/{mode}", spec), range(8)))
            first = mark()
        assert sorted(answer.status for answer in answers) == [200] * 7 + [201]
        assert len({answer.json["started_at"] for answer in answers}) == 1
        assert {answer.json["state"] for answer in answers} == {"running"}
        (created,) = (answer for answer in answers if answer.status == 201)
        assert created.headers["Location"].endswith(f"/probes/{mode}")
        assert created.json["filter"]["pid"] == os.getpid()
        assert len(idle.tracers()) == 1
        programs = idle.programs()
        assert programs
        assert programs <= idle.bpf_objects()

        again = idle.expect(200, "POST", f"/probes/{mode}", spec)
        assert again["started_at"] == created.json["started_at"]
        for other in (None, {**spec, "duration_s": 60}, {**spec, "filter": {"comm": "other"}}):
            problem = idle.expect(409, "POST", f"/probes/{mode}", other)
            assert problem["code"] == "running_differently"
            assert problem["running"]["filter"]["pid"] == os.getpid()
        assert idle.programs() == programs

        last = mark()
        stopped = idle.stop(mode)
        assert stopped["state"] == "stopped"
        assert stopped["ended"]["code"] == "requested"
        mark()  # seen by nothing
        check_nothing_lost(stopped)
        # The filter let through this process' two calls, and not a single other one.
        assert names_since(idle, cursor, mode) == [first, last]
        assert stopped["counters"]["delivered"] == 2
        websocket.wait_for_name(mode, last)
        assert [batch.number for batch in websocket.batches] == list(range(len(websocket.batches)))

    idle.wait_until_gone_from_kernel()
    wait_until(lambda: not idle.tracers(), "the tracer to end")
    assert idle.expect(404, "DELETE", f"/probes/{mode}")["code"] == "not_running"
    patch = idle.expect(404, "PATCH", f"/probes/{mode}", {"filter": {"pid": 1}})
    assert patch["code"] == "not_running"


@pytest.mark.parametrize("probe", ["nonsense", "FENTRY", "fentry2"])
def test_unknown_probe(session_service: Service, probe: str) -> None:
    assert probe not in MODES
    for method, body in (
        ("GET", None),
        ("POST", None),
        ("DELETE", None),
        ("PATCH", {"filter": {}}),
    ):
        problem = session_service.expect(404, method, f"/probes/{probe}", body)
        assert problem["code"] == "unknown_probe"
