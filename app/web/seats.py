# SPDX-License-Identifier: Apache-2.0
"""Seats for websockets and event streams.

Each holds a thread of the web server for as long as its client stays, so there are fewer
seats than threads: when all are taken, plain requests still find a thread.
"""

from __future__ import annotations

import threading

from flask import g

from app.errors import ProbedeckError


class Seats:
    """A fixed number of seats; any thread may take or give back one."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._free = threading.BoundedSemaphore(count)

    def take_for_request(self) -> None:
        """Take a seat until the current request ends; raises 503 `busy` when none is free."""
        if not self._free.acquire(blocking=False):
            detail = f"All {self._count} places for websockets and event streams are taken."
            raise ProbedeckError(503, "busy", detail)
        g.seats = self

    def give_back(self) -> None:
        self._free.release()


def leave(_error: BaseException | None) -> None:
    """Give back the seat of the request that ends, if it took one (a Flask teardown)."""
    seats: Seats | None = g.pop("seats", None)
    if seats is not None:
        seats.give_back()
