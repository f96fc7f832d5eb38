# SPDX-License-Identifier: Apache-2.0
"""A filter in the kernel shows exactly the rows that it passes of all the rows there are.

For each filter, the rows of a probe that has it are compared with those rows of another probe of
the same target, running at the same time without a filter, that the service's evaluator passes.
"""

from __future__ import annotations

import ctypes
import itertools
import os
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from app.filters import row_filter
from app.web.routes.where import vocabulary_of
from tests.support.batches import Row
from tests.support.fixtures import skip
from tests.support.service import Service
from tests.support.varied_calls import (
    COMM,
    LIBC,
    LONG,
    SYS_READ,
    call_read,
    in_threads,
    open_files,
    read_files,
    try_to_open,
)
from tests.support.waiting import wait_until

pytestmark = pytest.mark.suites()  # in `./test long`, and on this machine

ALL, FEW = "filter-all", "filter-few"
OPENAT: dict[str, Any] = {
    "mode": "tracepoint",
    "syscall": "openat",
    "columns": ["dfd", "filename", "flags", "mode as bits"],
}
READ: dict[str, Any] = {
    "mode": "tracepoint",
    "syscall": "read",
    "columns": ["fd", "count", "hex(buf) as address"],
}
VFS_READ: dict[str, Any] = {"function": "vfs_read", "columns": ["path(file) as file", "count"]}
BLOCKED_S, SLOW = 0.5, "250ms"
MARK_BYTES = itertools.count(70_001)
MEMBERS = ("uid", "comm", "process", "only_failures")

OPENS = [
    "filename=/dev/null",
    "filename!=/dev/null",
    "filename=/dev/*",
    "filename!=/dev/*",
    "filename=*null",
    'filename=""',
    'filename!="" ret<0',
    "filename=/dev/null or filename=/pd-none",
    "not (filename=/dev/null or filename=/pd-none)",
    "filename in (/dev/null, /dev/zero)",
    "filename not in (/dev/null, /dev/zero)",
    "filename=/dev/* ret>=0",
    "filename=/dev/* or ret=ENOENT",
    "not filename=/dev/* not ret=ENOENT",
    f"filename={LONG}",
    f"filename={LONG[:-1]}*",
    "filename=*nnnnnnnn",
    "filename!=*nnnnnnnn",
    "ret<0",
    "ret=ENOENT",
    "errno=ENOTDIR",
    "errno!=ENOENT",
    "errno~*",
    "not errno~*",
    "errno in (ENOENT, ENOTDIR)",
    "flags>=0x80000 filename!=*null",
    "flags!=0x80000",
    "dfd=CWD",
    "dfd!=CWD",
    "bits=0",
    "bits=384",
    f"comm={COMM}-b",
    f"comm!={COMM}-b filename=/dev/null",
    "comm=*-a",
    "comm=pd-* (ret<0 or filename=/dev/zero) (dfd=CWD or errno=ENOTDIR)",
]
READS = [
    "count=7",
    "count!=7",
    "count<8",
    "count>=1000",
    "count=7..100",
    "count=..7 or count=1000..",
    "count in (7, 100, 1000)",
    "not count in (7, 100, 1000)",
    "count=18446744073709551615",
    "count>9223372036854775807",
    "fd=0xffffffff",
    "fd!=0xffffffff",
    "address=0",
    "ret=0",
    "ret>0 ret<100",
    "errno=EBADF or count=7",
    "errno~* count!=7 count<1000",
    "count=1 or count=2 or count=3 or count=4 or count=7 or count=100",
]
FILE_READS = [
    "file=/dev/zero",
    "file!=/dev/zero",
    "not file=*zero",
    "file=/dev/n*",
    "file=/dev/zero count>=1000",
    "file=/dev/null or count in (7, 100)",
    "count=7..100",
    "ret=0",
    "ret>0 ret<100",
    "errno=EFAULT",
    "errno~* or count=7",
    f"comm={COMM}-b not file=/dev/zero",
]
SLOWLY = [f"latency>{SLOW}", f"latency<={SLOW}", f"latency>{SLOW} or count=7"]


