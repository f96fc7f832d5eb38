# SPDX-License-Identifier: Apache-2.0
"""One descriptor in reserve, to tell clients that there is none left."""

from __future__ import annotations

import errno
import os
import socket

from app.errors import ProbedeckError
from app.server.raw_response import raw_response

NO_ROOM = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
FULL = ProbedeckError(
    503, "busy", "The service cannot take another connection now. Try again later."
)


class SpareDescriptor:
    """Closed for a moment, it makes room to accept one connection and answer it with 503.

    Without it the client would wait in the listen queue, and the poller report it for ever.
    """

    def __init__(self) -> None:
        self._open()

    def refuse_one(self, listener: socket.socket) -> None:
        """Accept a connection, answer 503, and close it."""
        os.close(self._descriptor)
        try:
            with listener.accept()[0] as client:
                client.setblocking(False)
                client.send(raw_response(FULL))
                client.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # it has left, or another thread took the descriptor: the next one is answered
        finally:
            self._open()

    def _open(self) -> None:
        self._descriptor = os.open("/", os.O_PATH | os.O_CLOEXEC)
