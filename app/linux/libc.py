# SPDX-License-Identifier: Apache-2.0
"""The C library by ctypes, opened in this one place; a failed call raises OSError."""

from __future__ import annotations

import ctypes
import os

libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long


def check(result: int, name: str | None = None) -> int:
    """Return what a call returned, or raise OSError with its errno when that is negative.

    `name` is the file or call that the error is about.
    """
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), name)
    return result


def prctl(option: int, argument: int | bytes = 0) -> int:
    """Call prctl(2) with one argument, the others 0; raises OSError."""
    first = argument if isinstance(argument, bytes) else ctypes.c_ulong(argument)
    return check(libc.prctl(option, first, *(ctypes.c_ulong(0),) * 3))
