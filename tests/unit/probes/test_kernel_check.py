# SPDX-License-Identifier: Apache-2.0
"""The kernel check: what callers and the log are told of a failure, and the last answer."""

from __future__ import annotations

import json
import logging
import os
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from app.config import Settings
from app.errors import ProbedeckError
from app.kernel.availability import Availability
from app.probes import kernel_check
from app.probes.kernel_check import KernelAnswer, KernelCheck
from app.probes.modes import MODES, PREFERENCE
from tests.support.waiting import PATIENCE_S

FAILS = """
import sys
sys.stderr.write('Traceback (most recent call last):\\n  File "/srv/app/x.py", line 1\\n')
sys.exit(1)
"""


def command_of(script: str) -> list[str]:
    return [sys.executable, "-c", script]


@pytest.mark.parametrize(
    ("command", "told"),
    [
        (command_of(FAILS), "status 1"),
        (command_of("print('no JSON')"), "malformed"),
        (command_of("print('{\"release\": 1}')"), "malformed"),
        (command_of("print('{}', end='')"), "status 0"),
        (["/srv/python"], "No such file"),
    ],
)
def test_the_cause_is_reported_and_the_rest_is_logged(
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    command: list[str],
    told: str,
) -> None:
    monkeypatch.setattr(kernel_check, "check_command", lambda _: command)
    with caplog.at_level(logging.ERROR), pytest.raises(ProbedeckError, match=told) as caught:
        kernel_check.ask_kernel(Settings())
    assert (caught.value.status, caught.value.code) == (500, "internal")
    assert "/" not in caught.value.detail
    assert "Traceback" not in caught.value.detail
    if FAILS in command:
        assert "/srv/app/x.py" in caplog.text


def test_a_check_without_an_answer_is_ended(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    started = tmp_path / "pid"
    script = (
        f"import os, time; open({str(started)!r}, 'w').write(str(os.getpid())); time.sleep(999)"
    )
    monkeypatch.setattr(kernel_check, "check_command", lambda _: command_of(script))
    monkeypatch.setattr(kernel_check, "CHECK_TIMEOUT_S", 1.0)
    with pytest.raises(ProbedeckError, match=r"no answer for 1\.5 s"):
        kernel_check.ask_kernel(Settings(start_timeout_s=1.5))
    assert not Path("/proc", started.read_text()).exists()


def test_the_answer_comes_before_the_end(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The check detaches its programs after it has answered."""
    found = {"available": True, "function": "f", "reason": None, "hint": None}
    modes = dict.fromkeys(MODES, found)
    system = {"release": "6.1", "machine": "m", "hostname": "h", "not_seen": {}}
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    script = f"print({json.dumps({**system, 'modes': modes})!r}, flush=True); open({str(gate)!r})"
    monkeypatch.setattr(kernel_check, "check_command", lambda _: command_of(script))
    answer = kernel_check.ask_kernel(Settings())
    assert (answer.release, answer.working()) == ("6.1", list(PREFERENCE))
    gate.open("w").close()  # its other end is still open
    (thread,) = (each for each in threading.enumerate() if each.name == "kernel-check")
    thread.join(PATIENCE_S)
    assert not thread.is_alive()


def test_errors_of_any_length_do_not_hold_up_the_answer(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """More than a pipe holds, before the line and after it; the last of them is logged."""
    found = {"available": True, "function": "f", "reason": None, "hint": None}
    answer = {"release": "6.1", "machine": "m", "hostname": "h", "not_seen": {}}
    line = json.dumps({**answer, "modes": dict.fromkeys(MODES, found)})
    much = "import sys; write = sys.stderr.write; write('x' * (3 << 20) + chr(10))"
    says = f"{much}; print({line!r}, flush=True); {much.partition(';')[2]}"
    monkeypatch.setattr(kernel_check, "check_command", lambda _: command_of(says))
    assert kernel_check.ask_kernel(Settings()).release == "6.1"
    monkeypatch.setattr(
        kernel_check, "check_command", lambda _: command_of(f"{much}; sys.exit('the last words')")
    )
    with caplog.at_level(logging.ERROR), pytest.raises(ProbedeckError, match="status 1"):
        kernel_check.ask_kernel(Settings())
    assert "the last words" in caplog.text
    assert len(caplog.text) < 3 << 20


@pytest.mark.parametrize(("start_timeout_s", "bound_s"), [(1.0, 60), (200.0, 200)])
def test_a_longer_start_timeout_holds_for_the_check_too(
    monkeypatch: pytest.MonkeyPatch, start_timeout_s: float, bound_s: int
) -> None:
    """On an emulated machine the check can take a minute, and no service starts without it."""
    monkeypatch.setattr(kernel_check, "_read_line", lambda *_: None)
    monkeypatch.setattr(kernel_check, "check_command", lambda _: command_of(""))
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
