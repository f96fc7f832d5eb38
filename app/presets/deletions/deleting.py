# SPDX-License-Identifier: Apache-2.0
"""A process that deletes a file that is not there: `python -I -S -B deleting.py PATH`.

For each number of calls on standard input it makes them, and prints what a call took of its
processor time, in ns. A script: it imports nothing of ours, as it is to be ready at once.
"""

from __future__ import annotations

import ctypes
import sys
import time


def main() -> None:
    """Make calls until the end of standard input."""
    path = sys.argv[1].encode()
    unlink = ctypes.CDLL(None).unlink
    say("ready")
    for line in sys.stdin:
        calls = int(line)
        start = time.process_time_ns()
        for _ in range(calls):
            unlink(path)
        say(str((time.process_time_ns() - start) / calls))


def say(line: str) -> None:
    """Tell the service."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
