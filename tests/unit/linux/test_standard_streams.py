# SPDX-License-Identifier: Apache-2.0
"""Standard streams that are broken; whole programs with such streams are in tests/integration."""

from __future__ import annotations

import io
import os

import pytest

from app.linux.standard_streams import discard, say


@pytest.fixture
def broken() -> io.TextIOWrapper:
    """A stream into a pipe that has no reader."""
    reader, writer = os.pipe()
    os.close(reader)
    return os.fdopen(writer, "w", encoding="utf-8")


def test_a_line_is_written_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    reader, writer = os.pipe()
    with os.fdopen(reader, "rb") as source, os.fdopen(writer, "w", encoding="utf-8") as stream:
        monkeypatch.setattr("sys.stdout", stream)
        say("one")
        say("two")
        assert os.read(source.fileno(), 100) == b"one\ntwo\n"


def test_lines_without_a_reader_are_dropped(
    broken: io.TextIOWrapper, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdout", broken)
    say("lost")
    say("lost too")
    broken.close()  # what Python does when it exits: it raises nothing
    monkeypatch.undo()


def test_a_discarded_stream_writes_to_nowhere(broken: io.TextIOWrapper) -> None:
    broken.write("in the buffer")
    discard(broken)
    assert os.path.samestat(os.fstat(broken.fileno()), os.stat(os.devnull))  # noqa: PTH116
    broken.close()


def test_a_stream_without_a_file_is_left_alone() -> None:
    stream = io.StringIO()
    discard(stream)
    stream.write("still there")
    assert stream.getvalue() == "still there"
