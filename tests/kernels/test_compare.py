# SPDX-License-Identifier: Apache-2.0
"""Modes compared: on calls of its own, whose number is known, and on those of others."""

from __future__ import annotations

import os
import threading
from typing import Any

import pytest

from app.compare.comparison import CALLS
from tests.support.service import Service
from tests.support.varied_calls import COMM, LIBC, call_read

FUNCTION_MODES = ("fentry", "fexit", "kprobe", "kretprobe")


def by_mode(answer: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {each["mode"]: each for each in answer["modes"]}


@pytest.mark.suites("bullseye", "trixie-backports")
def test_deletions_in_all_modes(idle: Service, modes: tuple[str, ...]) -> None:
    answer = idle.expect(200, "POST", "/compare")
    found = by_mode(answer)
    assert {mode for mode, each in found.items() if each["available"]} == set(modes)
    assert (answer["calls"], answer["agree"]) == (CALLS, True if len(modes) > 1 else None)
    assert answer["differences"] == []
    for mode in modes:
        each = found[mode]
        assert (each["rows"], each["missing"], each["lost"]) == (CALLS, 0, 0)
        assert each["slow_down"] == pytest.approx(
            1 + each["added_ns_per_call"] / answer["untraced_ns_per_call"]
        )
    for mode in set(found) - set(modes):
        assert found[mode]["reason"]
        assert found[mode]["rows"] is None
    assert not [name for name in idle.probes() if name.startswith("compare-")]


@pytest.mark.suites("bookworm")
def test_a_function_that_others_call(idle: Service, modes: tuple[str, ...]) -> None:
    if not set(FUNCTION_MODES) <= set(modes):
        pytest.skip("one mode is compared with nothing")
    stop = threading.Event()

    def read() -> None:
        LIBC.prctl(15, f"{COMM}-c".encode(), 0, 0, 0)  # PR_SET_NAME
        fd = os.open("/dev/zero", os.O_RDONLY)
        while not stop.wait(0.002):
            call_read(fd, bytes(100), 77)
        os.close(fd)

    thread = threading.Thread(target=read)
    thread.start()
    try:
        answer = idle.expect(
            200,
            "POST",
            "/compare",
            {
                "function": "vfs_read",
                "columns": ["count"],
                "filter": {"pid": os.getpid()},
                "where": f"comm={COMM}-c",
                "duration_s": 3,
            },
        )
    finally:
        stop.set()
        thread.join()
    found = by_mode(answer)
    assert set(found) == set(FUNCTION_MODES)
    assert answer["calls"] is None
    assert answer["agree"] is True, answer
    assert {"count", "tid", "ret"} <= set(answer["compared"])
    assert all(found[mode]["rows"] > 10 for mode in FUNCTION_MODES)
