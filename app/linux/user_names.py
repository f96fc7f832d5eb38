# SPDX-License-Identifier: Apache-2.0
"""Users of this machine, from the sources of nsswitch.conf(5)."""

from __future__ import annotations

import pwd

MAX_USER_NAME = 256  # LOGIN_NAME_MAX


def user_number(name: str) -> int | None:
    """Return the number of a user, None if there is no such user."""
    if len(name) > MAX_USER_NAME or not name.isprintable():
        return None
    try:
        return pwd.getpwnam(name).pw_uid
    except KeyError:
        return None
