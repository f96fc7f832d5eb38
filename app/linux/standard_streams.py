# SPDX-License-Identifier: Apache-2.0
"""Standard streams that may be closed, full, or without a reader.

Serving does not depend on them: it survives a reader that has left (`./run | head -1`), a full
disk and a closed stream (`./run >&-`). A command whose result is its output fails then.
"""

from __future__ import annotations

import os
import stat
import sys
from typing import TextIO

STANDARD = ("stdin", "stdout", "stderr")
NULL_DEVICE = os.makedev(1, 3)  # Documentation/admin-guide/devices.txt


class OutputError(Exception):
    """Standard output cannot be written; the text says why."""


def keep_standard_streams() -> None:
    """Open the null device in place of each standard stream that is closed.

    Otherwise the next file or socket would get its number, and messages of ours or of a child
    would be written into that. Call it before anything is opened.
    """
    for number, name in enumerate(STANDARD):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest number that is free, which is this one
            os.set_inheritable(number, True)
        if getattr(sys, name) is None:
            mode = "r" if number == 0 else "w"
            setattr(sys, name, os.fdopen(number, mode, encoding="utf-8", closefd=False))


def say(line: str) -> None:
    """Write a line to standard output and flush it; if that fails, drop it and all later ones."""
    try:
        sys.stdout.write(line + "\n")
        sys.stdout.flush()
    except (OSError, ValueError):
        discard(sys.stdout)


def show(text: str) -> None:
    """Write to standard output and flush it; raises OutputError."""
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise OutputError(f"Standard output cannot be written: {why}") from error


def is_shown() -> bool:
    """Return whether what is written to standard output goes anywhere but to the null device.

    `keep_standard_streams`, and `run` before it, open that in place of a closed stream.
    """
    try:
        status = os.fstat(sys.stdout.fileno())
    except (OSError, ValueError):
        return True  # not backed by a file: the text is kept in memory
    return not (stat.S_ISCHR(status.st_mode) and status.st_rdev == NULL_DEVICE)


def discard(stream: TextIO) -> None:
    """Redirect the stream to the null device, with what is still in its buffer.

    Python flushes standard output when it exits, and would fail on the broken stream.
    """
    try:
        number = stream.fileno()
    except (OSError, ValueError):
        return  # not backed by a file
    null = os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
    os.dup2(null, number)
    os.close(null)
