# SPDX-License-Identifier: Apache-2.0
"""State inherited from the parent: standard streams that nobody reads, signals ignored or
blocked. The service serves, traces and ends as usual."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from app import ROOT
from tests.support.recording import mark, wait_until_shown
from tests.support.service import running_service
from tests.support.waiting import PATIENCE_S, wait_until

# Changes its own state as told, then executes the rest.
BEFORE = """
import os, signal, sys
streams, signals, *command = sys.argv[1:]
for each in streams.split():
    number, kind = int(each[0]), each[1:]
    if kind == "closed":
        os.close(number)
        continue
    reader, there = os.pipe() if kind == "unread" else (None, os.open("/dev/full", os.O_RDWR))
    os.dup2(there, number)
    os.close(there)
    if reader is not None:
        os.close(reader)
for each in signals.split():
    if each.endswith("ignored"):
        signal.signal(int(each.removesuffix("ignored")), signal.SIG_IGN)
    else:
        signal.pthread_sigmask(signal.SIG_BLOCK, [int(each)])
os.execvp(command[0], command)
"""
RELIED_ON = [signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGCHLD, signal.SIGUSR1]
IGNORED = " ".join(f"{number:d}ignored" for number in RELIED_ON)
BLOCKED = " ".join(f"{number:d}" for number in [*RELIED_ON, signal.SIGHUP, signal.SIGALRM])


def before(streams: str = "", signals: str = "") -> tuple[str, ...]:
    return (sys.executable, "-c", BEFORE, streams, signals)


@pytest.mark.parametrize(
    "streams",
    ["1closed", "2closed", "0closed 1closed 2closed", "1full", "1full 2full", "1unread 2unread"],
)
def test_what_is_said_at_the_start_is_not_needed(
    streams: str, tmp_path: Path, cache: Path, modes: tuple[str, ...]
) -> None:
    """`./run | head -1`, `./run >&-`, `./run >/dev/full`. The first tokens are made as usual."""
    with running_service(tmp_path, cache, prefix=before(streams)) as service:
        service.start(modes[-1])
        wait_until_shown(service, service.cursor(), {modes[-1]}, mark())
        # Produces log lines that nobody reads.
        service.audit_log.unlink(missing_ok=True)
        service.audit_log.mkdir()
        assert service.request("DELETE", f"/probes/{modes[-1]}").status == 503
        service.audit_log.rmdir()
        service.stop(modes[-1])
        assert (service.run_dir / "tokens.json").exists()
        for pid in (service.process.pid, service.worker().pid):
            # None of its files became standard output, where a child would write.
            for number in (0, 1, 2):
                target = str(Path(f"/proc/{pid}/fd/{number}").readlink())
                assert target.startswith(("/dev/", "pipe:", str(service.log))), target


@pytest.mark.parametrize("signals", [IGNORED, BLOCKED], ids=["ignored", "blocked"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_end_it_whatever_the_shell_did_to_them(
    number: signal.Signals, signals: str, tmp_path: Path, cache: Path, modes: tuple[str, ...]
) -> None:
    """As a script's `./run &` has it. With SIGCHLD ignored, it still reaps its children."""
    with running_service(tmp_path, cache, prefix=before(signals=signals)) as service:
        service.start(modes[-1], restart=True)
        (tracer,) = service.tracers()
        os.kill(tracer.pid, signal.SIGKILL)
        wait_until(
            lambda: service.probe(modes[-1])["restarts"] == 1, "the tracer to be started again"
        )
        service.process.send_signal(number)
        assert service.process.wait(PATIENCE_S) == 0
        service.check_nothing_left()


def test_nohup_holds(tmp_path: Path, cache: Path) -> None:
    prefix = before(signals=f"{signal.SIGHUP:d}ignored")
    with running_service(tmp_path, cache, prefix=prefix) as service:
        service.process.send_signal(signal.SIGHUP)
        for _ in range(20):
            assert service.request("GET", "/healthz").status == 200


def test_tests_have_the_signals_that_they_send() -> None:
    """`./test &` in a script, and pytest alone: SIGINT was ignored by all that they started."""
    program = (
        "import subprocess, sys; import tests.conftest; "
        "sleeper = subprocess.Popen(['sleep', '600']); sleeper.send_signal(2); "
        "sys.exit(sleeper.wait(60) != -2)"
    )
    for signals in (IGNORED, BLOCKED):
        command = [*before(signals=signals), sys.executable, "-c", program]
        assert subprocess.run(command, cwd=ROOT, timeout=PATIENCE_S, check=False).returncode == 0


def test_no_test_waits_for_ever() -> None:
    program = (
        "import subprocess, threading; import tests.conftest as bounds; bounds.LIMIT_S = 0.2\n"
        "sleeper = subprocess.Popen(['sleep', '600'])\n"
        "for wait in (sleeper.wait, threading.Event().wait, sleeper.communicate):\n"
        "    try:\n"
        "        with bounds.bounded('it'): wait()\n"
        "    except bounds.TimeLimitError as error: print(error)\n"
        "sleeper.kill(); sleeper.wait(60)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=True,
    )
    assert done.stdout.splitlines() == ["it: not done within 0.2 s"] * 3
