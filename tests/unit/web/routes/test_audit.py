# SPDX-License-Identifier: Apache-2.0
"""The audit log: every change is in it, twice, as a line of ASCII; without it there is none."""

from __future__ import annotations

import json
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from app.access.audit_log import TAIL_BYTES, AuditLog
from app.config import Settings
from app.errors import ProbedeckError
from app.web.context import Service
from tests.support.web_fakes import FakeConnection, FakeManager, fake_service


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "log" / "audit.jsonl"


@pytest.fixture
def service(log: Path) -> Service:
    return fake_service(Settings(owner_uid=1000, audit_log=log))


@pytest.fixture
def entries(log: Path) -> Callable[[], list[dict[str, Any]]]:
    return lambda: [json.loads(line) for line in log.read_text().splitlines()]


def test_a_change_is_written_before_and_after(
    client: FlaskClient, log: Path, entries: Callable[[], list[dict[str, Any]]]
) -> None:
    assert client.post("/probes/fexit", json={"filter": {"uid": 5}}).status_code == 201
    asked, done = entries()
    assert asked.pop("time") <= done.pop("time")
    common = {
        "who": "uid 1000",
        "peer": "127.0.0.1:40412",
        "action": "POST /probes/fexit",
        "spec": {"filter": {"uid": 5}},
    }
    assert (asked, done) == ({**common, "result": "asked"}, {**common, "result": 201})
    assert stat.S_IMODE(log.stat().st_mode) == 0o600
    assert stat.S_IMODE(log.parent.stat().st_mode) == 0o700


@pytest.mark.parametrize(
    ("method", "path", "body", "result", "code"),
    [
        ("PATCH", "/probes/fexit", {"filter": None}, 404, "not_running"),
        ("DELETE", "/probes/fexit", None, 404, "not_running"),
        ("POST", "/probes/nonesuch", None, 404, "unknown_probe"),
        ("POST", "/probes/fexit", {"filter": {"pid": -1}}, 422, "invalid"),
        ("POST", "/nonesuch", None, 404, "not_found"),
        ("PUT", "/probes", None, 405, "method_not_allowed"),
    ],
)
def test_what_fails_is_written_with_its_code(
    client: FlaskClient,
    entries: Callable[[], list[dict[str, Any]]],
    method: str,
    path: str,
    body: Any,
    result: int,
    code: str,
) -> None:
    client.open(path, method=method, json=body) if body else client.open(path, method=method)
    done = entries()[-1]
    assert (done["action"], done["result"], done["code"]) == (f"{method} {path}", result, code)
    assert done["spec"] == body


def test_reading_is_not_written(client: FlaskClient, log: Path) -> None:
    for path in ("/", "/probes", "/events", "/audit", "/nonesuch"):
        client.get(path)
    assert not log.exists()


def test_what_cannot_be_written_is_not_done(
    client: FlaskClient, manager: FakeManager, log: Path
) -> None:
    log.parent.write_text("a file where the folder should be")
    for method, path in [("POST", "/probes/fexit"), ("DELETE", "/probes/fexit"), ("POST", "/x")]:
        answer = client.open(path, method=method)
        assert (answer.status_code, answer.json["code"]) == (503, "audit_unwritable")
    assert manager.describe("fexit")["state"] == "stopped"
    assert client.get("/probes").status_code == 200
    assert client.get("/events").status_code == 200


