# SPDX-License-Identifier: Apache-2.0
"""How glibc's allocator treats freed memory (mallopt(3)).

With another C library, which has no mallopt, these calls do nothing.
"""

from __future__ import annotations

from app.linux.libc import libc

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # malloc.h
LARGE_BYTES = 64 * 1024
KEPT_BYTES = 16 * 1024 * 1024


def limit_heap_growth() -> None:
    """Have every block of 64 KiB or more mapped on its own, and unmapped when it is freed.

    glibc mmaps blocks of 128 KiB and more, but raises that threshold, up to 32 MiB, whenever a
    larger block is freed. Buffers of requests and batches then come from the heap and fragment
    it: it grew by some 2 KiB a client, for tens of thousands of clients. Setting
    M_MMAP_THRESHOLD turns the adjustment off.
    """
    _set(M_MMAP_THRESHOLD, LARGE_BYTES)


def keep_freed_memory() -> None:
    """Keep up to 16 MiB of freed memory for the next allocations.

    For a process that allocates the same large blocks again and again: memory that comes fresh
    from the kernel costs a page fault and the clearing of each page.
    """
    _set(M_MMAP_THRESHOLD, KEPT_BYTES)
    _set(M_TRIM_THRESHOLD, KEPT_BYTES)


def _set(parameter: int, value: int) -> None:
    if hasattr(libc, "mallopt") and not libc.mallopt(parameter, value):
        raise OSError(f"mallopt({parameter}, {value}) failed")
