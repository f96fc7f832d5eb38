# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import os
import pwd

from app.linux.user_names import user_number


def test_numbers_of_users() -> None:
    assert user_number(pwd.getpwuid(os.getuid()).pw_name) == os.getuid()
    for name in ("nobody here\n", "x" * 300, "no-such-user-1", "a\0b"):
        assert user_number(name) is None
