# SPDX-License-Identifier: Apache-2.0
"""For all parts: the figures that tests measured, at the end of their report."""

from __future__ import annotations

import pytest

from tests.support import figures


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if lines := figures.lines():
        terminalreporter.section("figures")
        for line in lines:
            terminalreporter.write_line(line)
