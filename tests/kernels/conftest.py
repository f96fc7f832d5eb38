# SPDX-License-Identifier: Apache-2.0
"""Fixtures of the kernel tests, and the test machines' scheduler."""

import os
from pathlib import Path

import pytest

from app.machine.kernels import SUITES
from tests.support import kernel, told_skips
from tests.support.fixtures import (  # noqa: F401  fixtures
    cache,
    idle,
    mode,
    modes,
    session_service,
    tracing,
    workload,
)

SUITE = "PROBEDECK_KERNEL_SUITE"
EVERYWHERE = "PROBEDECK_KERNEL_EVERYWHERE"
BASE_SLICE = Path("/sys/kernel/debug/sched/base_slice_ns")


@pytest.fixture(scope="session", autouse=True)
def longer_slices() -> None:
    """In a test machine, let a thread run for longer at a time, where the kernel can be told.

    In emulation a BPF program takes a hundred times as long, and time slices do not: it would
    be preempted a hundred times as often as on a real computer.
    """
    if kernel.in_test_machine() and BASE_SLICE.exists():
        BASE_SLICE.write_text("50000000")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers",
        "suites(*names): takes long in emulation, so in the machines of these suites only; "
        "`./test long` runs it in all, and a real computer always does",
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect the tests that run in the machines of other suites."""
    suite = os.environ.get(SUITE)
    if suite is None or os.environ.get(EVERYWHERE):
        return
    others = [item for item in items if not is_for(suite, item)]
    config.hook.pytest_deselected(items=others)
    items[:] = [item for item in items if item not in others]


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run a test, and again where the kernel itself has hidden calls from it."""
    if not told_skips.applies():
        return None
    told_skips.run(pyfuncitem)
    return True


def is_for(suite: str, item: pytest.Item) -> bool:
    """Whether each `suites` marker of a test names this suite."""
    markers = list(item.iter_markers("suites"))
    named = {name for marker in markers for name in marker.args}
    assert named <= set(SUITES), f"{item.nodeid}: no such suite: {named - set(SUITES)}"
    return all(suite in marker.args for marker in markers)
