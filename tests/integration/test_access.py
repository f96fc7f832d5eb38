# SPDX-License-Identifier: Apache-2.0
"""Access by token, and its end: the real service, other users of this machine."""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from app import ROOT
from tests.integration.test_service import NOBODY, curl
from tests.support.service import Service, running_service
from tests.support.waiting import PATIENCE_S


def command(service: Service, *arguments: str) -> str:
    """What `./run token` prints."""
    done = subprocess.run(
        [
            *(sys.executable, "-m", "app", "token"),
            *("--run-dir", str(service.run_dir), *arguments),
        ],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
    )
    return done.stdout.strip()


def bearer(token: str) -> list[str]:
    return ["-H", f"Authorization: Bearer {token}"]


@pytest.mark.parametrize("user", [0, NOBODY])
def test_a_token_opens_what_its_role_allows(
    strict: Service, modes: tuple[str, ...], user: int
) -> None:
    mode = modes[-1]
    viewer = command(strict, "add", f"viewer-{user}")
    operator = command(strict, "add", f"operator-{user}", "--role", "operator")
    probe = f"/probes/{mode}"
    status, problem = curl(strict, "/probes", user=user)
    assert (status, problem["code"]) == (401, "token_needed")
    status, problem = curl(strict, "/probes", *bearer(viewer + "x"), user=user)
    assert (status, problem["code"]) == (401, "bad_token")
    assert curl(strict, "/probes", *bearer(viewer), user=user)[0] == 200
    for method in ("POST", "PATCH", "DELETE"):
        status, problem = curl(strict, probe, "-X", method, *bearer(viewer), user=user)
        assert (status, problem["code"]) == (403, "operator_only")
    assert curl(strict, probe, *bearer(viewer), user=user)[1]["state"] == "stopped"
    assert curl(strict, probe, "-X", "POST", *bearer(operator), user=user)[0] == 201
    assert curl(strict, probe, "-X", "DELETE", *bearer(operator), user=user)[0] == 200


def test_a_viewer_cannot_take_the_streams_of_operators(
    strict: Service, modes: tuple[str, ...]
) -> None:
    greedy, viewer = command(strict, "add", "greedy"), command(strict, "add", "modest")
    operator = command(strict, "add", "watching", "--role", "operator")
    with ExitStack() as stack:

        def open_all(token: str) -> int:
            """Open streams with this token until one is refused; return how many it got."""
            count = 0
            while True:
                status, problem = refused_stream(strict, token)
                if status != 200:
                    assert (status, problem["code"]) == (503, "busy")
                    assert problem["detail"].startswith(("token ", "Viewers "))
                    return count
                stack.enter_context(strict.ndjson("?recent=0", token=token))
                count += 1

        assert (open_all(greedy), open_all(greedy), open_all(viewer)) == (8, 0, 8)
        assert open_all(command(strict, "add", "late")) == 2
        stack.enter_context(strict.websocket(token=operator))
        stack.enter_context(strict.ndjson(token=operator))
        assert curl(strict, "/probes", *bearer(greedy))[0] == 200
    strict.wait_until_left()  # the service is used by other tests too


def refused_stream(service: Service, token: str) -> tuple[int, Any]:
    """Return the status of HEAD, which takes a stream and gives it back, and the refusal."""
    headers = {"Authorization": f"Bearer {token}"}
    if service.request("HEAD", "/events/stream", headers=headers).status == 200:
        return 200, None
    answer = service.request("GET", "/events/stream", headers=headers)
    return answer.status, answer.json


def test_what_a_problem_says_names_no_file(strict: Service) -> None:
    """Only the log names it."""
    token = command(strict, "add", "curious")
    path = strict.run_dir / "tokens.json"
    path.chmod(0o644)
    try:
        status, problem = curl(strict, "/probes", *bearer(token))
    finally:
        path.chmod(0o600)
    assert (status, problem["code"]) == (503, "tokens_unreadable")
    assert str(strict.run_dir) not in json.dumps(problem)
    assert str(path) in strict.log.read_text()


