# SPDX-License-Identifier: Apache-2.0
"""The hostile list, starts and names: many at once, in the wrong order, and with text that looks
like markup, code or escapes. Files with such names are really deleted."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.support.fixtures import stop_all
from tests.support.hostile import FILTER, start_at_once
from tests.support.service import Service
from tests.support.waiting import wait_until

STARTS = 1000


@pytest.fixture
def mode(modes: tuple[str, ...]) -> str:
    return modes[-1]


def test_a_thousand_starts_are_one(idle: Service, mode: str) -> None:
    """All request the same: one starts it, the others find it running."""
    answers = start_at_once(idle, mode, STARTS)
    assert Counter(answer.status for answer in answers) == {201: 1, 200: STARTS - 1}
    assert len(idle.tracers()) == 1
    assert idle.stop(mode)["state"] == "stopped"
    idle.wait_until_gone_from_kernel()


def test_a_thousand_starts_that_differ_are_one(idle: Service, mode: str) -> None:
    """Two specs by turns: one of them runs, callers of the other are told which."""
    other = {"pid": 1}
    bodies = [json.dumps({"filter": each}).encode() for each in (FILTER, other)]
    answers = start_at_once(idle, mode, STARTS, bodies)
    found = Counter((answer.status, answer.code) for answer in answers)
    assert found == {
        (201, None): 1,
        (200, None): STARTS // 2 - 1,
        (409, "running_differently"): STARTS // 2,
    }
    winner = next(number for number, answer in enumerate(answers) if answer.status == 201) % 2
    running = idle.probe(mode)["filter"]
    assert {name: running[name] for name in (FILTER, other)[winner]} == (FILTER, other)[winner]
    assert len(idle.tracers()) == 1
    idle.stop(mode)


def test_starts_and_stops_at_once_end_in_one_of_both(idle: Service, mode: str) -> None:
    """Each answer is a documented one, and the final state is what the last one said."""

    def ask(number: int) -> tuple[str, int, str | None]:
        method = ("POST", "DELETE", "PATCH")[number % 3]
        body = {"filter": {}} if method == "PATCH" else None
        answer = idle.request(method, f"/probes/{mode}", body)
        return method, answer.status, answer.json.get("code")

    with ThreadPoolExecutor(12) as pool:
        found = set(pool.map(ask, range(60)))
    assert found <= {
        ("POST", 201, None),
        ("POST", 200, None),
        ("DELETE", 200, None),
        ("DELETE", 404, "not_running"),
        ("PATCH", 200, None),
        ("PATCH", 404, "not_running"),
    }
    assert idle.probe(mode)["state"] in ("running", "stopped")
    stop_all(idle)
    idle.wait_until_gone_from_kernel()


def test_a_stop_during_the_start_stops_it(idle: Service, mode: str) -> None:
    """It waits for the start, which is answered as usual."""
    answers = []
    starter = threading.Thread(
        target=lambda: answers.append(idle.request("POST", f"/probes/{mode}").status)
    )
    starter.start()
    wait_until(lambda: idle.probe(mode)["state"] != "stopped", "the start to begin")
    stopped = idle.expect(200, "DELETE", f"/probes/{mode}")
    starter.join()
    assert answers == [201]
    assert (stopped["state"], stopped["ended"]["code"]) == ("stopped", "requested")
    idle.wait_until_gone_from_kernel()
    assert not idle.tracers()


def test_who_leaves_during_the_start_does_not_undo_it(idle: Service, mode: str) -> None:
    """Nor hold a thread: the probe runs, and the next start finds it running."""
    call = b"POST /probes/%b HTTP/1.1\r\nHost: localhost:%d\r\n\r\n"
    for _ in range(5):
        with socket.create_connection(("127.0.0.1", idle.port)) as connection:
            connection.sendall(call % (mode.encode(), idle.port))
            wait_until(lambda: idle.probe(mode)["state"] != "stopped", "the start to begin")
    idle.expect(200, "POST", f"/probes/{mode}")
    idle.stop(mode)


@pytest.mark.parametrize("comm", ["\n", "; }", '"; } //', "$(id)", "%s%n", "\x1b[31m", "é\u202e"])
def test_a_filter_is_text_and_never_code(
    idle: Service, mode: str, comm: str, tmp_path: Path
) -> None:
    """Only the program with this name is shown, and the text comes back unchanged."""
    started = idle.start(mode, filter={"comm": comm})
    assert started["filter"]["comm"] == comm
    cursor = idle.cursor()
    for name in (comm, "other"):
        subprocess.run(
            [sys.executable, "-c", DELETE_AS, name.encode().hex(), str(tmp_path / "f")], check=True
        )
    stopped = idle.stop(mode)
    assert stopped["counters"]["produced"] == 1
    rows, _ = idle.events_after(cursor)
    assert [row["comm"] for row in rows] == [comm]
    audited = idle.audit_log.read_text().splitlines()
    assert json.loads(audited[-1])["action"] == f"DELETE /probes/{mode}"
    assert any(json.loads(line)["spec"] == {"filter": {"comm": comm}} for line in audited)


DELETE_AS = """
import os, sys
open("/proc/self/comm", "wb").write(bytes.fromhex(sys.argv[1]))
open(sys.argv[2], "w").close()
os.unlink(sys.argv[2])
"""

NAMES = {
    "newline": b"a\nb",
    "return and newline": b'\r\n{"type":"gap","rows":9}\r\n',
    "end of a block": b"; }",
    "escape sequence": b"\x1b]0;owned\x07\x1b[31m",
    "C1 control": b"\xc2\x9b31m",
    "right to left": "\u202egnp.exe".encode(),
    "not UTF-8": b"\xff\xfe\xed\xa0\x80",
    "markup": b"<img src=x onerror=alert(1)>",
    "formula": b"=cmd|' '!A0",
    "quotes": b"\"'`\\",
    "255 bytes": b"x" * 255,
}


def test_hostile_names_of_deleted_files_stay_text(idle: Service, mode: str, tmp_path: Path) -> None:
    """Every JSON output is one line of plain ASCII, safe for curl on a terminal."""
    idle.start(mode, filter={"pid": os.getpid()})
    cursor = idle.cursor()
    with idle.ndjson("?recent=0") as stream:
        for name in NAMES.values():
            path = os.path.join(os.fsencode(tmp_path), name.replace(b"/", b"_"))  # noqa: PTH118
            os.close(os.open(path, os.O_CREAT))
            os.unlink(path)  # noqa: PTH108  bytes, which pathlib does not take
        with pytest.raises(OSError, match="File name too long"):
            os.unlink(b"y" * 10_000)  # noqa: PTH108
        stream.wait(lambda: len(stream.rows) > len(NAMES), "all of them")
        # The present state of each probe comes first; no name is a control message.
        told = [message["type"] for message in stream.controls]
        assert told == ["state"] * len(idle.probes())
        streamed = list(stream.rows)
    answer = idle.request("GET", f"/events?after={cursor}")
    assert all(32 <= byte < 127 for byte in answer.body.rstrip(b"\n"))
    rows = answer.json["events"]
    assert rows == streamed
    shown = [row["filename"].removeprefix(f"{tmp_path}/") for row in rows]
    for name, seen in zip(NAMES.values(), shown, strict=False):
        expected = name.replace(b"/", b"_")
        assert seen == expected.decode("utf-8", "backslashreplace")
    long = shown[len(NAMES)]
    assert long == ("y" * 4095 + "…" if mode == "tracepoint" else "y" * 4095)
    idle.stop(mode)


def test_answers_show_names_as_they_are_asked(idle: Service) -> None:
    """An unknown name is not echoed to a terminal."""
    for name in ("%0a", "%1b%5b31m", "%3b%20%7d", "x" * 4000):
        answer = idle.request("GET", f"/probes/{name}")
        assert (answer.status, answer.json["code"]) == (404, "unknown_probe")
        assert answer.body.count(b"\n") == 1
        assert b"\x1b" not in answer.body
