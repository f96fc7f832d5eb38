# SPDX-License-Identifier: Apache-2.0
"""No process shows us the kernel's memory by passing one of its addresses to a system call."""

from __future__ import annotations

import ctypes
import os
from pathlib import Path

import pytest

from tests.support.fixtures import skip
from tests.support.service import Service

PROBE = "kernel-pointers"
AT_FDCWD = -100
NOT_MAPPED = 0xFFFF_FFFF_FFFF_0000
LIBC = ctypes.CDLL(None, use_errno=True)
LIBC.openat.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_int]
LIBC.read.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_size_t]


def kernel_text() -> int:
    """Return the address of the kernel's version, a text."""
    for line in Path("/proc/kallsyms").read_text().splitlines():
        address, _, name = line.split()[:3]
        if name == "linux_banner" and int(address, 16):
            return int(address, 16)
    pytest.fail("/proc/kallsyms has no address of linux_banner")


def read_into(address: int) -> int:
    with Path("/dev/zero").open("rb", buffering=0) as file:
        return int(LIBC.read(file.fileno(), address, 1))


# Functions that are given a process's pointer unchecked, with the call that does it.
CALLS = {
    "do_sys_openat2": ("filename", lambda at: LIBC.openat(AT_FDCWD, at, os.O_RDONLY)),
    "vfs_read": ("buf", read_into),
}


@pytest.mark.suites("trixie-backports")
@pytest.mark.parametrize("mode", ["fentry", "fexit", "kprobe", "kretprobe"])
@pytest.mark.parametrize("function", CALLS)
def test_its_pointers_lead_to_its_own_memory(
    idle: Service, modes: tuple[str, ...], function: str, mode: str
) -> None:
    if mode not in modes:
        skip(f"this kernel does not allow {mode}")
    argument, call = CALLS[function]
    columns = [f"str({argument}, 64) as text", f"bytes({argument}, 8) as head"]
    columns += [f"{argument}[0] as first", f"hex({argument}) as address", "pcomm"]
    spec = {"mode": mode, "function": function, "columns": columns}
    idle.start(PROBE, **spec, filter={"pid": os.getpid()})
    cursor = idle.cursor()
    own = ctypes.create_string_buffer(b"its own memory")
    places = (kernel_text(), NOT_MAPPED, ctypes.addressof(own))
    for address in places:
        call(address)
    idle.stop(PROBE)
    rows = [row for row in idle.events_after(cursor)[0] if row["probe"] == PROBE]
    found = {int(row["address"], 16): row for row in rows if int(row["address"], 16) in places}
    assert found.keys() == set(places)
    for address in places[:2]:
        row = found[address]
        assert (row["text"], row["head"], row["first"]) == (None, None, None)
    assert found[places[2]]["text"] == "its own memory"
    assert found[places[2]]["first"] is not None
    assert all(row["pcomm"] for row in found.values())  # which is in the kernel's memory
