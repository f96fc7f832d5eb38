# SPDX-License-Identifier: Apache-2.0
"""Threads with names of their own are found by their process's name."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.support.recording import Recording
from tests.support.service import Service

# A process that renames itself, with a thread of another name; both delete.
SCRIPT = """
import ctypes, threading
libc = ctypes.CDLL(None)
def body(name, comm):
    libc.prctl(15, comm, 0, 0, 0)
    libc.unlink(b"/run/pd-processes-" + name)
body(b"leader", b"pd-process")
thread = threading.Thread(target=body, args=(b"thread", b"fifteen-letters"))
thread.start()
thread.join()
"""


def delete() -> None:
    subprocess.run([sys.executable, "-I", "-S", "-c", SCRIPT], check=True)


def test_a_thread_is_shown_with_its_process(tracing: Service, modes: tuple[str, ...]) -> None:
    recording = Recording(tracing, modes)
    delete()
    for mode, rows in recording.rows().items():
        own = [row for row in rows if "pd-processes-" in (row["filename"] or "")]
        assert [(row["process"], row["comm"]) for row in own] == [
            ("pd-process", "pd-process"),
            ("pd-process", "fifteen-letters"),
        ], mode


@pytest.mark.suites("trixie")
def test_the_kernel_filters_by_process(tracing: Service, modes: tuple[str, ...]) -> None:
    for wanted, names in (
        ({"process": "pd-process"}, ["leader", "thread"]),
        ({"process": "pd-process", "comm": "fifteen-letters"}, ["thread"]),
        ({"process": "pd-proces", "comm": None}, []),
        ({"process": "fifteen-letters"}, []),
    ):
        for mode in modes:
            assert tracing.change(mode, **wanted)["filter"]["process"] == wanted["process"]
        before = tracing.accounts(modes)
        cursor = tracing.cursor()
        delete()
        for mode in modes:
            tracing.expect(200, "PATCH", f"/probes/{mode}", {"filter": None})
        Recording(tracing, modes).rows()
        rows = [row for row in tracing.events_after(cursor)[0] if row["process"] == "pd-process"]
        for mode in modes:
            shown = [row["filename"] for row in rows if row["probe"] == mode]
            assert shown == [f"/run/pd-processes-{name}" for name in names], (mode, wanted)
        assert before.keys() == set(modes)
