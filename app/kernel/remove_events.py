# SPDX-License-Identifier: Apache-2.0
"""Remove kprobe events of tracefs when the process that uses them has ended. A script.

`remove_events.py DESCRIPTOR NAME...`: the descriptor is tracefs' file `kprobe_events`, a name is
`group/event`. Standard input is a pipe that nobody writes to and whose other end only the user of
the events holds: its end of file is that process's end, whichever way it came.
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
    """Remove an event; False while it is still in use. One that is not there is removed."""
    try:
        os.write(control, f"-:{name}\n".encode())
    except OSError as error:
        return error.errno != errno.EBUSY
    return True


def main(argv: list[str]) -> int:
    """1 when an event stayed in use."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # it ends after the other process, never before
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
