# SPDX-License-Identifier: Apache-2.0
"""The kernel that these tests run on is the one that was booted for them, and fit for tracing."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

SUITE_VARIABLE = "PROBEDECK_KERNEL_SUITE"
# The Linux versions that Debian keeps in each suite; backports only moves forward.
FAMILIES = {"bullseye": (5, 10), "bookworm": (6, 1), "trixie": (6, 12)}
BACKPORTS_AT_LEAST = (7, 0)

pytestmark = pytest.mark.skipif(
    SUITE_VARIABLE not in os.environ, reason="not in a machine that ./test booted"
)


def release() -> tuple[int, int]:
    major, minor = os.uname().release.split(".")[:2]
    return int(major), int(minor)


def test_the_suite_s_kernel_runs() -> None:
    suite = os.environ[SUITE_VARIABLE]
    if suite == "trixie-backports":
        assert release() >= BACKPORTS_AT_LEAST
    else:
        assert release() == FAMILIES[suite]


def test_the_tests_run_as_root() -> None:
    assert os.geteuid() == 0


def test_tracefs_has_the_system_calls_of_deletion() -> None:
    events = Path("/sys/kernel/tracing/events/syscalls")
    for call in ("unlink", "unlinkat", "rmdir"):
        assert (events / f"sys_enter_{call}" / "id").exists()
        assert (events / f"sys_exit_{call}" / "id").exists()


def test_the_kernel_describes_its_types() -> None:
    assert Path("/sys/kernel/btf/vmlinux").read_bytes()[:2] == b"\x9f\xeb"  # BTF_MAGIC
