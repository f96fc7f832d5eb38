# SPDX-License-Identifier: Apache-2.0
"""bpf(2) for what Probedeck does without BCC: feature checks, counters, ids of loaded objects.

Descriptors are plain ints that the caller closes; the kernel sets close-on-exec on them.
"""

from __future__ import annotations

import ctypes
import errno
import os
import resource
import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from app.linux.bpf_attr import (
    BtfInfoLayout,
    Command,
    EnableStats,
    Id,
    InfoByFd,
    LinkCreateKprobeMulti,
    MapCreate,
    MapElement,
    MapInfoLayout,
    ProgInfoLayout,
    ProgLoad,
    RawTracepointOpen,
)
from app.linux.syscalls import bpf as _bpf

POSSIBLE_CPUS = Path("/sys/devices/system/cpu/possible")

PROG_TYPE_KPROBE = 2
PROG_TYPE_TRACEPOINT = 5
PROG_TYPE_RAW_TRACEPOINT = 17
PROG_TYPE_TRACING = 26
ATTACH_TRACE_FENTRY = 24
ATTACH_TRACE_FEXIT = 25
MAP_TYPE_HASH = 1
MAP_TYPE_ARRAY = 2
MAP_TYPE_PROG_ARRAY = 3
MAP_TYPE_PERCPU_HASH = 5
MAP_TYPE_PERCPU_ARRAY = 6
MAP_TYPE_LRU_HASH = 9
MAP_TYPE_RINGBUF = 27
MAP_FLAG_MMAPABLE = 1 << 10  # BPF_F_MMAPABLE
STATS_RUN_TIME = 0
KPROBE_MULTI_RETURN = 1  # BPF_F_KPROBE_MULTI_RETURN

_LOG_SIZE = 1 << 16
_MODULE_NAME_BYTES = 64  # MODULE_NAME_LEN is less


class ProgramRefusedError(OSError):
    """BPF_PROG_LOAD failed; `log` is the verifier's log, which may be empty."""

    log: str = ""


@dataclass(frozen=True)
class ProgInfo:
    """A loaded program. The kernel counts run time (ns) and runs only while statistics are
    enabled (`enable_run_time_stats`, or kernel.bpf_stats_enabled).

    `recursion_misses` counts runs that the kernel skipped because the program was already
    running on that CPU; None before Linux kernel commit 9ed9e9ba2337 ("bpf: Count the number of
    times recursion was prevented", v5.12).
    """

    id: int
    type: int
    name: str
    tag: str
    run_time_ns: int
    run_cnt: int
    recursion_misses: int | None


@dataclass(frozen=True)
class MapInfo:
    """A map as it was created; sizes in bytes (a ring buffer's size is its `max_entries`)."""

    id: int
    type: int
    key_size: int
    value_size: int
    max_entries: int
    flags: int
    name: str


def allow_locked_memory() -> None:
    """Lift this process's limit on locked memory, which includes maps before Linux 5.11.

    All maps of a user count against the limit of the process that creates the next one, so each
    process that creates maps or loads programs calls this first. If the limit cannot be lifted,
    creating a map fails with the kernel's error.
    """
    try:
        resource.setrlimit(resource.RLIMIT_MEMLOCK, (resource.RLIM_INFINITY,) * 2)
    except (ValueError, OSError):  # without CAP_SYS_RESOURCE: to the hard limit
        _, hard = resource.getrlimit(resource.RLIMIT_MEMLOCK)
        resource.setrlimit(resource.RLIMIT_MEMLOCK, (hard, hard))


def create_map(
    map_type: int,
    key_size: int,
    value_size: int,
    max_entries: int,
    name: str = "",
    *,
    flags: int = 0,
) -> int:
    """Create a map and return its descriptor; sizes in bytes, as in `MapInfo`."""
    attributes = MapCreate(
        map_type, key_size, value_size, max_entries, flags, map_name=name.encode()[:15]
    )
    return _bpf(Command.MAP_CREATE, attributes)


def map_info(fd: int) -> MapInfo:
    """Return what the kernel knows about the map of a descriptor."""
    info = MapInfoLayout()
    _bpf(Command.OBJ_GET_INFO_BY_FD, InfoByFd(fd, ctypes.sizeof(info), ctypes.addressof(info)))
    return MapInfo(
        info.id,
        info.type,
        info.key_size,
        info.value_size,
        info.max_entries,
        info.map_flags,
        info.name.decode("utf-8", "replace"),
    )