def test_revoking_ends_what_is_open(strict: Service) -> None:
    revoked, kept = command(strict, "add", "revoked"), command(strict, "add", "kept")
    with (
        strict.ndjson(token=revoked) as stream,
        strict.websocket(token=revoked) as websocket,
        strict.websocket(token=kept) as other,
    ):
        hello = websocket.wait(lambda: websocket.controls, "hello")[0]
        assert hello["caller"] == {"name": "token revoked", "role": "viewer"}
        command(strict, "revoke", "revoked")
        websocket.wait_for_end()
        stream.wait_for_end()
        assert curl(strict, "/probes", *bearer(revoked))[0] == 401
        assert not other.ended
        assert curl(strict, "/probes", *bearer(kept))[0] == 200


def test_tokens_are_nowhere_to_be_read(strict: Service) -> None:
    token = command(strict, "add", "secret", "--role", "operator")
    for options in (bearer(token), bearer(token + "x"), ["-H", f"Authorization: Basic {token}"]):
        _, answer = curl(strict, "/probes", *options)
        assert token not in str(answer)
    _, answer = curl(strict, f"/probes/{token}", *bearer(token))
    assert answer["code"] == "unknown_probe"
    assert token not in strict.log.read_text()
    assert "pd_" not in strict.log.read_text()
    files = [path for path in strict.run_dir.iterdir() if path.is_file()]
    assert strict.run_dir / "tokens.json" in files
    assert not [path for path in files if token[3:] in path.read_text(errors="replace")]


def test_who_did_what_is_written_down(strict: Service, modes: tuple[str, ...]) -> None:
    operator = command(strict, "add", "lab1", "--role", "operator")
    path = f"/probes/{modes[-1]}"
    spec = ["-H", "Content-Type: application/json", "-d", '{"filter": {"comm": "\\u001b[31m"}}']
    assert curl(strict, path, "-X", "POST", *spec, *bearer(operator), user=NOBODY)[0] == 201
    with strict.ndjson(token=operator) as stream:
        kept = strict.audit_log.rename(strict.folder / "kept")
        strict.audit_log.mkdir()  # root can write to any file, but to no folder
        status, problem = curl(strict, path, "-X", "DELETE", *bearer(operator))
        assert (status, problem["code"]) == (503, "audit_unwritable")
        assert curl(strict, path, *bearer(operator))[1]["state"] == "running"
        assert not stream.ended
        strict.audit_log.rmdir()
        kept.rename(strict.audit_log)
        assert curl(strict, path, "-X", "DELETE", *bearer(operator))[0] == 200
    entries = curl(strict, "/audit", *bearer(operator))[1]["entries"]
    mine = [entry for entry in entries if entry["who"] == "token lab1"]
    assert [(entry["action"], entry["result"]) for entry in mine] == [
        (f"POST {path}", "asked"),
        (f"POST {path}", 201),
        (f"DELETE {path}", "asked"),
        (f"DELETE {path}", 200),
    ]
    assert mine[0]["spec"] == {"filter": {"comm": "\x1b[31m"}}
    assert "\x1b" not in strict.audit_log.read_text()
    viewer = command(strict, "add", "lab2")
    assert curl(strict, "/audit", *bearer(viewer))[1]["code"] == "operator_only"


def test_damaged_tokens_let_in_nobody_but_the_user(
    session_service: Service, tmp_path: Path, cache: Path
) -> None:
    with running_service(tmp_path, cache) as service:
        token = command(service, "add", "lab", "--role", "operator")
        (service.run_dir / "tokens.json").write_text("{")
        status, problem = curl(service, "/probes", *bearer(token), user=NOBODY)
        assert (status, problem["code"]) == (503, "tokens_unreadable")
        assert curl(service, "/probes", user=NOBODY)[1]["code"] == "forbidden"
        assert curl(service, "/probes")[0] == 200
