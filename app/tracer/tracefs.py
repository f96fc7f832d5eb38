"""tracefs for this process alone: tracepoints are attached by numbers that it holds."""

from __future__ import annotations

import ctypes
import os
from pathlib import Path

TRACEFS = Path("/sys/kernel/tracing")
CLONE_NEWNS = 0x20000
MS_REC, MS_PRIVATE = 0x4000, 1 << 18


def ensure_tracefs() -> None:
    """Mount tracefs in a mount namespace of our own, when the machine has not mounted it.

    The mount goes with the process, however that ends. Raises OSError.
    """
    if (TRACEFS / "events").is_dir():
        return
    libc = ctypes.CDLL(None, use_errno=True)
    _check(libc.unshare(CLONE_NEWNS))
    _check(libc.mount(b"none", b"/", None, MS_REC | MS_PRIVATE, None))
    _check(libc.mount(b"tracefs", bytes(TRACEFS), b"tracefs", 0, None))


def _check(result: int) -> None:
    if result:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code), str(TRACEFS))
