# SPDX-License-Identifier: Apache-2.0
"""What is said of a tracer's end."""

from __future__ import annotations

import signal

import pytest

from app.probes.run_end import signal_name


@pytest.mark.parametrize("number", range(1, signal.NSIG))
def test_every_signal_has_a_name(number: int) -> None:
    """Python names the first and last real-time signal only."""
    name = signal_name(number)
    assert name.startswith("SIG") or name == f"signal {number}"


def test_usual_signals_are_named() -> None:
    assert signal_name(9) == "SIGKILL"
    assert signal_name(40) == "signal 40"
