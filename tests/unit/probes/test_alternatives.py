# SPDX-License-Identifier: Apache-2.0
"""What is offered instead of an entry: only what works in the modes that the kernel allows."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import pytest

from app.kernel.functions import FUNCTION, SYSCALL, TRACEPOINT, Entry, Facts
from app.presets.resolve import names_needed
from app.probes.alternatives import alternatives, works
from app.probes.modes import PREFERENCE

FOUND = Facts.SYMBOL | Facts.FTRACE
ONLY_TRACEPOINTS = ("tracepoint",)
WITHOUT_TRACEPOINTS = tuple(mode for mode in PREFERENCE if mode != "tracepoint")
NEEDED = frozenset(names_needed())


def function(name: str, **members: Any) -> Entry:
    return Entry(name, FUNCTION, **{"function_id": 7, "facts": FOUND, **members})


class FakeIndex:
    """A fake of app.kernel.functions.FunctionIndex, which has these entries."""

    def __init__(self, *entries: Entry) -> None:
        self._entries = {(entry.kind, entry.full_name): entry for entry in entries}

    def lookup(self, kind: str, name: str) -> Entry | None:
        return self._entries.get((kind, name))


INDEX = FakeIndex(
    function("vfs_read"),
    function("do_sys_openat2"),
    function("tcp_connect"),
    function("__x64_sys_openat", syscall="openat"),
    function("cut_down", facts=Facts(0), twins=("cut_down.isra.0",)),
    function("cut_down.isra.0", function_id=0),
    function("do_unlinkat"),
    function("security_bprm_committed_creds"),
    Entry("read", SYSCALL),
    Entry("openat", SYSCALL, function="__x64_sys_openat"),
    Entry("unlinkat", SYSCALL),
    Entry("inet_sock_set_state", TRACEPOINT, category="sock"),
    Entry("sched_process_exec", TRACEPOINT, category="sched"),
)


def offered(
    kind: str,
    name: str,
    working: Collection[str],
    names: Collection[tuple[str, str]] = NEEDED,
    index: FakeIndex = INDEX,
) -> list[str]:
    entry = index.lookup(kind, name)
    assert entry is not None
    found = alternatives(entry, index, working, lambda *pair: pair in names)  # type: ignore[arg-type]
    assert all(each.note for each in found)
    return [str(each.target) for each in found]


@pytest.mark.parametrize(
    ("kind", "name", "only_tracepoints", "all_but_tracepoints"),
    [
        (FUNCTION, "vfs_read", ["syscall read"], []),
        (FUNCTION, "do_sys_openat2", ["preset opens", "syscall openat"], []),
        (FUNCTION, "tcp_connect", ["preset tcp-connects"], []),  # no syscall connect there
        (FUNCTION, "__x64_sys_openat", ["syscall openat"], []),
        (FUNCTION, "cut_down", [], ["function cut_down.isra.0"]),
        (FUNCTION, "do_unlinkat", ["preset deletions"], ["preset deletions"]),
        (SYSCALL, "openat", [], ["function __x64_sys_openat", "preset opens"]),
        (TRACEPOINT, "sched:sched_process_exec", [], ["preset process-starts"]),
    ],
)
def test_what_works_instead(
    kind: str, name: str, only_tracepoints: list[str], all_but_tracepoints: list[str]
) -> None:
    assert offered(kind, name, ONLY_TRACEPOINTS) == only_tracepoints
    assert offered(kind, name, WITHOUT_TRACEPOINTS) == all_but_tracepoints
    assert offered(kind, name, ()) == []


def test_a_preset_that_the_kernel_lacks_is_not_offered() -> None:
    names = NEEDED - {(SYSCALL, "openat")}
    assert offered(FUNCTION, "do_sys_openat2", ONLY_TRACEPOINTS, names) == ["syscall openat"]


def test_a_preset_whose_function_cannot_be_traced_is_not_offered() -> None:
    """As ftrace has not: the kernel has its name, and refuses it."""
    hidden = function("do_sys_openat2", facts=Facts.SYMBOL)
    index = FakeIndex(Entry("openat", SYSCALL), hidden)
    assert offered(SYSCALL, "openat", ["fexit"], index=index) == []
    assert offered(SYSCALL, "openat", ["fexit"]) == ["function __x64_sys_openat", "preset opens"]


def test_works() -> None:
    read = function("vfs_read")
    assert works(read, ["fexit"])
    assert not works(read, ["tracepoint"])
    assert not works(read, [])
    assert works(Entry("read", SYSCALL), ["tracepoint"])
