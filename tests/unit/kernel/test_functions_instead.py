# SPDX-License-Identifier: Apache-2.0
"""What may be traced instead, by names alone."""

from __future__ import annotations

from dataclasses import replace

import pytest

from app.kernel.functions import FUNCTION, SYSCALL, TRACEPOINT, Entry, Facts, FunctionIndex
from app.kernel.functions_instead import callers, same_calls
from tests.support.function_index import write_index


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> FunctionIndex:
    return write_index(tmp_path_factory.mktemp("index"))


@pytest.mark.parametrize(
    ("kind", "name", "expected"),
    [
        (FUNCTION, "cut_down", [(FUNCTION, "cut_down.isra.0")]),
        (FUNCTION, "__do_sys_openat", [(SYSCALL, "openat")]),
        (FUNCTION, "__x64_sys_openat", [(SYSCALL, "openat")]),
        (SYSCALL, "openat", [(FUNCTION, "__x64_sys_openat")]),
        (FUNCTION, "both", []),  # it is there, beside its twin
        (FUNCTION, "inlined", []),
        (TRACEPOINT, "sched:sched_switch", []),
    ],
)
def test_the_same_calls(
    index: FunctionIndex, kind: str, name: str, expected: list[tuple[str, str]]
) -> None:
    entry = index.lookup(kind, name)
    assert entry is not None
    assert [(each.kind, each.name) for each in same_calls(entry)] == expected
    assert all(each.note for each in same_calls(entry))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("vfs_read", ["read", "pread64"]),
        ("vfs_read.part.0", ["read", "pread64"]),
        ("tcp_sendmsg", ["sendto", "sendmsg", "write"]),
        ("__sys_connect", ["connect"]),
        ("ksys_write", ["write"]),
        ("do_sys_openat2", ["openat", "open", "openat2", "creat"]),  # more than its name says
        ("filemap_add_folio", []),
    ],
)
def test_system_calls_that_lead_to_a_function(name: str, expected: list[str]) -> None:
    entry = Entry(name, FUNCTION, facts=Facts.SYMBOL)
    assert [(each.kind, each.name) for each in callers(entry)] == [
        (SYSCALL, call) for call in expected
    ]
    assert list(callers(replace(entry, module="xfs"))) == []
    assert list(callers(replace(entry, kind=SYSCALL))) == []


def test_a_note_says_what_else_a_system_call_does() -> None:
    note = next(callers(Entry("tcp_sendmsg", FUNCTION))).note
    assert note == (
        "traces calls of sendto (of any socket, not only TCP), by which programs reach "
        "tcp_sendmsg; its other callers are not seen"
    )
