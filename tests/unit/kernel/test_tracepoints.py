# SPDX-License-Identifier: Apache-2.0
"""Names of tracepoints and system calls never leave the tracing file system."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.errors import ProbedeckError
from app.kernel.tracepoints import syscall_fields, tracepoint_fields

FORMAT = "\tfield:int __syscall_nr;\toffset:8;\tsize:4;\tsigned:1;\n"
FORMAT += "\tfield:int fd;\toffset:16;\tsize:8;\tsigned:0;\n"
FORMAT += "\tfield:__data_loc char[] __fd_val;\toffset:24;\tsize:4;\tsigned:0;\n"


@pytest.fixture
def tracefs(tmp_path: Path) -> Path:
    for where in ("events/syscalls/sys_enter_close", "events/vfs/open"):
        (tmp_path / where).mkdir(parents=True)
        (tmp_path / where / "format").write_text(FORMAT)
    (tmp_path / "format").write_text(FORMAT)
    (tmp_path / "events" / "enable").write_text("0")
    return tmp_path


def test_fields(tracefs: Path) -> None:
    assert [field.name for field in syscall_fields(tracefs, "close")] == ["fd"]
    category, event, fields = tracepoint_fields(tracefs, "open")
    assert (category, event, len(fields)) == ("vfs", "open", 3)


@pytest.mark.parametrize(
    "name", ["", ".", "..", "../..", "vfs:..", "..:..", "a/b", "a\0b", "x" * 999]
)
def test_names_that_are_not_names(tracefs: Path, name: str) -> None:
    for find in (syscall_fields, tracepoint_fields):
        with pytest.raises(ProbedeckError) as raised:
            find(tracefs, name)
        assert (raised.value.status, raised.value.code) == (422, "invalid")


def test_near_misses(tracefs: Path) -> None:
    with pytest.raises(ProbedeckError, match="did you mean close") as raised:
        syscall_fields(tracefs, "clos")
    assert raised.value.extra["errors"][0]["near"] == ["close"]
    with pytest.raises(ProbedeckError, match="did you mean vfs:open"):
        tracepoint_fields(tracefs, "vfs:opn")
    with pytest.raises(ProbedeckError, match="did you mean open"):
        tracepoint_fields(tracefs, "opn")