def read_slowly() -> None:
    read_files()
    reader, writer = os.pipe()
    writing = threading.Timer(BLOCKED_S, os.write, (writer, b"x"))
    writing.start()
    call_read(reader, ctypes.create_string_buffer(10), 10)
    writing.join()
    os.close(reader)
    os.close(writer)


class Pair:
    """The two probes of a target: one shows all of this process, one what a filter passes."""

    def __init__(self, service: Service, target: dict[str, Any]) -> None:
        self.service = service
        for probe in (ALL, FEW):
            started = service.start(probe, **target, filter={"pid": os.getpid()})
        self.vocabulary = vocabulary_of([started])

    def change(self, **body: Any) -> Any:
        return self.service.expect(200, "PATCH", f"/probes/{FEW}", body)

    def drained(self, cursor: str) -> tuple[list[Row], list[Row]]:
        """The rows of both, without their own columns, once all calls made so far are there.

        The second probe has no filter by now.
        """
        for _ in range(2):
            wait_until(partial(self.have, cursor, self.mark()), "the mark in both probes")
        rows, _ = self.service.events_after(cursor)
        both = [[row for row in rows if row["probe"] == probe] for probe in (ALL, FEW)]
        return both[0], both[1]

    def mark(self) -> int:
        """Make a call that both show, by what it can be told from others."""
        number = next(MARK_BYTES)
        path = f"/pd-mark-{number}"
        try_to_open(path, os.O_RDONLY)
        fd = os.open("/dev/null", os.O_RDONLY)  # a file, or the kernel would not get to vfs_read
        call_read(fd, None, number)
        os.close(fd)
        return number

    def have(self, cursor: str, number: int) -> bool:
        rows, _ = self.service.events_after(cursor)
        marks = (number, f"/pd-mark-{number}")
        found = {row["probe"] for row in rows if row.get("count", row.get("filename")) in marks}
        return found == {ALL, FEW}


def plain(rows: list[Row], tids: set[int]) -> Counter[str]:
    """Rows of these threads, without what each probe measures for itself."""
    own = ("probe", "time", "latency_ns")
    return Counter(
        str({name: value for name, value in row.items() if name not in own})
        for row in rows
        if row["tid"] in tids
    )


def passed(
    pair: Pair, body: Callable[[], None], cases: list[tuple[dict[str, Any], str | None]]
) -> list[int]:
    """Run this once for each members of `filter` and `where`, and compare both probes' rows.

    Returns how many rows passed each time.
    """
    cursor = pair.service.cursor()
    threads = []
    for members, text in cases:
        others = dict.fromkeys(MEMBERS) | {"pid": os.getpid()} | members
        changed = pair.change(where=text, filter=others)
        assert changed["where_in_service"] is None, text
        threads.append(in_threads(body))
    pair.change(where=None, filter=dict.fromkeys(MEMBERS) | {"pid": os.getpid()})
    everything, few = pair.drained(cursor)
    return [
        compare(pair, everything, few, tids, case)
        for tids, case in zip(threads, cases, strict=True)
    ]


def compare(
    pair: Pair,
    everything: list[Row],
    few: list[Row],
    tids: set[int],
    case: tuple[dict[str, Any], str | None],
) -> int:
    members, text = case
    test = row_filter(text, pair.vocabulary) if text else None
    own = [row for row in everything if row["tid"] in tids]
    wanted = [row for row in own if passes_members(row, members) and (not test or test(row))]
    expected, shown = plain(wanted, tids), plain(few, tids)
    assert shown == expected, (case, shown - expected, expected - shown)
    assert len(own) > len(wanted), f"{case} passes everything"
    return len(wanted)


def passes_members(row: Row, members: dict[str, Any]) -> bool:
    if members.get("only_failures") and row["ret"] >= 0:
        return False
    return all(row[name] == members[name] for name in members if name != "only_failures")


@contextmanager
def pair_of(service: Service, modes: tuple[str, ...], target: dict[str, Any]) -> Iterator[Pair]:
    if target["mode"] not in modes:
        skip(f"this kernel does not allow {target['mode']}")
    yield Pair(service, target)
    for probe in (ALL, FEW):
        assert service.stop(probe)["counters"]["dropped_kernel"] == 0


