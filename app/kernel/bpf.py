"""bpf(2) for what Probedeck does without BCC: feature checks, counters, ids of what is loaded.

Descriptors are plain ints that the caller closes; the kernel makes them close-on-exec.
Layouts are those of `union bpf_attr` and `struct bpf_prog_info` in include/uapi/linux/bpf.h;
a kernel that knows fewer fields accepts them as long as those it does not know are zero.
"""

from __future__ import annotations

import ctypes
import errno
import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path

from app.kernel.syscalls import bpf as _bpf

POSSIBLE_CPUS = Path("/sys/devices/system/cpu/possible")

PROG_TYPE_KPROBE = 2
PROG_TYPE_TRACEPOINT = 5
PROG_TYPE_TRACING = 26
ATTACH_TRACE_FENTRY = 24
ATTACH_TRACE_FEXIT = 25
MAP_TYPE_HASH = 1
MAP_TYPE_PERCPU_ARRAY = 6
MAP_TYPE_RINGBUF = 27

_LOG_SIZE = 1 << 16


class _Command(IntEnum):
    MAP_CREATE = 0
    MAP_LOOKUP_ELEM = 1
    MAP_UPDATE_ELEM = 2
    PROG_LOAD = 5
    PROG_GET_NEXT_ID = 11
    MAP_GET_NEXT_ID = 12
    PROG_GET_FD_BY_ID = 13
    OBJ_GET_INFO_BY_FD = 15
    RAW_TRACEPOINT_OPEN = 17
    LINK_GET_NEXT_ID = 31


class _MapCreate(ctypes.Structure):
    _fields_ = (
        ("map_type", ctypes.c_uint32),
        ("key_size", ctypes.c_uint32),
        ("value_size", ctypes.c_uint32),
        ("max_entries", ctypes.c_uint32),
        ("map_flags", ctypes.c_uint32),
        ("inner_map_fd", ctypes.c_uint32),
        ("numa_node", ctypes.c_uint32),
        ("map_name", ctypes.c_char * 16),
    )


class _MapElement(ctypes.Structure):
    _fields_ = (
        ("map_fd", ctypes.c_uint64),  # 32 bits and padding
        ("key", ctypes.c_void_p),
        ("value", ctypes.c_void_p),
        ("flags", ctypes.c_uint64),
    )


class _ProgLoad(ctypes.Structure):
    _fields_ = (
        ("prog_type", ctypes.c_uint32),
        ("insn_cnt", ctypes.c_uint32),
        ("insns", ctypes.c_void_p),
        ("license", ctypes.c_void_p),
        ("log_level", ctypes.c_uint32),
        ("log_size", ctypes.c_uint32),
        ("log_buf", ctypes.c_void_p),
        ("kern_version", ctypes.c_uint32),
        ("prog_flags", ctypes.c_uint32),
        ("prog_name", ctypes.c_char * 16),
        ("prog_ifindex", ctypes.c_uint32),
        ("expected_attach_type", ctypes.c_uint32),
        ("prog_btf_fd", ctypes.c_uint32),
        ("func_info_rec_size", ctypes.c_uint32),
        ("func_info", ctypes.c_void_p),
        ("func_info_cnt", ctypes.c_uint32),
        ("line_info_rec_size", ctypes.c_uint32),
        ("line_info", ctypes.c_void_p),
        ("line_info_cnt", ctypes.c_uint32),
        ("attach_btf_id", ctypes.c_uint32),
    )


class _RawTracepointOpen(ctypes.Structure):
    _fields_ = (("name", ctypes.c_void_p), ("prog_fd", ctypes.c_uint64))


class _Id(ctypes.Structure):
    _fields_ = (
        ("id", ctypes.c_uint32),
        ("next_id", ctypes.c_uint32),
        ("open_flags", ctypes.c_uint32),
    )


class _InfoByFd(ctypes.Structure):
    _fields_ = (
        ("bpf_fd", ctypes.c_uint32),
        ("info_len", ctypes.c_uint32),
        ("info", ctypes.c_void_p),
    )


class _ProgInfo(ctypes.Structure):
    _fields_ = (
        ("type", ctypes.c_uint32),
        ("id", ctypes.c_uint32),
        ("tag", ctypes.c_uint8 * 8),
        ("instructions", ctypes.c_uint32 * 2),
        ("instruction_buffers", ctypes.c_uint64 * 2),
        ("load_time", ctypes.c_uint64),
        ("created_by_uid", ctypes.c_uint32),
        ("nr_map_ids", ctypes.c_uint32),
        ("map_ids", ctypes.c_uint64),
        ("name", ctypes.c_char * 16),
        ("ifindex_and_gpl", ctypes.c_uint32 * 2),
        ("netns", ctypes.c_uint64 * 2),
        ("debug_info", ctypes.c_uint64 * 11),  # from nr_jited_ksyms to prog_tags
        ("run_time_ns", ctypes.c_uint64),
        ("run_cnt", ctypes.c_uint64),
        ("recursion_misses", ctypes.c_uint64),
    )


class ProgramRefusedError(OSError):
    """BPF_PROG_LOAD failed; `log` is what the verifier said, if anything."""

    log: str = ""


@dataclass(frozen=True)
class ProgInfo:
    """A loaded program. Run time (ns) and count stay 0 unless kernel.bpf_stats_enabled is 1.

    `recursion_misses` are runs the kernel left out because the program was already
    running on that CPU; None before Linux 5.12, which does not count them.
    """

    id: int
    type: int
    name: str
    tag: str
    run_time_ns: int
    run_cnt: int
    recursion_misses: int | None


