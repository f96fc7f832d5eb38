# SPDX-License-Identifier: Apache-2.0
"""Remove kprobe events of tracefs when the process that uses them has ended. A script.

`kprobe_event_remover.py DESCRIPTOR NAME...`: the descriptor is tracefs' file `kprobe_events`, a
name is `group/event`. Standard input is a pipe whose other end only the user of the events holds,
and never writes to: end of file means that this process has ended, for whatever reason.
"""

from __future__ import annotations

import errno
import os
import signal
import sys
import time

RETRY_S = 0.01
GIVE_UP_S = 60.0


def remove(control: int, name: str) -> bool:
    """Remove an event; return False if it is still in use, True if it is gone."""
    try:
        os.write(control, f"-:{name}\n".encode())
    except OSError as error:
        return error.errno != errno.EBUSY
    return True


def main(argv: list[str]) -> int:
    """Return 1 if an event stayed in use."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # must outlive the other process
    control, names = int(argv[0]), argv[1:]
    while os.read(0, 4096):
        pass
    deadline = time.monotonic() + GIVE_UP_S
    while names := [name for name in names if not remove(control, name)]:
        if time.monotonic() > deadline:
            return 1
        time.sleep(RETRY_S)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
