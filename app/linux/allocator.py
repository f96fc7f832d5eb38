# SPDX-License-Identifier: Apache-2.0
"""What the C library's allocator does with memory that was given back to it (mallopt(3)).

glibc by ctypes; with another C library the calls are left out, and memory is as that one has it.
"""

from __future__ import annotations

from app.linux.libc import libc

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # malloc.h
LARGE_BYTES = 64 * 1024
KEPT_BYTES = 16 * 1024 * 1024


def limit_heap_growth() -> None:
    """Give every large block pages of its own, which go back to the kernel when it is freed.

    glibc does so from 128 KiB on, and then moves that bound up to the largest block it has seen
    freed, to 32 MiB at most. From there on buffers of requests and batches lie between small
    objects in the heaps, which so grow by some 2 KiB a visitor, for tens of thousands of them.
    Setting the bound keeps it where it is.
    """
    _set(M_MMAP_THRESHOLD, LARGE_BYTES)


def keep_freed_memory() -> None:
    """Keep what is freed, up to 16 MiB, for the next time.

    For a process that needs the same large blocks again and again: each time they came from the
    kernel, every page would be a fault, and be cleared.
    """
    _set(M_MMAP_THRESHOLD, KEPT_BYTES)
    _set(M_TRIM_THRESHOLD, KEPT_BYTES)


def _set(parameter: int, value: int) -> None:
    if hasattr(libc, "mallopt") and not libc.mallopt(parameter, value):
        raise OSError(f"mallopt({parameter}, {value}) failed")
