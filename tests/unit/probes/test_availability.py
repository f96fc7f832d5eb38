# SPDX-License-Identifier: Apache-2.0
"""A check of the kernel that fails: what a caller is told, and what the log is for."""

from __future__ import annotations

import logging
import subprocess

import pytest

from app.config import Settings
from app.errors import ProbedeckError
from app.probes import availability

TRACEBACK = b'Traceback (most recent call last):\n  File "/srv/app/x.py", line 1\nKeyError: 1\n'


@pytest.mark.parametrize(
    ("failure", "told"),
    [
        (subprocess.CalledProcessError(1, ["x"], stderr=TRACEBACK), "status 1"),
        (subprocess.TimeoutExpired(["/srv/python"], 60), "no answer"),
        (FileNotFoundError(2, "No such file or directory", "/srv/python"), "No such file"),
        (None, "malformed"),
    ],
)
def test_the_cause_is_told_and_the_rest_is_logged(
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    failure: Exception | None,
    told: str,
) -> None:
    def run(*_arguments: object, **_options: object) -> subprocess.CompletedProcess[bytes]:
        if failure:
            raise failure
        return subprocess.CompletedProcess([], 0, b'{"release": 1}', b"")

    monkeypatch.setattr(availability.subprocess, "run", run)
    with caplog.at_level(logging.ERROR), pytest.raises(ProbedeckError, match=told) as caught:
        availability.ask_kernel(Settings())
    assert (caught.value.status, caught.value.code) == (500, "internal")
    assert "/" not in caught.value.detail
    assert "Traceback" not in caught.value.detail
    if isinstance(failure, subprocess.CalledProcessError):
        assert "/srv/app/x.py" in caplog.text


@pytest.mark.parametrize(("start_timeout_s", "bound_s"), [(1.0, 60), (200.0, 200)])
def test_who_allows_a_start_more_time_allows_the_check_as_much(
    monkeypatch: pytest.MonkeyPatch, start_timeout_s: float, bound_s: int
) -> None:
    """On an emulated machine the check alone can take a minute, and no service starts without."""

    def run(*_: object, timeout: float, **_options: object) -> None:
        raise subprocess.TimeoutExpired([], timeout)

    monkeypatch.setattr(availability.subprocess, "run", run)
    with pytest.raises(ProbedeckError, match=f"no answer for {bound_s} s"):
        availability.ask_kernel(Settings(start_timeout_s=start_timeout_s))
