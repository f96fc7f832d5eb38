# SPDX-License-Identifier: Apache-2.0
"""The programs' entry for a thread is removed with the thread, however that ends.

Read from the programs' own count of entries, without the service.
"""

from __future__ import annotations

import os
import signal
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.columns.plan import PROGRAMS
from app.config import Settings
from app.filters.kernel_filter import KernelFilter
from app.kernel.bcc_headers import BTF_PATH
from app.kernel.kernel_types import KernelTypes
from app.linux import bpf
from app.presets.deletions.programs import Programs
from app.probes.kernel_planner import KernelPlanner
from app.probes.spec import Filter, Target
from app.tracer.object_cache import get_template
from tests.support.calls import EXIT_MODES
from tests.support.service import Service
from tests.support.waiting import wait_until

COMM = "pd-places"
KEPT = 8_192  # CALLS_RESIDENT of bpf/call_entries.c
# Deletes a name in a thread that is not the first, then what the case is about.
START = """
import ctypes, os, signal, sys, threading
libc = ctypes.CDLL(None)
def body():
    libc.prctl(15, b"pd-places", 0, 0, 0)
    libc.unlink(b"/run/pd-places-" + b"n" * int(sys.argv[1]))
    print("deleted", flush=True)
    sys.stdin.readline()
    END
thread = threading.Thread(target=body)
thread.start()
thread.join()
"""
ENDS = {
    "returns": "return",
    "exits the process": "os._exit(0)",
    "is killed": "os.kill(os.getpid(), signal.SIGKILL)",
    "executes another program": "os.execv('/bin/true', ['true'])",
    "crashes": "ctypes.string_at(0)",
}


def taken(programs: Programs) -> int:
    held = programs._object.maps["calls_used"].fd
    value = bpf.map_lookup(held, bytes(4), 8)
    assert value is not None
    return int(struct.unpack("=Q", value)[0])


@pytest.fixture(params=EXIT_MODES)
def programs(
    request: pytest.FixtureRequest, session_service: Service, cache: Path, modes: tuple[str, ...]
) -> Iterator[Programs]:
    mode = str(request.param)
    if mode not in modes:
        pytest.skip("refused by this kernel")
    function = session_service.probe(mode)["function"]
    planner = KernelPlanner(Settings(), None, KernelTypes(BTF_PATH), None)  # type: ignore[arg-type]
    plan = planner.make_plan(Target(PROGRAMS, "deletions"), mode, None)
    compiled = get_template(plan.template, BTF_PATH, cache)
    with Programs(plan, function, compiled, 1 << 20, KernelFilter()) as held:
        held.set_filter(Filter(comm=COMM))
        yield held


@pytest.mark.suites("trixie-backports")
def test_a_thread_takes_a_place_until_it_ends(programs: Programs) -> None:
    assert taken(programs) == 0
    for name_bytes in (10, 300):
        for end in ENDS.values():
            with subprocess.Popen(
                [sys.executable, "-I", "-S", "-c", START.replace("END", end), str(name_bytes)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
            ) as child:
                assert child.stdout
                assert child.stdout.readline() == b"deleted\n"
                assert taken(programs) == 1
                child.communicate(b"\n")
            assert child.returncode in (0, -signal.SIGKILL, -signal.SIGSEGV)
            wait_until(lambda: taken(programs) == 0, f"the place to be free: {end}")
    assert programs.calls_in_progress() == 0
    assert sum(programs.drops().values()) == 0


def test_when_most_places_are_taken_others_are_for_a_call_only(programs: Programs) -> None:
    programs._object.maps["calls_used"].set(bytes(4), struct.pack("=Q", KEPT))
    programs.set_filter(Filter(pid=os.getpid()))
    for name_bytes in (10, 100, 300, 10):
        with pytest.raises(FileNotFoundError):
            os.unlink("/run/" + ("./" * 200)[-name_bytes:] + "pd-place")  # noqa: PTH108
        assert taken(programs) == KEPT
    assert programs.calls_in_progress() == 0
    assert sum(programs.drops().values()) == 0