def create_map(
    map_type: int, key_size: int, value_size: int, max_entries: int, name: str = ""
) -> int:
    """A new map's descriptor; sizes in bytes (a ring buffer's size is its `max_entries`)."""
    attributes = _MapCreate(
        map_type, key_size, value_size, max_entries, map_name=name.encode()[:15]
    )
    return _bpf(_Command.MAP_CREATE, attributes)


def map_lookup(fd: int, key: bytes, value_size: int) -> bytes | None:
    """The value of a key, or None when the map has no such key.

    For a per-CPU map `value_size` must be `percpu_size(...)`, and all CPUs' values come in one
    buffer. The kernel writes what the map's value takes: a smaller `value_size` is a defect.
    """
    value = ctypes.create_string_buffer(value_size)
    key_buffer = ctypes.create_string_buffer(key, len(key))
    element = _MapElement(fd, ctypes.addressof(key_buffer), ctypes.addressof(value), 0)
    try:
        _bpf(_Command.MAP_LOOKUP_ELEM, element)
    except OSError as error:
        if error.errno == errno.ENOENT:
            return None
        raise
    return value.raw


def map_update(fd: int, key: bytes, value: bytes) -> None:
    """Set a key's value; `value` is as long as `map_lookup` would return."""
    value_buffer = ctypes.create_string_buffer(value, len(value))
    key_buffer = ctypes.create_string_buffer(key, len(key))
    _bpf(
        _Command.MAP_UPDATE_ELEM,
        _MapElement(fd, ctypes.addressof(key_buffer), ctypes.addressof(value_buffer), 0),
    )


def percpu_size(value_size: int) -> int:
    """Bytes of all CPUs' values of one key: each value is rounded up to 8 bytes."""
    return -(-value_size // 8) * 8 * possible_cpus()


def possible_cpus(path: Path = POSSIBLE_CPUS) -> int:
    """How many CPUs the kernel has room for, as per-CPU maps count them."""
    count = 0
    for part in path.read_text().strip().split(","):
        first, _, last = part.partition("-")
        count += int(last or first) - int(first) + 1
    return count


def instruction(code: int, dst: int = 0, src: int = 0, immediate: int = 0) -> bytes:
    """One `struct bpf_insn` without offset, for little-endian machines."""
    return struct.pack("<BBhi", code, src << 4 | dst, 0, immediate)


def load_program(
    prog_type: int,
    instructions: bytes,
    *,
    name: str = "",
    kernel_version: int = 0,
    attach_type: int = 0,
    attach_btf_id: int = 0,
) -> int:
    """A GPL program's descriptor; raises ProgramRefusedError with the verifier's log."""
    code = ctypes.create_string_buffer(instructions, len(instructions))
    terms = ctypes.create_string_buffer(b"GPL")
    attributes = _ProgLoad(
        prog_type,
        len(instructions) // 8,
        ctypes.addressof(code),
        ctypes.addressof(terms),
        kern_version=kernel_version,
        prog_name=name.encode()[:15],
        expected_attach_type=attach_type,
        attach_btf_id=attach_btf_id,
    )
    try:
        return _bpf(_Command.PROG_LOAD, attributes)
    except OSError as error:
        refusal = ProgramRefusedError(error.errno, error.strerror)
        refusal.log = _verifier_log(attributes)
        raise refusal from error


def _verifier_log(attributes: _ProgLoad) -> str:
    """Load once more, with a log: asking for one at first would make each load slow."""
    log = ctypes.create_string_buffer(_LOG_SIZE)
    attributes.log_level = 1
    attributes.log_size = _LOG_SIZE
    attributes.log_buf = ctypes.addressof(log)
    try:
        os.close(_bpf(_Command.PROG_LOAD, attributes))
    except OSError:
        pass  # the first attempt's error is the one that counts
    return log.value.decode("utf-8", "replace")


def open_raw_tracepoint(prog_fd: int) -> int:
    """Attach a tracing program where its `attach_btf_id` says; closing the result detaches."""
    return _bpf(_Command.RAW_TRACEPOINT_OPEN, _RawTracepointOpen(None, prog_fd))


def prog_ids() -> list[int]:
    """Ids of all programs in the kernel."""
    return list(_ids(_Command.PROG_GET_NEXT_ID))


def map_ids() -> list[int]:
    """Ids of all maps in the kernel."""
    return list(_ids(_Command.MAP_GET_NEXT_ID))


def link_ids() -> list[int]:
    """Ids of all links in the kernel; raises OSError (EINVAL) before Linux 5.8."""
    return list(_ids(_Command.LINK_GET_NEXT_ID))


def prog_info(fd: int) -> ProgInfo:
    """What the kernel says about a program, by its descriptor."""
    info = _ProgInfo()
    request = _InfoByFd(fd, ctypes.sizeof(info), ctypes.addressof(info))
    _bpf(_Command.OBJ_GET_INFO_BY_FD, request)
    counts_misses = request.info_len >= _ProgInfo.recursion_misses.offset + 8
    return ProgInfo(
        info.id,
        info.type,
        info.name.decode("utf-8", "replace"),
        bytes(info.tag).hex(),
        info.run_time_ns,
        info.run_cnt,
        info.recursion_misses if counts_misses else None,
    )


@contextmanager
def program(prog_id: int) -> Iterator[int]:
    """A descriptor of the program with this id; raises OSError (ENOENT) when it is gone."""
    fd = _bpf(_Command.PROG_GET_FD_BY_ID, _Id(prog_id))
    try:
        yield fd
    finally:
        os.close(fd)


def _ids(command: _Command) -> Iterator[int]:
    request = _Id()
    while True:
        try:
            _bpf(command, request)
        except OSError as error:
            if error.errno == errno.ENOENT:  # there is none behind the last
                return
            raise
        yield request.next_id
        request = _Id(request.next_id)
