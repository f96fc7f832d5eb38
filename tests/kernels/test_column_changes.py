# SPDX-License-Identifier: Apache-2.0
"""Other columns of a running probe: each call is shown once, with the old ones or the new ones."""

from __future__ import annotations

import os
import threading
from collections import Counter
from typing import Any

import pytest

from tests.support.fixtures import skip
from tests.support.service import Service
from tests.support.waiting import wait_until

PROBE, SWITCHES, THREADS = "other-columns", 8, 2
TARGETS: dict[str, dict[str, Any]] = {
    "tracepoint": {"syscall": "read"},
    "fentry": {"function": "vfs_read"},
    "fexit": {"function": "vfs_read"},
    "kprobe": {"function": "vfs_read"},
    "kretprobe": {"function": "vfs_read"},
}


def read_numbered(place: int, done: threading.Event, counts: list[int]) -> None:
    """Read nothing, with each number as the size of one call only."""
    fd, number = os.open("/dev/null", os.O_RDONLY), 0
    while not done.wait(0.001):
        os.read(fd, 1_000_000 + number * THREADS + place)
        number += 1
    os.close(fd)
    counts[place] = number


@pytest.mark.parametrize("mode", TARGETS)
def test_each_call_is_shown_once(mode: str, idle: Service, modes: tuple[str, ...]) -> None:
    if mode not in modes:
        skip(f"{mode} does not work here")
    cursor = idle.cursor()
    columns = [["count"], ["count", "ppid"]]
    target = {**TARGETS[mode], "mode": mode, "columns": columns[0]}
    idle.start(PROBE, **target, filter={"pid": os.getpid()})
    done, counts = threading.Event(), [0] * THREADS
    threads = [
        threading.Thread(target=read_numbered, args=(place, done, counts))
        for place in range(THREADS)
    ]
    for thread in threads:
        thread.start()
    for switch in range(1, SWITCHES + 1):
        wanted = columns[switch % 2]
        probe = idle.expect(200, "PATCH", f"/probes/{PROBE}", {"columns": wanted})
        assert probe["expressions"] == wanted
    done.set()
    for thread in threads:
        thread.join()
    stopped = idle.stop(PROBE)
    rows, _ = idle.events_after(cursor)
    shown = Counter(row["count"] for row in rows if row["count"] >= 1_000_000)
    calls = [
        1_000_000 + number * THREADS + place
        for place in range(THREADS)
        for number in range(counts[place])
    ]
    assert shown == Counter(calls)
    assert {"ppid" in row for row in rows} == {True, False}
    counters = stopped["counters"]
    assert counters["produced"] == counters["delivered"] == len(rows)
    wait_until(lambda: not idle.programs(), "no program is left")
