# SPDX-License-Identifier: Apache-2.0
"""Fixtures of the kernel tests, and the test machines' scheduler."""

from pathlib import Path

import pytest

from tests.support import kernel
from tests.support.fixtures import (  # noqa: F401  fixtures
    cache,
    idle,
    mode,
    modes,
    session_service,
    tracing,
    workload,
)

BASE_SLICE = Path("/sys/kernel/debug/sched/base_slice_ns")


@pytest.fixture(scope="session", autouse=True)
def longer_slices() -> None:
    """In a test machine, let a thread run for longer at a time, where the kernel can be told.

    In emulation a BPF program takes a hundred times as long, and time slices do not: it would
    be preempted a hundred times as often as on a real computer.
    """
    if kernel.in_test_machine() and BASE_SLICE.exists():
        BASE_SLICE.write_text("50000000")
