# SPDX-License-Identifier: Apache-2.0
"""What happens when a dead tracer's counts cannot be read; that they are is a kernel test."""

from __future__ import annotations

import logging
import os

import pytest

from app.probes import last_counts as module
from app.probes.kernel_ledger import KernelLedger
from app.probes.last_counts import last_counts

MESSAGE = {
    "rings": [],
    "drops": {},
    "entered": 3,
    "left": 4,
    "canary_missed_at": None,
    "groups": True,
    "programs": 0,
    "sees_both": False,
}


def test_an_unreadable_map_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    ledger = KernelLedger(MESSAGE, [os.dup(0), os.dup(0)])
    with caplog.at_level(logging.ERROR):
        assert last_counts(b"{}\n", ledger) is None
    ledger.close()
    assert "what was counted cannot be read" in caplog.text
    assert "KeyError: 'filter'" in caplog.text  # what the process said


def test_a_process_that_hangs_is_given_up(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "TIMEOUT_S", 0.001)
    ledger = KernelLedger(MESSAGE, [os.dup(0), os.dup(0)])
    with caplog.at_level(logging.ERROR):
        assert last_counts(b"{}\n", ledger) is None
    ledger.close()
    assert "timed out" in caplog.text