def map_lookup(fd: int, key: bytes, value_size: int) -> bytes | None:
    """Return the value of a key, or None when the map has no such key.

    For a per-CPU map `value_size` must be `percpu_size(...)`; the result holds all CPUs' values.
    The kernel writes as many bytes as the map's value has: a smaller buffer would overflow.
    """
    value = ctypes.create_string_buffer(value_size)
    key_buffer = ctypes.create_string_buffer(key, len(key))
    element = MapElement(fd, ctypes.addressof(key_buffer), ctypes.addressof(value), 0)
    try:
        _bpf(Command.MAP_LOOKUP_ELEM, element)
    except OSError as error:
        if error.errno == errno.ENOENT:
            return None
        raise
    return value.raw


def map_sum(fd: int, key: bytes) -> int:
    """Return a 64-bit counter of a per-CPU map, summed over all CPUs; 0 if there is no such key."""
    values = map_lookup(fd, key, percpu_size(8))
    return 0 if values is None else sum(memoryview(values).cast("Q"))


def map_update(fd: int, key: bytes, value: bytes) -> None:
    """Set a key's value; `value` has the length that `map_lookup` returns."""
    value_buffer = ctypes.create_string_buffer(value, len(value))
    key_buffer = ctypes.create_string_buffer(key, len(key))
    _bpf(
        Command.MAP_UPDATE_ELEM,
        MapElement(fd, ctypes.addressof(key_buffer), ctypes.addressof(value_buffer), 0),
    )


def map_delete(fd: int, key: bytes) -> None:
    """Remove a key; raises OSError (ENOENT if the map has no such key)."""
    key_buffer = ctypes.create_string_buffer(key, len(key))
    _bpf(Command.MAP_DELETE_ELEM, MapElement(fd, ctypes.addressof(key_buffer), 0, 0))


