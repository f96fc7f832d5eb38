# SPDX-License-Identifier: Apache-2.0
"""The stream limit: how many websockets and event streams there may be, and whose.

Each holds a thread of the web server for as long as its client stays, so there are fewer
seats than threads: when all are taken, plain requests still find a thread. And nobody who was
given a token can take the seats of those who have to see, or to stop, what goes on:

    one viewer's token       a third
    all viewers together     all but a quarter
    one operator's token     two thirds
    programs of the owner    all

Who is the owner, with every right over the service, is limited by the total alone.
"""

from __future__ import annotations

import threading
from collections import Counter

from flask import g

from app.access.caller import Caller
from app.access.tokens import OPERATOR, VIEWER
from app.errors import ProbedeckError


class Seats:
    """A fixed number of seats; any thread may take or give back one."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._taken: Counter[tuple[str, str | None]] = Counter()
        self._lock = threading.Lock()

    def take_for_request(self, caller: Caller) -> None:
        """Take a seat until the current request ends; raises 503 `busy` when there is none."""
        with self._lock:
            self._check(caller)
            self._taken[_holder(caller)] += 1
        g.seat = self, caller

    def give_back(self, caller: Caller) -> None:
        holder = _holder(caller)
        with self._lock:
            self._taken[holder] -= 1
            if not self._taken[holder]:
                del self._taken[holder]

    def _check(self, caller: Caller) -> None:
        """Raise 503 `busy` when a bound of this caller's is reached."""
        all_viewers = sum(count for (_, role), count in self._taken.items() if role == VIEWER)
        own = self._taken[_holder(caller)]
        of_one_viewer, of_viewers, of_one_operator = bounds(self._count)
        if self._taken.total() >= self._count:
            raise _busy(f"All {self._count} websockets and event streams are in use.")
        if caller.role == VIEWER and own >= of_one_viewer:
            raise _busy(
                f"{caller.name} has {own} websockets and event streams open, as many as "
                "a viewer's token may have. Close one."
            )
        if caller.role == VIEWER and all_viewers >= of_viewers:
            raise _busy(
                f"Viewers have {all_viewers} websockets and event streams open; the other "
                f"{self._count - of_viewers} are for operators."
            )
        if caller.role == OPERATOR and caller.token and own >= of_one_operator:
            raise _busy(
                f"{caller.name} has {own} websockets and event streams open, as many as "
                "an operator's token may have. Close one."
            )


def bounds(count: int) -> tuple[int, int, int]:
    """Of `count` seats: for one viewer's token, for all viewers, for one operator's token."""
    of_viewers = max(1, count - max(1, count // 4))
    return max(1, count // 3), of_viewers, max(1, count - max(1, count // 3))


def _holder(caller: Caller) -> tuple[str, str | None]:
    return caller.name, caller.role


def _busy(detail: str) -> ProbedeckError:
    return ProbedeckError(503, "busy", detail)


def leave(_error: BaseException | None) -> None:
    """Give back the seat of the request that ends, if it took one (a Flask teardown)."""
    if (seat := g.pop("seat", None)) is not None:
        seats, caller = seat
        seats.give_back(caller)
