# SPDX-License-Identifier: Apache-2.0
"""Nothing that the service writes as JSON has a lone surrogate, whatever text reached it."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from hypothesis import example, given, settings
from hypothesis import strategies as st

from app import ROOT
from app.access.audit_log import AuditLog
from app.errors import ProbedeckError
from app.json_text import check_surrogates, without_surrogates
from app.web.api.body import StrictJSON
from app.web.api.problem import problem_document
from app.web.routes import stream, ws

# Any code points, most of them surrogates, backslashes and what makes up an escape.
TEXTS = st.text(st.characters() | st.characters(categories=["Cs"]) | st.sampled_from("\\ud8cf0"))
FILE_NAMES = st.binary(max_size=20).map(os.fsdecode)
VALUES = st.recursive(
    TEXTS | FILE_NAMES | st.integers(-(2**53), 2**53) | st.none(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=10,
)


def shown(value: Any) -> Any:
    """Return what a reader gets: each lone surrogate as the text of its escape."""
    if isinstance(value, str):
        joined: str = json.loads(json.dumps(value))  # two halves that meet are one character
        return joined.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, list):
        return [shown(each) for each in value]
    if isinstance(value, dict):
        return {shown(name): shown(each) for name, each in value.items()}
    return value


def strictly_read(text: str | bytes) -> Any:
    """Parse as strict parsers do: all that was escaped can be written as UTF-8."""
    value = json.loads(text)
    json.dumps(value, ensure_ascii=False).encode()
    return value


def audited(folder: Path, value: Any) -> Any:
    log = AuditLog(folder / "audit.jsonl")
    log.path.unlink(missing_ok=True)
    log.append({"spec": value})
    (entry,) = log.newest(1)
    assert entry["spec"] == shown(value)
    return strictly_read(log.path.read_bytes())["spec"]


def streamed(_folder: Path, value: Any) -> Any:
    return strictly_read(stream._lines([{"it": value}]))["it"]


def sent_by_websocket(_folder: Path, value: Any) -> Any:
    class Recorder:
        def send(self, data: str) -> None:
            self.sent = data

    recorder = Recorder()
    ws.send_json(recorder, {"it": value})  # type: ignore[arg-type]  # as much of it as is used
    return strictly_read(recorder.sent)["it"]


def told_as_a_problem(_folder: Path, value: Any) -> Any:
    detail = value if isinstance(value, str) else "x"
    problem = strictly_read(problem_document(ProbedeckError(422, "invalid", detail, it=value)))
    assert problem["detail"] == shown(detail)
    return problem["it"]


def answered(_folder: Path, value: Any) -> Any:
    return strictly_read(StrictJSON(Flask("test")).dumps({"it": value}))["it"]


WRITERS: list[Callable[[Path, Any], Any]] = [
    *(audited, streamed, sent_by_websocket, told_as_a_problem, answered)
]


@pytest.mark.parametrize("write", WRITERS)
@settings(deadline=None, max_examples=100)
@given(value=VALUES)
@example(value="\ud800")
@example(value={"\udfff": ["\\ud800", "\\\ud83d\ude00\ude00", os.fsdecode(b"\xff")]})
def test_every_writer_shows_lone_surrogates_as_text(
    tmp_path_factory: pytest.TempPathFactory, write: Callable[[Path, Any], Any], value: Any
) -> None:
    assert write(tmp_path_factory.getbasetemp(), value) == shown(value)


@settings(deadline=None, max_examples=300)
@given(value=VALUES)
@example(value="\\ud800")
@example(value="\ud83d\ude00")
@example(value="\ude00\ud83d")
def test_what_is_written_passes_the_check_and_the_rest_does_not(value: Any) -> None:
    for text in (json.dumps(value), json.dumps(value).replace("\\ud", "\\uD")):
        try:
            strictly_read(text)
            is_lone = False
        except UnicodeEncodeError:
            is_lone = True
        try:
            check_surrogates(text)
        except ValueError as fault:
            assert is_lone
            assert "is half of a surrogate pair" in str(fault)
            str(fault).encode("ascii")
        else:
            assert not is_lone
    check_surrogates(without_surrogates(json.dumps(value)))


def test_nothing_of_the_service_writes_json_without_it() -> None:
    """The page's source map is made from files of the tree."""
    writers = (".dumps(", "JSONEncoder(")
    found = [
        f"{source.relative_to(ROOT)}: {line.split('(')[0].strip()}"
        for folder in ("app/web", "app/server", "app/hub", "app/access")
        for source in sorted((ROOT / folder).rglob("*.py"))
        for line in source.read_text(encoding="utf-8").splitlines()
        if any(writer in line for writer in writers) and "without_surrogates(" not in line
    ]
    assert found == [
        "app/web/bundle.py: source_map = File.of",
        "app/web/routes/stream.py: encode = json.JSONEncoder",  # used by _lines, tested above
    ]
