# SPDX-License-Identifier: Apache-2.0
"""The host's end of the machine's root shell: the terminal, raw, connected to a serial line."""

from __future__ import annotations

import os
import selectors
import socket
import sys
import termios
import threading
import tty
from types import TracebackType
from typing import Any


def size() -> dict[str, Any]:
    """Return the terminal's size and type, for the shell."""
    columns, rows = os.get_terminal_size(sys.stdin.fileno())
    return {"rows": rows, "columns": columns, "term": os.environ.get("TERM", "dumb")}


class Terminal:
    """Copies keys to the line and the line's output to the screen, from `open` until the exit.

    A context manager that restores the terminal's settings.
    """

    def __init__(self, line: socket.socket) -> None:
        self._line = line
        self._saved: list[Any] | None = None

    def __enter__(self) -> Terminal:
        return self

    def open(self) -> None:
        """Start copying, in a thread."""
        self._saved = termios.tcgetattr(sys.stdin)
        tty.setraw(sys.stdin)
        threading.Thread(target=self._copy, daemon=True).start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._saved is not None:
            # TCSAFLUSH: keys meant for the machine must not reach the host's shell.
            termios.tcsetattr(sys.stdin, termios.TCSAFLUSH, self._saved)

    def _copy(self) -> None:
        keyboard, screen = sys.stdin.fileno(), sys.stdout.fileno()
        with selectors.DefaultSelector() as selector:
            selector.register(keyboard, selectors.EVENT_READ)
            selector.register(self._line, selectors.EVENT_READ)
            while True:
                for key, _ in selector.select():
                    try:
                        data = os.read(key.fd, 4096)
                    except ConnectionResetError:
                        data = b""  # QEMU ended before it read all keys
                    if not data:
                        return
                    try:
                        if key.fd == keyboard:
                            self._line.sendall(data)
                        else:
                            os.write(screen, data)
                    except BrokenPipeError:
                        return
