# SPDX-License-Identifier: Apache-2.0
"""System calls of this process that differ in every column, from threads of known names."""

from __future__ import annotations

import ctypes
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

SYS_READ = 0  # x86-64
COMM = "pd-filtered"
LONG = "/" + "n" * 63  # the longest pattern of a filter
# Functions that the workload calls, and what else their patterns find: `vfs_write` alone is one.
WRITING_FUNCTIONS = "vfs_write, vfs_fsync*, noop_*sync, vfs_truncate, notify_change"
# Calls of `write_files` in one thread. They nest: vfs_truncate calls notify_change, and
# vfs_fsync_range, which some kernels inline, ends with a jump to noop_fsync: both have one frame.
WRITING_CALLS = {"vfs_write": 7, "noop_fsync": 1, "vfs_truncate": 2, "notify_change": 3}
CUT = "/" + "n" * 5000  # longer than a row's text
LIBC = ctypes.CDLL(None, use_errno=True)


def open_files() -> None:
    """Calls that differ in every column."""
    folder = os.open("/dev", os.O_PATH)
    paths = ["/dev/null", "/dev/zero", "/pd-none", "/dev/null/x", LONG, LONG[:-1] + "mm", ""]
    for path in [*paths, LONG + "n", CUT, "/dev/full", "/proc/self/status"]:
        for flags in (os.O_RDONLY, os.O_WRONLY | os.O_APPEND):
            try_to_open(path, flags)
    try_to_open("null", os.O_RDONLY, folder)
    try_to_open("zero/x", os.O_RDONLY, folder)
    try_to_open("/dev/shm/pd-filters", os.O_CREAT | os.O_RDWR | os.O_TRUNC)
    os.unlink("/dev/shm/pd-filters")  # noqa: PTH108
    os.close(folder)


def try_to_open(path: str, flags: int, folder: int | None = None) -> None:
    try:
        os.close(os.open(path, flags, 0o600, dir_fd=folder))
    except OSError as error:
        assert error.errno  # such calls are wanted, too


def call_read(fd: int, buffer: Any, count: int) -> None:
    LIBC.syscall(SYS_READ, ctypes.c_long(fd), buffer, ctypes.c_size_t(count))


def read_files() -> None:
    fd = os.open("/dev/zero", os.O_RDONLY)
    empty = os.open("/dev/null", os.O_RDONLY)
    buffer = ctypes.create_string_buffer(2000)
    for count in (0, 1, 2, 7, 8, 99, 100, 101, 999, 1000, 1001):
        call_read(fd, buffer, count)
        call_read(empty, buffer, count)
        call_read(-1, buffer, count)
    for count in (2**63 - 1, 2**63, 2**64 - 1):
        call_read(-1, buffer, count)
    call_read(fd, None, 5)
    os.close(fd)
    os.close(empty)


def write_files() -> None:
    path = Path("/dev/shm") / f"several-{os.getpid()}"
    fd = os.open(path, os.O_CREAT | os.O_RDWR, 0o600)
    for number in range(7):
        os.write(fd, b"x" * number)
    os.fsync(fd)
    os.truncate(path, 5)
    os.truncate(path, 3)
    os.chmod(path, 0o640)  # noqa: PTH101
    os.close(fd)
    path.unlink()


def in_threads(body: Callable[[], None]) -> set[int]:
    """Run this in two threads of different names, one after the other; return their ids."""
    tids = set()

    def run(comm: str) -> None:
        LIBC.prctl(15, comm.encode(), 0, 0, 0)  # PR_SET_NAME
        tids.add(threading.get_native_id())
        body()

    for letter in "ab":
        thread = threading.Thread(target=run, args=(f"{COMM}-{letter}",))
        thread.start()
        thread.join()
    return tids