def percpu_size(value_size: int) -> int:
    """Return the size in bytes of all CPUs' values of one key, each rounded up to 8 bytes."""
    return -(-value_size // 8) * 8 * possible_cpus()


@cache
def possible_cpus(path: Path = POSSIBLE_CPUS) -> int:
    """Return how many possible CPUs the kernel has, as per-CPU maps count them; fixed at boot."""
    count = 0
    for part in path.read_text().strip().split(","):
        first, _, last = part.partition("-")
        count += int(last or first) - int(first) + 1
    return count


def instruction(
    code: int, dst: int = 0, src: int = 0, immediate: int = 0, *, offset: int = 0
) -> bytes:
    """Return one encoded `struct bpf_insn`, for little-endian machines."""
    return struct.pack("<BBhi", code, src << 4 | dst, offset, immediate)


def load_program(
    prog_type: int,
    instructions: bytes,
    *,
    name: str = "",
    kernel_version: int = 0,
    attach_type: int = 0,
    attach_btf_id: int = 0,
    attach_btf_fd: int = 0,
) -> int:
    """Load a GPL program and return its descriptor; raises ProgramRefusedError.

    `attach_btf_fd` is of a module's BTF (`module_btf`); without it, `attach_btf_id` is a type of
    the kernel's own.
    """
    code = ctypes.create_string_buffer(instructions, len(instructions))
    terms = ctypes.create_string_buffer(b"GPL")
    attributes = ProgLoad(
        prog_type,
        len(instructions) // 8,
        ctypes.addressof(code),
        ctypes.addressof(terms),
        kern_version=kernel_version,
        prog_name=name.encode()[:15],
        expected_attach_type=attach_type,
        attach_btf_id=attach_btf_id,
        attach_btf_obj_fd=attach_btf_fd,
    )
    try:
        return _bpf(Command.PROG_LOAD, attributes)
    except OSError as error:
        refusal = ProgramRefusedError(error.errno, error.strerror)
        refusal.log = _verifier_log(attributes)
        raise refusal from error


def _verifier_log(attributes: ProgLoad) -> str:
    """Load once more, to get the log: asking for it at first would make every load slow."""
    log = ctypes.create_string_buffer(_LOG_SIZE)
    attributes.log_level = 1
    attributes.log_size = _LOG_SIZE
    attributes.log_buf = ctypes.addressof(log)
    try:
        os.close(_bpf(Command.PROG_LOAD, attributes))
    except OSError:
        pass  # the first attempt's error is the one that counts
    return log.value.decode("utf-8", "replace")


def open_raw_tracepoint(prog_fd: int, tracepoint: str | None = None) -> int:
    """Attach a program and return a descriptor; closing that detaches it.

    A raw tracepoint's program goes to `tracepoint`, a tracing program to its `attach_btf_id`.
    """
    name = ctypes.create_string_buffer(tracepoint.encode()) if tracepoint else None
    address = ctypes.addressof(name) if name else None
    return _bpf(Command.RAW_TRACEPOINT_OPEN, RawTracepointOpen(address, prog_fd))


def link_functions(
    prog_fd: int, attach_type: int, functions: Sequence[str], *, at_return: bool = False
) -> int:
    """Attach a program to many functions at once, by kprobe.multi; closing what this returns
    detaches it.

    The program's cookie (bpf_get_attach_cookie) is the function's place among them. Raises
    OSError: EINVAL before Linux 5.18, EOPNOTSUPP without CONFIG_FPROBE, ESRCH or EINVAL if one of
    them cannot be traced.
    """
    encoded = [ctypes.create_string_buffer(name.encode()) for name in functions]
    names = (ctypes.c_uint64 * len(encoded))(*map(ctypes.addressof, encoded))
    cookies = (ctypes.c_uint64 * len(encoded))(*range(len(encoded)))
    attributes = LinkCreateKprobeMulti(
        prog_fd,
        attach_type=attach_type,
        multi_flags=KPROBE_MULTI_RETURN if at_return else 0,
        cnt=len(encoded),
        syms=ctypes.addressof(names),
        cookies=ctypes.addressof(cookies),
    )
    return _bpf(Command.LINK_CREATE, attributes)


def prog_ids() -> list[int]:
    """Return the ids of all programs in the kernel."""
    return list(_ids(Command.PROG_GET_NEXT_ID))


def map_ids() -> list[int]:
    """Return the ids of all maps in the kernel."""
    return list(_ids(Command.MAP_GET_NEXT_ID))


def link_ids() -> list[int]:
    """Return the ids of all links in the kernel; raises OSError (EINVAL) before Linux 5.8."""
    return list(_ids(Command.LINK_GET_NEXT_ID))


def prog_info(fd: int) -> ProgInfo:
    """Return what the kernel knows about the program of a descriptor."""
    info = ProgInfoLayout()
    request = InfoByFd(fd, ctypes.sizeof(info), ctypes.addressof(info))
    _bpf(Command.OBJ_GET_INFO_BY_FD, request)
    counts_misses = request.info_len >= ProgInfoLayout.recursion_misses.offset + 8
    return ProgInfo(
        info.id,
        info.type,
        info.name.decode("utf-8", "replace"),
        bytes(info.tag).hex(),
        info.run_time_ns,
        info.run_cnt,
        info.recursion_misses if counts_misses else None,
    )


def enable_run_time_stats() -> int:
    """Have the kernel count run time and runs of all programs until the descriptor is closed.

    Raises OSError; EINVAL before Linux 5.8.
    """
    return _bpf(Command.ENABLE_STATS, EnableStats(STATS_RUN_TIME))


@contextmanager
def module_btf(module: str) -> Iterator[int]:
    """Open the BTF of a loaded module.

    Raises OSError: ENOENT if it is not loaded or has none, as before Linux kernel commit
    36e68442d1af ("bpf: Load and verify kernel module BTFs", v5.11).
    """
    for btf_id in _ids(Command.BTF_GET_NEXT_ID):
        try:
            fd = _bpf(Command.BTF_GET_FD_BY_ID, Id(btf_id))
        except OSError as error:
            if error.errno == errno.ENOENT:  # it has gone since
                continue
            raise
        try:
            if _kernel_btf_name(fd) == module:
                yield fd
                return
        finally:
            os.close(fd)
    raise FileNotFoundError(errno.ENOENT, "the module has no BTF", module)


def _kernel_btf_name(fd: int) -> str | None:
    """Return the name of the module, or `vmlinux`, whose BTF this is; None for a program's."""
    name = ctypes.create_string_buffer(_MODULE_NAME_BYTES)
    info = BtfInfoLayout(name=ctypes.addressof(name), name_len=_MODULE_NAME_BYTES)
    _bpf(Command.OBJ_GET_INFO_BY_FD, InfoByFd(fd, ctypes.sizeof(info), ctypes.addressof(info)))
    return name.value.decode() if info.kernel_btf else None


@contextmanager
def program(prog_id: int) -> Iterator[int]:
    """Open the program with this id; raises OSError (ENOENT) when it has been unloaded."""
    fd = _bpf(Command.PROG_GET_FD_BY_ID, Id(prog_id))
    try:
        yield fd
    finally:
        os.close(fd)


def _ids(command: Command) -> Iterator[int]:
    request = Id()
    while True:
        try:
            _bpf(command, request)
        except OSError as error:
            if error.errno == errno.ENOENT:  # no object follows
                return
            raise
        yield request.next_id
        request = Id(request.next_id)
