# SPDX-License-Identifier: Apache-2.0
"""Times as text: RFC 3339, in UTC, as in the API, the audit log and the tracer's reports.

Every module may import this one; it imports the standard library only.
"""

from __future__ import annotations

import time
from datetime import datetime, timezone


def rfc3339(time_s: float, precision: str = "microseconds") -> str:
    """Return a Unix time as `2026-01-31T12:00:00.000000Z`.

    `precision` is a `timespec` of `datetime.isoformat`.
    """
    moment = datetime.fromtimestamp(time_s, timezone.utc)
    return moment.isoformat(timespec=precision).replace("+00:00", "Z")


def now(after_s: float = 0.0, precision: str = "microseconds") -> str:
    """Return the time `after_s` seconds from now, as `rfc3339` writes it."""
    return rfc3339(time.time() + after_s, precision)


def unix_time(text: str) -> float:
    """Return the Unix time that `rfc3339` wrote as `text`; raise ValueError for other text."""
    # Before Python 3.11, `fromisoformat` does not accept the Z.
    return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()
