# SPDX-License-Identifier: Apache-2.0
"""perf_event_open(2), as far as BPF programs are attached with it: tracepoints and kprobes."""

from __future__ import annotations

import ctypes
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from app.linux.syscalls import perf_event_open

# The dynamic performance unit for kprobes (CONFIG_KPROBE_EVENTS), since Linux kernel commit
# e12f03d7031a ("perf/core: Implement the 'perf_kprobe' PMU", v4.17).
KPROBE_PMU = Path("/sys/bus/event_source/devices/kprobe")
ONLINE_CPUS = Path("/sys/devices/system/cpu/online")

_TYPE_TRACEPOINT = 2
_FLAG_FD_CLOEXEC = 8
_DISABLED = 1  # the first bit of the attributes' flags
_IOC_SET_BPF = 0x40042408


class _EventAttributes(ctypes.Structure):
    """struct perf_event_attr up to config2 (PERF_ATTR_SIZE_VER1)."""

    _fields_ = (
        ("type", ctypes.c_uint32),
        ("size", ctypes.c_uint32),
        ("config", ctypes.c_uint64),
        ("sample_period", ctypes.c_uint64),
        ("sample_type", ctypes.c_uint64),
        ("read_format", ctypes.c_uint64),
        ("flags", ctypes.c_uint64),
        ("wakeup_events", ctypes.c_uint32),
        ("bp_type", ctypes.c_uint32),
        ("kprobe_func", ctypes.c_void_p),
        ("probe_offset", ctypes.c_uint64),
    )


@contextmanager
def tracepoint_event(tracepoint_id: int) -> Iterator[int]:
    """Open an event for a tracepoint, by the number in its tracefs file `id`; raises OSError."""
    attributes = _EventAttributes(_TYPE_TRACEPOINT, config=tracepoint_id)
    with _event(attributes) as fd:
        yield fd


@contextmanager
def kprobe_event(function: str, at_return: bool) -> Iterator[int]:
    """Open an event for a function's entry or return. Raises OSError; FileNotFoundError: no PMU."""
    name = ctypes.create_string_buffer(function.encode())
    attributes = _EventAttributes(
        int((KPROBE_PMU / "type").read_text()),
        config=_return_bit() if at_return else 0,
        kprobe_func=ctypes.addressof(name),
    )
    with _event(attributes) as fd:
        yield fd


def attach_program(event_fd: int, prog_fd: int) -> None:
    """Run the program whenever the event happens, until the event is closed; raises OSError.

    The event stays disabled, and the program runs all the same: it belongs to the tracepoint
    (perf_event_attach_bpf_prog), not to the event. Enabled, the event would also be counted, which
    costs each call on its CPU as much again.
    """
    fcntl.ioctl(event_fd, _IOC_SET_BPF, prog_fd)


def _return_bit() -> int:
    """Return the bit of `config` that asks for a kretprobe; the file reads `config:0`."""
    text = (KPROBE_PMU / "format" / "retprobe").read_text().strip()
    return 1 << int(text.rpartition(":")[2])


@contextmanager
def _event(attributes: _EventAttributes) -> Iterator[int]:
    attributes.size = ctypes.sizeof(attributes)
    attributes.flags = _DISABLED
    # Any process on one CPU; the program still runs on all CPUs, as the probe is the kernel's.
    cpu = int(ONLINE_CPUS.read_text().replace(",", "-").split("-")[0])
    fd = perf_event_open(attributes, -1, cpu, _FLAG_FD_CLOEXEC)
    try:
        yield fd
    finally:
        os.close(fd)
