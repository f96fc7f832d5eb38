# SPDX-License-Identifier: Apache-2.0
"""The running kernel's BTF, read once for all tests."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from app.btf.reader import Btf

RUNNING = Path("/sys/kernel/btf/vmlinux")


@cache
def running_btf() -> Btf:
    return Btf.load(RUNNING)
