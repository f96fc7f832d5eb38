# SPDX-License-Identifier: Apache-2.0
"""The kernel check: what callers and the log are told of a failure, and the last answer."""

from __future__ import annotations

import logging
import subprocess
from concurrent.futures import ThreadPoolExecutor

import pytest

from app.config import Settings
from app.errors import ProbedeckError
from app.kernel.availability import Availability
from app.probes import kernel_check
from app.probes.kernel_check import KernelAnswer, KernelCheck
from app.probes.modes import MODES
from tests.support.waiting import PATIENCE_S

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
def test_the_cause_is_reported_and_the_rest_is_logged(
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    failure: Exception | None,
    told: str,
) -> None:
    def run(*_arguments: object, **_options: object) -> subprocess.CompletedProcess[bytes]:
        if failure:
            raise failure
        return subprocess.CompletedProcess([], 0, b'{"release": 1}', b"")

    monkeypatch.setattr(kernel_check.subprocess, "run", run)
    with caplog.at_level(logging.ERROR), pytest.raises(ProbedeckError, match=told) as caught:
        kernel_check.ask_kernel(Settings())
    assert (caught.value.status, caught.value.code) == (500, "internal")
    assert "/" not in caught.value.detail
    assert "Traceback" not in caught.value.detail
    if isinstance(failure, subprocess.CalledProcessError):
        assert "/srv/app/x.py" in caplog.text


@pytest.mark.parametrize(("start_timeout_s", "bound_s"), [(1.0, 60), (200.0, 200)])
def test_a_longer_start_timeout_holds_for_the_check_too(
    monkeypatch: pytest.MonkeyPatch, start_timeout_s: float, bound_s: int
) -> None:
    """On an emulated machine the check can take a minute, and no service starts without it."""

    def run(*_: object, timeout: float, **_options: object) -> None:
        raise subprocess.TimeoutExpired([], timeout)

    monkeypatch.setattr(kernel_check.subprocess, "run", run)
    with pytest.raises(ProbedeckError, match=f"no answer for {bound_s} s"):
        kernel_check.ask_kernel(Settings(start_timeout_s=start_timeout_s))


class FakeKernel:
    """In place of ask_kernel: answers, or fails, as it is told."""

    def __init__(self) -> None:
        self.asked = 0
        self.works = True
        self.problem: ProbedeckError | None = None

    def ask(self, _settings: Settings) -> KernelAnswer:
        self.asked += 1
        if self.problem:
            raise self.problem
        modes = {name: Availability(self.works, "f", "why", "what") for name in MODES}
        return KernelAnswer("6.1", "x86_64", "lab", modes)


@pytest.fixture
def kernel() -> FakeKernel:
    return FakeKernel()


@pytest.fixture
def check(kernel: FakeKernel) -> KernelCheck:
    return KernelCheck(Settings(), kernel.ask)


def test_the_answer_is_kept(kernel: FakeKernel, check: KernelCheck) -> None:
    first = check.run()
    assert check.answer is first
    check.require("fexit")
    assert kernel.asked == 1
    assert check.run() is check.answer is not first


def test_the_first_answer_is_waited_for(check: KernelCheck) -> None:
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(lambda: check.answer)
        assert not waiting.done()
        answer = check.run()
        assert waiting.result(PATIENCE_S) is answer


def test_a_check_that_failed_is_repeated(kernel: FakeKernel, check: KernelCheck) -> None:
    kernel.problem = ProbedeckError(500, "internal", "it failed")
    with pytest.raises(ProbedeckError, match="it failed"):
        check.run()
    with pytest.raises(ProbedeckError, match="it failed"):
        _ = check.answer
    kernel.problem = None
    answer = check.answer
    kernel.problem = ProbedeckError(500, "internal", "it failed again")
    with pytest.raises(ProbedeckError, match="again"):
        check.run()
    assert check.answer is answer


def test_a_mode_that_does_not_work_is_checked_again(kernel: FakeKernel, check: KernelCheck) -> None:
    kernel.works = False
    check.run()
    with pytest.raises(ProbedeckError, match="fexit does not work here: why") as caught:
        check.require("fexit")
    assert (caught.value.status, caught.value.code, kernel.asked) == (501, "unavailable", 2)
    assert caught.value.extra == {"reason": "why", "hint": "what", "alternatives": []}
    kernel.works = True
    check.require("fexit")
    assert kernel.asked == 3
