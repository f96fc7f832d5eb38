# SPDX-License-Identifier: Apache-2.0
"""For all parts: a time limit for every test, and measured figures in the report."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

import pytest

from app.linux import signals
from tests.support import figures

# Limit for each of a test's three phases, so that none hangs for ever; the soak test runs for as
# long as it is told. It only decides when to give up: see tests/support/waiting.py.
LIMIT_S = 600.0 + float(os.environ.get("PROBEDECK_SOAK_S", "0"))

# A script's `pytest &` ignores SIGINT, and children would inherit that.
signals.restore()


class TimeLimitError(BaseException):
    """The test's time is over. Not an Exception, so that no test can catch it."""


@contextmanager
def bounded(what: str) -> Iterator[None]:
    """Raise TimeLimitError in the main thread, whatever it is waiting in, after LIMIT_S."""

    def give_up(_signal: int, _frame: FrameType | None) -> None:
        raise TimeLimitError(f"{what}: not done within {LIMIT_S:g} s")

    before = signal.signal(signal.SIGALRM, give_up)
    signal.setitimer(signal.ITIMER_REAL, LIMIT_S)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> Iterator[None]:
    with bounded(f"setup of {item.nodeid}"):
        return (yield)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    with bounded(item.nodeid):
        return (yield)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_teardown(item: pytest.Item) -> Iterator[None]:
    with bounded(f"teardown of {item.nodeid}"):
        return (yield)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if lines := figures.lines():
        terminalreporter.section("figures")
        for line in lines:
            terminalreporter.write_line(line)
