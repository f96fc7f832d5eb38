# SPDX-License-Identifier: Apache-2.0
"""Many slow clients: others notice nothing, and nothing of them is left."""

from __future__ import annotations

import signal
import socket
import struct
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.support.calls import Workload
from tests.support.client import Websocket
from tests.support.figures import figure
from tests.support.hostile import served_beside
from tests.support.recording import mark
from tests.support.service import Service, running_service
from tests.support.waiting import wait_until

SILENT = 1000
VISITS, WARM_UP = 10_000, 4_000
POOL = 128
LEAVE_AT_ONCE = struct.pack("ii", 1, 0)  # SO_LINGER: close by a reset


@pytest.fixture
def mode(modes: tuple[str, ...]) -> str:
    return modes[-1]


@pytest.fixture
def host(tmp_path: Path, cache: Path, modes: tuple[str, ...]) -> Iterator[Service]:
    """A service with room for fifty websockets."""
    options = ("--max-websockets", "50", "--threads", str(POOL))
    with running_service(tmp_path, cache, *options) as service:
        yield service


def healthz_s(service: Service) -> float:
    start = time.monotonic()
    assert service.request("GET", "/healthz").status == 200
    return time.monotonic() - start


def test_one_that_stops_reading_is_let_go_and_nobody_else_misses_anything(
    host: Service, mode: str, workload: Workload
) -> None:
    host.start(mode, filter={"pid": workload.pid})
    with host.websocket() as reading, host.websocket(receive_buffer_bytes=4096) as stuck:
        stuck.pause()
        workload.begin("flood", count=10**9, name_bytes=3000, threads=1, pause_every=10)
        start = time.monotonic()
        wait_until(lambda: len(host.probe(mode)["clients"]) == 1, "the stuck one to be dropped")
        took_s = time.monotonic() - start
        ((_, made),) = workload.end_flood().items()
        wait_until(lambda: len(reading.rows) == made, "every event to reach the other")
        assert reading.gaps(mode) == 0
    host.stop(mode)
    figure("a client that stopped reading was dropped after", f"{took_s:.1f} s (goal 35 s)")


def test_a_thousand_silent_connections(host: Service) -> None:
    with ExitStack() as stack:
        address = ("127.0.0.1", host.port)
        silent = [stack.enter_context(socket.create_connection(address)) for _ in range(SILENT)]
        served_beside(host, silent, POOL)
        worst_s = max(healthz_s(host) for _ in range(20))
    figure(f"/healthz beside {SILENT} silent connections", f"{worst_s * 1000:.0f} ms (goal 1 s)")


def test_the_end_with_fifty_websockets(host: Service, mode: str) -> None:
    with ExitStack() as stack:
        viewers = [stack.enter_context(Websocket(host.port)) for _ in range(50)]
        host.start(mode)
        name = mark()
        for viewer in viewers:
            viewer.wait_for_name(mode, name)
        busy = host.request("GET", "/events/stream")
        assert (busy.status, busy.json["code"]) == (503, "busy")
        start = time.monotonic()
        host.process.send_signal(signal.SIGTERM)
        assert host.process.wait(60) == 0
        took_s = time.monotonic() - start
        for viewer in viewers:
            viewer.wait_for_end()
    host.check_nothing_left()
    figure("SIGTERM with 50 websockets and a probe", f"{took_s:.2f} s (goal 2 s)")


def visit(service: Service, number: int) -> None:
    """Connect and leave, in one of the ways that clients do."""
    if number % 100 == 0:
        with Websocket(service.port, "?recent=0"):
            return
    with socket.create_connection(("127.0.0.1", service.port)) as connection:
        if number % 10 == 1:
            connection.sendall(
                f"GET /probes HTTP/1.1\r\nHost: localhost:{service.port}\r\n"
                "Connection: close\r\n\r\n".encode()
            )
            while connection.recv(65536):
                pass
        elif number % 10 == 2:
            connection.sendall(b"GET /half")
        if number % 10 == 3:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LEAVE_AT_ONCE)


def held_by(service: Service) -> tuple[int, int, int]:
    """Threads, descriptors and private memory, in KiB, of the worker."""
    folder = Path(f"/proc/{service.worker().pid}")
    memory = {
        name: int(value.split()[0])
        for name, _, value in (
            line.partition(":") for line in (folder / "smaps_rollup").read_text().splitlines()[1:]
        )
    }
    private = memory["Private_Clean"] + memory["Private_Dirty"]
    return len(list((folder / "task").iterdir())), len(list((folder / "fd").iterdir())), private


def test_ten_thousand_visits_leave_nothing(host: Service, mode: str) -> None:
    # The pool makes threads up to its size; beyond that, what grows is a leak.
    most_threads = held_by(host)[0] + POOL
    host.start(mode, filter={"pid": 1})
    # More threads at once than the visits need: each that starts later would add its own memory.
    with ExitStack() as stack:
        for _ in range(40):
            stack.enter_context(host.ndjson("?recent=0"))
    host.wait_until_left()
    for number in range(WARM_UP):
        visit(host, number)

    def at_rest() -> tuple[int, int, int]:
        wait_until(lambda: not host.probe(mode)["clients"], "the last one to be gone")
        wait_until(lambda: held_by(host)[1] == held_by(host)[1], "descriptors to be steady")
        return held_by(host)

    before = at_rest()
    for number in range(VISITS):
        visit(host, number)
    wait_until(lambda: at_rest()[1] <= before[1], "descriptors to be as they were")
    after = at_rest()
    assert after[0] <= most_threads
    host.stop(mode)
    figure(
        f"threads, descriptors, private KiB before and after {VISITS} visits", f"{before}, {after}"
    )
    assert after[2] <= before[2] * 1.05
