# SPDX-License-Identifier: Apache-2.0
"""The stream limit: how many websockets and event streams each kind of caller may have.

Each holds a thread of the web server until its client leaves, so the limit is below the number of
threads: when it is reached, plain requests still find a thread. No token can use up what operators
need to see, or to stop, what is going on:

    one viewer's token       a third
    all viewers together     all but a quarter
    one operator's token     two thirds
    programs of the owner    all

The owner has every right over the service anyway, so only the total limits the owner's programs.
"""

from __future__ import annotations

import threading
from collections import Counter

from flask import g

from app.access.caller import Caller
from app.access.tokens import OPERATOR, VIEWER
from app.errors import ProbedeckError


class StreamLimit:
    """At most `count` streams at once. Any thread may acquire or release one."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._open: Counter[tuple[str, str | None]] = Counter()
        self._lock = threading.Lock()

    def acquire_for_request(self, caller: Caller) -> None:
        """Count a stream until the current request ends; raise 503 `busy` at the limit."""
        with self._lock:
            self._check(caller)
            self._open[_key(caller)] += 1
        g.stream_limit = self, caller

    def release(self, caller: Caller) -> None:
        key = _key(caller)
        with self._lock:
            self._open[key] -= 1
            if not self._open[key]:
                del self._open[key]

    def _check(self, caller: Caller) -> None:
        """Raise 503 `busy` when one of the limits for this caller is reached."""
        of_all_viewers = sum(count for (_, role), count in self._open.items() if role == VIEWER)
        own = self._open[_key(caller)]
        per_viewer, for_viewers, per_operator = limits(self._count)
        if self._open.total() >= self._count:
            raise _busy(
                f"All {self._count} websockets and event streams are in use. Try again later."
            )
        if caller.role == VIEWER and own >= per_viewer:
            raise _busy(
                f"{caller.name} has {own} websockets and event streams open, the limit for "
                "a viewer's token. Close one."
            )
        if caller.role == VIEWER and of_all_viewers >= for_viewers:
            raise _busy(
                f"Viewers have {of_all_viewers} websockets and event streams open; the other "
                f"{self._count - for_viewers} are reserved for operators. Try again later."
            )
        if caller.role == OPERATOR and caller.token and own >= per_operator:
            raise _busy(
                f"{caller.name} has {own} websockets and event streams open, the limit for "
                "an operator's token. Close one."
            )


def limits(count: int) -> tuple[int, int, int]:
    """Split `count`: for one viewer's token, for all viewers, for one operator's token."""
    for_viewers = max(1, count - max(1, count // 4))
    return max(1, count // 3), for_viewers, max(1, count - max(1, count // 3))


def _key(caller: Caller) -> tuple[str, str | None]:
    return caller.name, caller.role


def _busy(detail: str) -> ProbedeckError:
    return ProbedeckError(503, "busy", detail)


def release_at_teardown(_error: BaseException | None) -> None:
    """Release what the request that ends has acquired, if anything (a Flask teardown)."""
    if (acquired := g.pop("stream_limit", None)) is not None:
        limit, caller = acquired
        limit.release(caller)
