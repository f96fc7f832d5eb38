# SPDX-License-Identifier: Apache-2.0
"""The process that deletes files that are not there."""

from __future__ import annotations

import os
import signal
import subprocess
from typing import Any

import pytest

from app.errors import ProbedeckError
from app.presets.deletions.own_calls import OwnCalls
from tests.support.waiting import wait_until


def test_calls_are_timed() -> None:
    with OwnCalls() as own:
        assert own.make(1000) > 0
        assert own.make(1) > 0
        pid = own.pid
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_its_end_is_an_error() -> None:
    with OwnCalls() as own:
        os.kill(own.pid, signal.SIGKILL)
        wait_until(lambda: own._process.poll() is not None, "its end")
        with pytest.raises(ProbedeckError, match="the process that deletes files failed"):
            own.make(10)


def test_no_process_can_be_started(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise OSError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(subprocess, "Popen", fail)
    with pytest.raises(ProbedeckError, match="Resource temporarily unavailable"):
        OwnCalls().__enter__()
