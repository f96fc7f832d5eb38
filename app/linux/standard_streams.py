# SPDX-License-Identifier: Apache-2.0
"""Standard streams that may be closed, full or read by nobody any more.

What is said on them is not needed for serving: a reader that has left (`./run | head -1`), a full
disk and a closed stream (`./run >&-`) end nothing. Standard library only.
"""

from __future__ import annotations

import os
import sys
from typing import TextIO

STANDARD = ("stdin", "stdout", "stderr")


def keep_standard_streams() -> None:
    """Open the null device where a standard stream is closed.

    Else the next file or socket would get its number, and what is said, or a child says, would
    be written into that. To be called before anything is opened.
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
    """A line on standard output, at once; dropped, with all that follow, when it cannot be."""
    try:
        sys.stdout.write(line + "\n")
        sys.stdout.flush()
    except (OSError, ValueError):
        discard(sys.stdout)


def discard(stream: TextIO) -> None:
    """Let what the stream holds, and what is still to be written, go to the null device.

    Python writes out at its end what is left in a stream, and would fail by that.
    """
    try:
        number = stream.fileno()
    except (OSError, ValueError):
        return  # no file is behind it
    null = os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
    os.dup2(null, number)
    os.close(null)
