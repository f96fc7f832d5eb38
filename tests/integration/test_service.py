# SPDX-License-Identifier: Apache-2.0
"""The service as a whole: its listener, its end, its refusals. Real processes, real curl."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from app import ROOT
from tests.support.calls import FUNCTION_MODES
from tests.support.client import Stream
from tests.support.recording import check_nothing_lost, mark, names_since
from tests.support.service import Service, free_port, running_service
from tests.support.waiting import PATIENCE_S

NOBODY = 65534


def curl(service: Service, path: str, *options: str, user: int = 0) -> tuple[int, Any]:
    """Run curl as this user; return the status and the answer's JSON."""
    answer = subprocess.run(
        [
            *(
                "curl",
                "--silent",
                "--show-error",
                "--noproxy",
                "*",
                "--write-out",
                "\n%{http_code}",
            ),
            *(*options, f"http://localhost:{service.port}{path}"),
        ],
        check=True,
        capture_output=True,
        text=True,
        user=user,
        cwd="/",
        timeout=PATIENCE_S,
    )
    body, _, status = answer.stdout.rpartition("\n")
    return int(status), json.loads(body)


def test_the_readme_way(idle: Service, modes: tuple[str, ...], tmp_path: Path) -> None:
    """Start, delete a file, see it, stop: by curl alone, without a body and without a header."""
    mode = "tracepoint" if "tracepoint" in modes else modes[0]
    assert curl(idle, f"/probes/{mode}", "-X", "POST")[0] == 201
    file = tmp_path / "f"
    file.touch()
    subprocess.run(["rm", str(file)], check=True)
    status, stopped = curl(idle, f"/probes/{mode}", "-X", "DELETE")
    assert status == 200
    check_nothing_lost(stopped)
    status, shown = curl(idle, f"/events?probe={mode}&limit=10000")
    assert status == 200
    (event,) = (event for event in shown["events"] if event["filename"] == str(file))
    assert (event["comm"], event["uid"]) == ("rm", 0)
    if "ret" in event:
        assert (event["ret"], event["errno"]) == (0, None)
        assert event["latency_ns"] > 0


@pytest.mark.parametrize(
    ("options", "code"),
    [
        (["-H", "Host: attacker.example"], "bad_host"),
        (["-H", "Host: localhost:1"], "bad_host"),
        (["-H", "Origin: http://attacker.example"], "bad_origin"),
        (["-H", "Origin: null"], "bad_origin"),
        (["-H", "Sec-Fetch-Site: cross-site"], "cross_site"),
        (["-H", "Sec-Fetch-Site: same-site"], "cross_site"),
    ],
)
@pytest.mark.parametrize("request_line", [["-X", "GET"], ["-X", "POST"]])
def test_other_sites_are_kept_out(
    session_service: Service, options: list[str], code: str, request_line: list[str]
) -> None:
    status, problem = curl(session_service, "/probes/tracepoint", *request_line, *options)
    assert (status, problem["code"]) == (403, code)
    assert session_service.probe("tracepoint")["state"] != "running"


@pytest.mark.parametrize("request_line", [["-X", "GET"], ["-X", "POST"], ["-X", "DELETE"]])
def test_other_users_are_kept_out(session_service: Service, request_line: list[str]) -> None:
    status, problem = curl(session_service, "/probes/tracepoint", *request_line, user=NOBODY)
    assert (status, problem["code"]) == (403, "forbidden")


def test_owner_may_be_another_user(session_service: Service, tmp_path: Path, cache: Path) -> None:
    """Programs of the user who called sudo are let in, others are not."""
    with running_service(tmp_path, cache, "--owner-uid", str(NOBODY)) as service:
        assert curl(service, "/probes", user=NOBODY)[0] == 200
        status, problem = curl(service, "/probes", user=NOBODY - 1)
        assert (status, problem["code"]) == (403, "forbidden")


def test_refused_mode_names_the_kernels_own_words(
    session_service: Service, modes: tuple[str, ...]
) -> None:
    refused = [mode for mode in FUNCTION_MODES if mode not in modes]
    if not refused:
        pytest.skip("this kernel refuses nothing")
    for mode in refused:
        status, problem = curl(session_service, f"/probes/{mode}", "-X", "POST")
        assert (status, problem["code"]) == (501, "unavailable")
        assert problem["alternatives"] == [m for m in problem["alternatives"] if m in modes]
        assert problem["alternatives"]
        assert len(problem["reason"].split()) > 2, "a sentence, not a number"


def test_without_type_information_it_says_so(
    session_service: Service, tmp_path: Path, cache: Path
) -> None:
    missing = tmp_path / "no-btf"
    with running_service(tmp_path, cache, "--btf-path", str(missing)) as service:
        for mode in ("fentry", "fexit"):
            probe = service.probe(mode)
            assert not probe["available"]
            problem = service.expect(501, "POST", f"/probes/{mode}")
            assert problem["code"] == "unavailable"
            assert str(missing) in problem["reason"]
            available = {m for m, p in service.probes().items() if p["available"]}
            assert set(problem["alternatives"]) == available


def test_second_instance_is_refused(session_service: Service, tmp_path: Path, cache: Path) -> None:
    """It says in one sentence why, and the first goes on."""
    command = [sys.executable, "-m", "app", "--port", str(free_port())]
    command += ["--run-dir", str(session_service.run_dir), "--cache-dir", str(cache)]
    second = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE_S, check=False
    )
    shown = second.stdout + second.stderr
    assert second.returncode != 0
    assert "Traceback" not in shown
    assert str(session_service.run_dir) in shown
    assert session_service.request("GET", "/healthz").status == 200


def test_taken_port_is_refused(session_service: Service, tmp_path: Path, cache: Path) -> None:
    command = [sys.executable, "-m", "app", "--port", str(session_service.port)]
    command += ["--run-dir", str(tmp_path / "run"), "--cache-dir", str(cache)]
    second = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE_S, check=False
    )
    shown = second.stdout + second.stderr
    assert second.returncode != 0
    assert "Traceback" not in shown
    assert str(session_service.port) in shown
    assert session_service.request("GET", "/healthz").status == 200


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=lambda s: s.name)
def test_ends_with_everything_open(
    session_service: Service,
    modes: tuple[str, ...],
    tmp_path: Path,
    cache: Path,
    number: signal.Signals,
) -> None:
    """It ends when asked, whatever clients and tracers there are."""
    with running_service(tmp_path, cache) as service, ExitStack() as stack:
        clients: list[Stream] = [service.websocket() for _ in range(5)]
        clients += [service.ndjson() for _ in range(2)]
        for client in clients:
            stack.enter_context(client)
        for mode in modes:
            service.start(mode)
        mark()
        service.process.send_signal(number)
        assert service.process.wait(timeout=PATIENCE_S) == 0
        for client in clients:
            client.wait_for_end()
        service.check_nothing_left()
        assert "Traceback" not in service.log.read_text()


def test_another_run_starts_where_the_last_left(
    session_service: Service, modes: tuple[str, ...], tmp_path: Path, cache: Path
) -> None:
    """The folders of a service that ended or was killed do not block the next one."""
    for end in ("terminate", "kill"):
        with running_service(tmp_path, cache) as service:
            cursor = service.cursor()
            service.start(modes[0])
            name = mark()
            service.stop(modes[0])
            assert names_since(service, cursor, modes[0]).count(name) == 1
            getattr(service, end)()
