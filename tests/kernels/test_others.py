# SPDX-License-Identifier: Apache-2.0
"""What others on the machine see while probes run: the same as without them."""

from __future__ import annotations

import ctypes
import os
import struct
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.support import kernel
from tests.support.service import Service

TIMES = 10
EVENTS = ("unlink", "unlinkat", "rmdir", "rename", "renameat", "renameat2")
ENABLED_IN_THIS_THREAD = (0, -1, -1, 0)  # pid, cpu, group, flags: of perf_event_open(2)


@contextmanager
def counter(tracepoint: str) -> Iterator[int]:
    """A perf counter of a tracepoint's events in this thread, as `perf stat` makes."""
    script = 'mount -t tracefs tests /mnt && cat "/mnt/events/$1/id"'
    found = subprocess.run(
        ["unshare", "--mount", "sh", "-c", script, "sh", tracepoint],
        check=True,
        capture_output=True,
    )
    attributes = ctypes.create_string_buffer(struct.pack("=IIQ", 2, 64, int(found.stdout)), 64)
    libc = ctypes.CDLL(None, use_errno=True)
    number = kernel.PERF_EVENT_OPEN[os.uname().machine]
    fd = libc.syscall(number, attributes, *ENABLED_IN_THIS_THREAD)
    assert fd >= 0, os.strerror(ctypes.get_errno())
    try:
        yield fd
    finally:
        os.close(fd)


@pytest.mark.suites("bullseye", "trixie-backports")
def test_perf_counts_every_call_beside_running_probes(tracing: Service) -> None:
    programs = {number for kind, number in kernel.bpf_objects() if kind == "prog"}
    if programs - {number for _, number in tracing.programs()} and not kernel.forced():
        pytest.skip("programs of others are on this machine, which may hide events")
    libc = ctypes.CDLL(None)
    name = b"/run/pd-others-%d" % os.getpid()
    calls = {
        "unlink": lambda: libc.unlink(name),
        "unlinkat": lambda: libc.unlinkat(-100, name, 0),
        "rmdir": lambda: libc.rmdir(name),
        "rename": lambda: libc.rename(name, name),
        "renameat": lambda: libc.renameat(-100, name, -100, name),
        # With a flag (RENAME_NOREPLACE): without one, glibc makes it a renameat.
        "renameat2": lambda: libc.renameat2(-100, name, -100, name, 1),
    }
    for side in ("enter", "exit"):
        for call in EVENTS:
            with counter(f"syscalls/sys_{side}_{call}") as fd:
                for _ in range(TIMES):
                    assert calls[call]() == -1
                (count,) = struct.unpack("=Q", os.read(fd, 8))
            assert count == TIMES, f"sys_{side}_{call}"