def test_a_full_disk_leaves_no_half_line(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    audit = AuditLog(log)
    audit.append({"action": "first"})
    before = log.read_bytes()
    real = __import__("os").write
    monkeypatch.setattr("app.access.audit_log.os.write", lambda fd, data: real(fd, data[:10]))
    with pytest.raises(ProbedeckError, match="No space left"):
        audit.append({"action": "second"})
    assert log.read_bytes() == before


@pytest.mark.parametrize("text", ["\x1b[31m\n{", "\u202egnp.exe", "\ud800", "é\x9b", '"', "\\"])
def test_hostile_text_stays_one_line_of_ascii(
    client: FlaskClient,
    log: Path,
    entries: Callable[[], list[dict[str, Any]]],
    text: str,
) -> None:
    client.post("/probes/fexit", data=json.dumps({"x": text}), content_type="application/json")
    client.post("/probes/fexit", data=b"\xff\x1b[0m\n{", content_type="application/json")
    client.post("/probes/%1b%0a%ff")
    raw = log.read_bytes()
    assert all(byte == 0x0A or 0x20 <= byte < 0x7F for byte in raw)
    found = entries()
    assert len(found) == 6
    body = json.dumps({"x": text})
    assert found[0]["spec"] == (body if text == "\ud800" else {"x": text})  # refused: its text
    assert found[2]["spec"] == "\\xff\x1b[0m\n{"


def test_a_link_is_not_followed(log: Path, tmp_path: Path) -> None:
    log.parent.mkdir()
    target = tmp_path / "target"
    target.touch()
    log.symlink_to(target)
    with pytest.raises(ProbedeckError):
        AuditLog(log).append({"action": "x"})
    assert target.read_bytes() == b""


def test_shown_to_operators(client: FlaskClient) -> None:
    assert client.get("/audit").json == {"entries": []}
    for _ in range(3):
        client.delete("/probes/fexit")
    shown = client.get("/audit?limit=4").json["entries"]
    assert [entry["result"] for entry in shown] == ["asked", 404, "asked", 404]
    assert client.get("/audit?limit=0").status_code == 422
    stranger = {"gunicorn.socket": FakeConnection(peer=("127.0.0.1", 40413))}
    assert client.get("/audit", environ_overrides=stranger).status_code == 403


def test_a_long_log_is_read_from_its_end(log: Path) -> None:
    audit = AuditLog(log)
    audit.append({"number": 0})
    with log.open("ab") as file:
        file.write(b'{"filler": 1}\n' * (TAIL_BYTES // 14 + 10))
        file.write(b"not JSON \xff\n[1]\n")
    audit.append({"number": 1})
    newest = audit.newest(10**6)
    assert newest[-1]["number"] == 1
    assert newest[-3:-1] == [{"damaged": "not JSON \\xff"}, {"damaged": "[1]"}]
    assert newest[0]["number"] == 0
    assert all(entry == {"filler": 1} for entry in newest[1:-3])
    assert audit.newest(2) == newest[-2:]


def test_older_entries_are_found_behind_long_lines(log: Path) -> None:
    audit = AuditLog(log)
    for number in range(5):
        audit.append({"number": number})
        with log.open("ab") as file:
            file.write(b"x" * (TAIL_BYTES + 7) + b"\n")
    newest = audit.newest(10)
    assert [entry.get("number") for entry in newest] == [
        0,
        None,
        1,
        None,
        2,
        None,
        3,
        None,
        4,
        None,
    ]
    assert [entry.get("number") for entry in audit.newest(3)] == [None, 4, None]


@pytest.mark.parametrize(
    "body",
    [
        *(b'{"duration_s": NaN}', b'{"duration_s": -Infinity}', b'{"duration_s": 1e999}', b"NaN"),
        *(b"[" * 8000 + b"]" * 8000, b'{"a":' * 2000 + b"1" + b"}" * 2000, b"[" * 16000),
        *(b"9" * 16000, b'{"filter": {"pid": ' + b"1" * 5000 + b"}}", b'{"x": "\\ud800"}'),
        *(b"\xff\xfe\x00", b'"' + b"x" * 16000 + b'"', b'{"a": 1, "a": 2}', b"\x00\x1b[2J"),
        *('"\u00e9"'.encode("utf-16"), b"\xef\xbb\xbf{}"),
    ],
)
def test_whatever_is_asked_for_can_be_read_back(
    client: FlaskClient, log: Path, body: bytes
) -> None:
    """What is refused is written down too, and the log shown still."""
    answer = client.post("/probes/fexit", data=body, content_type="application/json")
    assert answer.status_code in {400, 422}
    shown = client.get("/audit")
    assert shown.status_code == 200
    entries = json.loads(shown.data, parse_constant=pytest.fail)["entries"]
    assert [entry["result"] for entry in entries] == ["asked", answer.status_code]
    assert not any("damaged" in entry for entry in entries)
    assert all(byte == 0x0A or 0x20 <= byte < 0x7F for byte in log.read_bytes())


@pytest.mark.parametrize(
    "line",
    [b"NaN", b'{"a": NaN}', b'{"a": 1e999}', b"[" * 50_000, b"\xff\x00", b'{"half', b"9" * 9999],
)
def test_a_damaged_line_is_shown_as_one(client: FlaskClient, log: Path, line: bytes) -> None:
    client.delete("/probes/fexit")
    with log.open("ab") as file:
        file.write(line + b"\n" + line)  # and the last one is not ended
    client.delete("/probes/fexit")
    entries = client.get("/audit").json["entries"]
    shown = ["damaged" if "damaged" in entry else entry["result"] for entry in entries]
    assert shown == ["asked", 404, "damaged", "damaged", "asked", 404]
    assert all(len(entry.get("damaged", "")) <= 1000 for entry in entries)


def test_a_result_that_cannot_be_written_is_told(
    client: FlaskClient,
    log: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """It was done: so the log of the service says what the audit log could not take."""
    real = __import__("os").write
    written: list[bytes] = []

    def full(descriptor: int, data: bytes) -> int:
        written.append(data)
        return real(descriptor, data if len(written) == 1 else data[:10])

    monkeypatch.setattr("app.access.audit_log.os.write", full)
    assert client.delete("/probes/fexit").status_code == 404
    assert len(log.read_text().splitlines()) == 1
    assert "No space left" in caplog.text
    assert "DELETE /probes/fexit by uid 1000: 404" in caplog.text
