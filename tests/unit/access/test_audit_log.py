# SPDX-License-Identifier: Apache-2.0
"""Every entry of the audit log can be read back, and foreign lines in it do no harm.

The log and the route that shows it, over arbitrary bodies and lines.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from app.access.audit_log import MOST_NESTED, AuditLog, strict_json
from app.json_text import without_surrogates
from app.linux.paths import UnusablePathError

IN_MEMORY = "/dev/shm"  # each entry is synced, which takes a disk long
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=20,
)
# What Python's parser takes and RFC 8259 does not, and what it does not take either.
BODIES = (
    st.binary(max_size=200)
    | st.text(max_size=200).map(lambda text: text.encode("utf-8", "surrogatepass"))
    | VALUES.map(lambda value: json.dumps(value).encode())
    | st.sampled_from([b"NaN", b"-Infinity", b'{"a": Infinity}', b"1e999", b"[-1e999]", b"\xff"])
    | st.integers(1, 20_000).map(lambda n: b"[" * n + b"]" * n)
    | st.integers(1, 20_000).map(lambda n: b'{"a":' * n + b"1" + b"}" * n)
    | st.integers(1, 16_000).map(lambda n: b"9" * n)
    | st.integers(1, 16_000).map(lambda n: b'"' + b"\xc3\xa9" * (n // 2) + b'"')
)


def deep(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


@settings(deadline=None, max_examples=200)
@given(spec=VALUES, who=st.text(max_size=50))
@example(spec=float("nan"), who="x")
@example(spec={"duration_s": float("inf")}, who="\ud800\x1b\n")
@example(spec=deep(MOST_NESTED + 1), who="x")
def test_an_entry_is_one_line_that_comes_back(spec: Any, who: str) -> None:
    with TemporaryDirectory(dir=IN_MEMORY) as folder:
        log = AuditLog(Path(folder, "audit.jsonl"))
        log.append({"who": who, "spec": spec})
        raw = log.path.read_bytes()
        (entry,) = log.newest(10)
    assert raw.count(b"\n") == 1
    assert all(byte == 0x0A or 0x20 <= byte < 0x7F for byte in raw)
    assert set(entry) == {"time", "who", "spec"}
    assert entry["who"] == who.encode("utf-8", "backslashreplace").decode()
    json.dumps(entry, allow_nan=False)
    try:
        expected = strict_json(without_surrogates(json.dumps(spec)))
    except (ValueError, RecursionError):
        assert isinstance(entry["spec"], str)  # as its text
    else:
        assert entry["spec"] == expected


def test_what_cannot_even_be_walked_is_told_as_that(tmp_path: Path) -> None:
    log = AuditLog(tmp_path / "audit.jsonl")
    log.append({"who": "x", "spec": deep(50_000)})
    (entry,) = log.newest(1)
    assert (entry["who"], entry["spec"]) == ("x", "nested too deeply")


@settings(deadline=None, max_examples=300)
@given(lines=st.lists(BODIES, max_size=5), half=BODIES)
def test_what_others_wrote_spoils_no_entry(lines: list[bytes], half: bytes) -> None:
    with TemporaryDirectory(dir=IN_MEMORY) as folder:
        log = AuditLog(Path(folder, "audit.jsonl"))
        log.append({"number": 1})
        with log.path.open("ab") as file:
            file.write(b"\n".join([*lines, half]))  # no line feed follows
        log.append({"number": 2})
        entries = log.newest(1000)
    json.dumps(entries, allow_nan=False)
    assert [entry["number"] for entry in (entries[0], entries[-1])] == [1, 2]
    assert all(isinstance(entry, dict) for entry in entries)


ENTRY = b'{"time": "x", "who": "uid 0", "peer": "x", "action": "POST /x", "result": 200}'


@pytest.mark.parametrize(
    "content",
    [
        *(b"", b"\n", ENTRY, ENTRY + b"\n", b"\n" + ENTRY + b"\nforeign\n"),
        ENTRY[:-1] + b', "spec": "\\ud800"}\n',  # as older versions wrote
        ENTRY[:-1] + b', "spec": "' + b"x" * 100_000 + b'"}\n',
    ],
)
def test_a_log_of_ours_is_continued(tmp_path: Path, content: bytes) -> None:
    log = AuditLog(tmp_path / "audit.jsonl")
    log.path.write_bytes(content)
    log.check()
    assert log.path.read_bytes() == content
    log.append({"who": "uid 0", "action": "POST /x", "result": "asked"})
    log.check()


@pytest.mark.parametrize(
    "content",
    [
        *(b"root:*:19000:0:99999:7:::\n", b"\n\nx", b"\xff\0", b"[" * 50_000, b"\0" * 4096),
        *(b"{}\n", b"[]\n", b'{"time": "x", "level": "info"}\n', ENTRY[:-1], b"x\n" + ENTRY),
    ],
)
def test_a_file_of_others_is_refused_and_unchanged(tmp_path: Path, content: bytes) -> None:
    log = AuditLog(tmp_path / "shadow")
    log.path.write_bytes(content)
    with pytest.raises(UnusablePathError, match="its first line is not an entry of an audit log"):
        log.check()
    assert log.path.read_bytes() == content


def test_a_fifo_in_its_place_is_refused_at_once(tmp_path: Path) -> None:
    """Opening a FIFO for writing would wait for a reader, with the lock held."""
    log = AuditLog(tmp_path / "audit.jsonl")
    os.mkfifo(log.path, 0o600)
    for use in (lambda: log.append({"number": 1}), lambda: log.newest(1)):
        with pytest.raises(Exception, match="not a regular file"):
            use()
