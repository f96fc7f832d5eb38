# SPDX-License-Identifier: Apache-2.0
"""Other columns of a running probe: each call is shown once, with the old ones or the new ones."""

from __future__ import annotations

import itertools
import os
import signal
import threading
import time
from collections import Counter
from typing import Any

import pytest

from tests.support.fixtures import skip
from tests.support.recording import check_ledger
from tests.support.service import Service
from tests.support.waiting import wait_until

COLUMNS = [["count", "ppid"], ["count"]]
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
    target = {**TARGETS[mode], "mode": mode, "columns": COLUMNS[0]}
    idle.start(PROBE, **target, filter={"pid": os.getpid()})
    done, counts = threading.Event(), [0] * THREADS
    threads = [
        threading.Thread(target=read_numbered, args=(place, done, counts))
        for place in range(THREADS)
    ]
    for thread in threads:
        thread.start()
    for switch in range(1, SWITCHES + 1):
        wanted = COLUMNS[switch % 2]
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


def test_a_tracer_killed_at_a_change_leaves_nothing_uncounted(idle: Service) -> None:
    """Whichever programs its calls were in, what it did not send is counted as lost.

    It is killed at another moment of a change each time.
    """
    for delay_s in (0.0, 0.05, 0.1, 0.2):
        idle.start(PROBE, syscall="read", columns=["count"], filter={"pid": os.getpid()})
        cursor = idle.cursor()
        done, counts = threading.Event(), [0]
        reader = threading.Thread(target=read_numbered, args=(0, done, counts))
        reader.start()
        (tracer,) = idle.tracers()
        changes = threading.Thread(target=change_until_it_ends, args=(idle,))
        changes.start()
        time.sleep(delay_s)
        os.kill(tracer.pid, signal.SIGKILL)
        wait_until(lambda: idle.probe(PROBE)["state"] == "failed", "its end")
        done.set()
        reader.join()
        changes.join()
        ended = idle.probe(PROBE)
        check_ledger(ended["counters"])
        rows, _ = idle.events_after(cursor)
        shown = Counter(row["count"] for row in rows if row["count"] >= 1_000_000)
        assert set(shown.values()) <= {1}
        before = (max(shown, default=1_000_000) - 1_000_000) // THREADS
        assert ended["counters"]["produced"] >= before  # each of them is shown or counted
        assert ended["ended"]["code"] == "tracer_failed"
        assert "SIGKILL" in ended["ended"]["detail"]
        wait_until(lambda: not idle.programs(), "no program is left")
        idle.stop(PROBE)


def change_until_it_ends(service: Service) -> None:
    """Change the columns again and again, until a change is refused."""
    for switch in itertools.count():
        wanted = {"columns": COLUMNS[switch % 2]}
        if service.request("PATCH", f"/probes/{PROBE}", wanted).status != 200:
            return