@pytest.mark.parametrize(
    ("target", "body", "texts"),
    [
        pytest.param(OPENAT, open_files, OPENS, id="openat"),
        pytest.param(READ, read_files, READS, id="read"),
        pytest.param(READ, read_slowly, SLOWLY, id="latency"),
        pytest.param({"mode": "fexit", **VFS_READ}, read_files, FILE_READS, id="fexit"),
        pytest.param({"mode": "kretprobe", **VFS_READ}, read_files, FILE_READS, id="kretprobe"),
    ],
)
def test_a_filter_shows_what_it_passes(
    idle: Service,
    modes: tuple[str, ...],
    target: dict[str, Any],
    body: Callable[[], None],
    texts: list[str],
) -> None:
    with pair_of(idle, modes, target) as pair:
        counts = passed(pair, body, [({}, text) for text in texts])
    assert [text for text, rows in zip(texts, counts, strict=True) if not rows] == []


def test_with_members_of_filter(idle: Service, modes: tuple[str, ...]) -> None:
    """`only_failures`, `comm` and the others hold beside `where`."""
    process = own_comm()
    cases: list[tuple[dict[str, Any], str | None]] = [
        ({"only_failures": True}, None),
        ({"only_failures": True}, "filename!=/dev/*"),
        ({"only_failures": True}, "ret>=0 or errno=ENOTDIR"),
        ({"comm": f"{COMM}-a"}, "filename=/dev/null or ret=ENOENT"),
        ({"comm": f"{COMM}-a", "only_failures": True, "uid": os.getuid()}, "not dfd!=CWD"),
        ({"process": process, "uid": os.getuid()}, "flags>=0x80000 filename=*null"),
    ]
    with pair_of(idle, modes, OPENAT) as pair:
        assert all(passed(pair, open_files, cases))
        nothing: list[tuple[dict[str, Any], str | None]] = []
        nothing += [({"uid": 54321}, "ret<0"), ({"process": "pd-nobody"}, "ret<0")]
        nothing.append(({"comm": f"{COMM}-a"}, f"comm={COMM}-b"))
        assert not any(passed(pair, open_files, nothing))


def own_comm() -> str:
    return Path("/proc/self/comm").read_text().rstrip("\n")


def test_changed_while_a_call_is_in_progress(idle: Service, modes: tuple[str, ...]) -> None:
    """A call that returns after the change is shown if it passes the new filter."""
    cases = [
        ("count=123", "count=123 ret=1", True),
        ("count=123", "count=124", False),
        ("count=123", "ret<0", False),
        ("ret<0", "ret=1", True),
        (None, "comm=pd-nobody", False),
        (None, f"comm={COMM} count>100", True),
    ]
    with pair_of(idle, modes, READ) as pair:
        cursor = idle.cursor()
        threads = [change_during_a_read(pair, before, then) for before, then, _ in cases]
        pair.change(where=None)
        everything, few = pair.drained(cursor)
    for tid, (before, then, is_shown) in zip(threads, cases, strict=True):
        calls = plain(everything, {tid})
        assert calls.total() == 1
        assert plain(few, {tid}) == (calls if is_shown else Counter()), (before, then)


def change_during_a_read(pair: Pair, before: str | None, then: str) -> int:
    """Change the filter while a thread is in a call of 123 bytes; return the thread's id."""
    pair.change(where=before)
    reader, writer = os.pipe()

    def body() -> None:
        LIBC.prctl(15, COMM.encode(), 0, 0, 0)
        call_read(reader, ctypes.create_string_buffer(123), 123)

    thread = threading.Thread(target=body)
    thread.start()
    state = Path(f"/proc/self/task/{thread.native_id}/syscall")
    wait_until(lambda: state.read_text().split()[0] == str(SYS_READ), "the call to block")
    pair.change(where=then)
    os.write(writer, b"x")
    thread.join()
    os.close(reader)
    os.close(writer)
    assert thread.native_id
    return thread.native_id
