# SPDX-License-Identifier: Apache-2.0
"""Several functions in one probe: each call is that of the right function, and none is lost."""

from __future__ import annotations

import os
import socket
from collections import Counter
from typing import Any

import pytest

from tests.support.batches import Row
from tests.support.fixtures import skip
from tests.support.service import Service
from tests.support.varied_calls import (
    COMM,
    WRITING_CALLS,
    WRITING_FUNCTIONS,
    in_threads,
    write_files,
)
from tests.support.waiting import wait_until

ROWS, COUNTED = "several-rows", "several-counted"
OWN = f"comm={COMM}-*"
MODES = ("kprobe", "kretprobe")


def way(mode: str) -> str:
    """How this kernel attaches to several functions."""
    release = tuple(map(int, os.uname().release.split(".")[:2]))
    if release < (6, 2):  # Debian's 6.1 has kprobe.multi, but not CONFIG_FPROBE
        return "single"
    return "kprobe.session" if mode == "kretprobe" and release >= (6, 10) else "kprobe.multi"


def own_filter() -> dict[str, Any]:
    return {"filter": {"pid": os.getpid()}, "where": OWN}


def counted(service: Service, calls: int) -> dict[str, Any]:
    """Return the answer once it has so many calls."""
    found: list[dict[str, Any]] = []

    def has_all() -> bool:
        found.append(service.expect(200, "GET", f"/probes/{COUNTED}/aggregate"))
        return bool(found[-1]["calls"] >= calls)

    wait_until(has_all, f"{calls} calls to be counted")
    return found[-1]


def nothing_lost(service: Service, probe: str) -> dict[str, Any]:
    stopped = service.stop(probe)
    assert stopped["counters"]["dropped_kernel"] == 0, stopped["drops"]
    return stopped


def rows_since(service: Service, cursor: str) -> list[Row]:
    rows, _ = service.events_after(cursor)
    return [row for row in rows if row["probe"] == ROWS]


@pytest.mark.parametrize("mode", MODES)
def test_each_call_is_of_its_function(idle: Service, modes: tuple[str, ...], mode: str) -> None:
    if mode not in modes:
        skip(f"this kernel does not allow {mode}")
    target = {"mode": mode, "functions": WRITING_FUNCTIONS, **own_filter()}
    started = idle.start(ROWS, **target)
    assert started["function"].endswith(f" functions, by {way(mode)}")
    assert started["not_seen"] == []
    aggregate = {"by": ["function", "comm"]}
    if mode == "kretprobe":
        aggregate |= {"sum": "latency_ns", "histogram": "latency_ns"}
    idle.start(COUNTED, **target, aggregate=aggregate)
    cursor = idle.cursor()
    in_threads(write_files)
    nothing_lost(idle, ROWS)
    rows = rows_since(idle, cursor)
    found = Counter((row["function"], row["comm"]) for row in rows)
    for letter in "ab":
        for function, calls in WRITING_CALLS.items():
            assert found[function, f"{COMM}-{letter}"] == calls, found
    answer = counted(idle, len(rows))
    assert {(row["function"], row["comm"]): row["calls"] for row in answer["rows"]} == found
    if mode == "kretprobe":
        assert all(row["latency_ns"] > 0 for row in rows)
    nothing_lost(idle, COUNTED)


@pytest.mark.parametrize("mode", MODES)
def test_the_kernel_filters_by_function(idle: Service, modes: tuple[str, ...], mode: str) -> None:
    if mode not in modes:
        skip(f"this kernel does not allow {mode}")
    where = f"function=vfs_* !function=vfs_f* {OWN}"
    started = idle.start(ROWS, mode=mode, functions=WRITING_FUNCTIONS, where=where)
    assert started["where_in_service"] is None
    cursor = idle.cursor()
    in_threads(write_files)
    nothing_lost(idle, ROWS)
    found = Counter(row["function"] for row in rows_since(idle, cursor))
    assert found == {name: 2 * WRITING_CALLS[name] for name in ("vfs_write", "vfs_truncate")}


@pytest.mark.parametrize("mode", MODES)
def test_many_functions(idle: Service, modes: tuple[str, ...], mode: str) -> None:
    """Hundreds at once where the kernel can; elsewhere the answer says how many are possible."""
    if mode not in modes:
        skip(f"this kernel does not allow {mode}")
    spec = {
        "mode": mode,
        "functions": "tcp_*",
        "aggregate": {"by": ["function"], "top": 1000},
        **own_filter(),
    }
    if way(mode) == "single":
        answer = idle.request("POST", f"/probes/{COUNTED}", spec)
        assert answer.status == 501
        assert "at most 64 are possible" in answer.json["detail"]
        return
    started = idle.start(COUNTED, **spec)
    assert int(started["function"].split()[0]) > 300
    (left_out,) = started["not_seen"]
    assert "functions that cannot be traced so" in left_out
    rounds = 5
    in_threads(lambda: exchange(rounds))
    drops = idle.stop(COUNTED)["drops"]
    # Of an interrupt's calls, the kernel hides those that come while a program runs there.
    hidden = drops.pop("recursion")
    assert not any(drops.values()), drops
    answer = idle.expect(200, "GET", f"/probes/{COUNTED}/aggregate")
    calls = {row["function"]: row["calls"] for row in answer["rows"]}
    for function in ("tcp_v4_connect", "tcp_sendmsg"):
        assert 0 <= 2 * rounds - calls[function] <= hidden, (function, calls)


def exchange(rounds: int) -> None:
    """Send a few bytes over TCP, a connection for each round."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        for _ in range(rounds):
            with socket.create_connection(server.getsockname()[:2]) as client:
                accepted, _ = server.accept()
                with accepted:
                    client.sendall(b"hello")
                    assert accepted.recv(5, socket.MSG_WAITALL) == b"hello"
