# SPDX-License-Identifier: Apache-2.0
"""Standard streams that may be closed, full, or without a reader.

Serving does not depend on them: it survives a reader that has left (`./run | head -1`), a full
disk and a closed stream (`./run >&-`).
"""

from __future__ import annotations

import os
import sys
from typing import TextIO

STANDARD = ("stdin", "stdout", "stderr")


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
