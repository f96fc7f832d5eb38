# SPDX-License-Identifier: Apache-2.0
"""Probes of system calls and tracepoints in the real service, with what hostile processes pass."""

from __future__ import annotations

import ctypes
import os
import re
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from app.columns.column import CALLER, RESULT
from app.presets.table import PRESETS
from tests.support.service import Service
from tests.support.waiting import wait_until

NAME = "any"
RESULT_NAMES = {column.name for column in RESULT}
AT_FDCWD, EFAULT = -100, 14
NOT_MAPPED = 8  # an address of user memory
libc = ctypes.CDLL(None, use_errno=True)
libc.unlink.argtypes = [ctypes.c_void_p]
libc.openat.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_int]


@contextmanager
def probed(service: Service, body: dict[str, Any], name: str = NAME) -> Iterator[None]:
    service.expect(201, "POST", f"/probes/{name}", body)
    try:
        yield
    finally:
        service.expect(200, "DELETE", f"/probes/{name}")


def rows(service: Service, count: int, name: str = NAME) -> list[dict[str, Any]]:
    """Wait for a number of rows of a probe, and return them."""

    def events() -> list[dict[str, Any]]:
        query = f"/events?probe={name}&limit=10000"
        found: list[dict[str, Any]] = service.expect(200, "GET", query)["events"]
        return found

    wait_until(lambda: len(events()) >= count, f"{count} rows of {name}")
    return events()


def kernel_address() -> int:
    """Return where the kernel's code begins."""
    with Path("/proc/kallsyms").open() as symbols:
        for line in symbols:
            address, _, name = line.split()[:3]
            if name == "_stext" and int(address, 16):
                return int(address, 16)
    pytest.fail("/proc/kallsyms has no address of _stext")


def test_no_process_shows_us_the_kernels_memory(idle: Service) -> None:
    """A system call's pointers lead to user memory, whatever address a process passes."""
    columns = ["filename", "bytes(filename, 8) as head", "filename[0] as first", "pcomm"]
    body = {"syscall": "openat", "columns": columns, "filter": {"pid": os.getpid()}}
    name = "kernel-pointers"
    with probed(idle, body, name):
        for address in (kernel_address(), NOT_MAPPED, (1 << 64) - 1, 1 << 63):
            assert libc.openat(AT_FDCWD, address, os.O_RDONLY) == -1
            assert ctypes.get_errno() == EFAULT
        found = [row for row in rows(idle, 4, name) if row["ret"] == -EFAULT]
    assert [(row["filename"], row["head"], row["first"]) for row in found] == 4 * [(None,) * 3]
    assert all(row["pcomm"] for row in found)  # which is in the kernel's memory


def test_no_deletion_shows_us_the_kernels_memory(idle: Service) -> None:
    body = {"preset": "deletions", "mode": "tracepoint", "filter": {"pid": os.getpid()}}
    name = "kernel-names"
    with probed(idle, body, name):
        assert libc.unlink(kernel_address()) == -1
        assert [row["filename"] for row in rows(idle, 1, name)] == [None]


def test_a_call_that_never_returns_has_a_row_at_entry(idle: Service) -> None:
    name = "exits"
    with probed(idle, {"syscall": "exit_group"}, name):
        if (child := os.fork()) == 0:
            os._exit(77)
        os.waitpid(child, 0)
        (row,) = [row for row in rows(idle, 1, name) if row["pid"] == child]
        described = idle.probes()[name]
    assert row["error_code"] == 77
    assert not {"ret", "latency_ns"} & {column["name"] for column in described["columns"]}
    assert described["drops"]["missed_return"] == 0


def test_each_return_from_a_signal_has_a_row_at_entry(idle: Service) -> None:
    name = "sigreturns"
    before = signal.signal(signal.SIGUSR1, lambda *_: None)
    try:
        with probed(idle, {"syscall": "rt_sigreturn", "filter": {"pid": os.getpid()}}, name):
            for _ in range(5):
                os.kill(os.getpid(), signal.SIGUSR1)
            assert len(rows(idle, 5, name)) == 5
            assert idle.probes()[name]["drops"]["missed_return"] == 0
    finally:
        signal.signal(signal.SIGUSR1, before)


def test_what_is_offered_works(idle: Service) -> None:
    """Where a mode is refused, each alternative that is offered can be started."""
    body: dict[str, Any] = {"function": "do_sys_openat2", "mode": "fexit"}
    answer = idle.request("POST", "/probes/offered", body)
    if answer.status == 201:
        idle.expect(200, "DELETE", "/probes/offered")
        pytest.skip("this kernel allows fexit")
    problem = answer.json
    assert (problem["status"], problem["code"]) == (501, "unavailable")
    assert {"preset opens", "syscall openat"} <= set(problem["alternatives"])
    for offer in problem["alternatives"]:
        kind, _, name = offer.partition(" ")
        body = {kind: name} if name else {"function": "do_sys_openat2", "mode": kind}
        with probed(idle, body, "offered"):
            assert idle.probes()["offered"]["state"] == "running"


@pytest.mark.parametrize(
    ("function", "offer"),
    [
        ("vfs_read", "syscall read"),
        ("__x64_sys_openat", "syscall openat"),
        ("do_sys_openat2", "preset opens"),
        ("tcp_connect", "preset tcp-connects"),
        ("do_unlinkat", "preset deletions"),
    ],
)
def test_the_list_of_functions_offers_the_same(idle: Service, function: str, offer: str) -> None:
    found = idle.expect(200, "GET", f"/functions/{function}?kind=function")
    answer = idle.request("POST", "/probes/offered", {"function": function})
    if answer.status == 201:
        idle.expect(200, "DELETE", "/probes/offered")
        pytest.skip("this kernel allows a mode of functions")
    assert offer in answer.json["alternatives"]
    refused = [mode for mode in found["modes"].values() if not mode["available"]]
    assert len(refused) == 5
    for mode in refused:
        assert mode["instead"] == answer.json["instead"]


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_gives_what_is_said_before_its_start(idle: Service, name: str) -> None:
    presets = {each["name"]: each for each in idle.expect(200, "GET", "/presets")["presets"]}
    said = presets[name]
    if said["mode"] is None:
        pytest.skip(f"this kernel allows no mode of {name}")
    (by_mode,) = (each for each in said["modes"] if each["mode"] == said["mode"])
    with probed(idle, {"preset": name}, "said"):
        found = idle.probes()["said"]
    assert (found["mode"], found["where"]) == (said["mode"], by_mode["where"])
    assert found["not_seen"] == by_mode["not_seen"]
    assert found["function"] in (by_mode["target"], by_mode["target"].rpartition(":")[2])
    names = [re.split(r"\s+as\s+", column)[-1] for column in by_mode["columns"]]
    of_call = [column["name"] for column in found["columns"]][len(CALLER) :]
    assert [each for each in of_call if each not in RESULT_NAMES] == names


def test_rows_of_a_deleted_probe_can_be_filtered(idle: Service, tmp_path: Path) -> None:
    """By its columns; and what its own filter hid while it ran stays hidden."""
    name = "deleted"
    body = {
        "syscall": "openat",
        "columns": ["filename", "flags as how"],
        "filter": {"pid": os.getpid()},
        "where": f"filename~{tmp_path}/*.LOG",  # ignoring case, which the kernel cannot
    }
    with probed(idle, body, name):
        assert idle.probes()[name]["where_in_service"] == body["where"]
        for file in ("a.log", "a.txt", "b.log"):
            libc.openat(AT_FDCWD, ctypes.c_char_p(bytes(tmp_path / file)), os.O_RDONLY)
        before = rows(idle, 2, name)
    assert [Path(row["filename"]).name for row in before] == ["a.log", "b.log"]
    assert rows(idle, 2, name) == before
    query = f"/events?probe={name}&where=how=0+filename=*b.log"
    assert idle.expect(200, "GET", query)["events"] == before[1:]


def is_ours(row: dict[str, Any]) -> bool:
    return str(row["filename"]).startswith("/nx/")


def key(row: dict[str, Any]) -> tuple[int, str, int]:
    return row["dfd"], row["filename"], row["flags"]


def shown(service: Service) -> list[tuple[int, str, int]]:
    found = service.expect(200, "GET", "/events?probe=filtered&limit=10000")["events"]
    return [key(row) for row in found if is_ours(row)]


def test_a_changed_filter_holds_from_its_answer_on(idle: Service) -> None:
    """While calls go on: what is shown of each round of calls is what its filter passes."""
    columns = ["dfd", "filename", "flags"]
    body = {"syscall": "openat", "columns": columns, "filter": {"pid": os.getpid()}}
    filters: dict[str | None, Callable[[dict[str, Any]], bool]] = {
        "flags=1": lambda row: row["flags"] == 1,
        "filename!=/nx/odd*": lambda row: not row["filename"].startswith("/nx/odd"),
        "not (flags=1 or filename=/nx/even-1*)": lambda row: (
            row["flags"] != 1 and not row["filename"].startswith("/nx/even-1")
        ),
        "filename=/nx/odd-7* ret=ENOENT": lambda row: row["filename"].startswith("/nx/odd-7"),
        "flags=2": lambda _row: False,
        None: lambda _row: True,
    }
    with probed(idle, body, "unfiltered"), probed(idle, body, "filtered"):
        for number, where in enumerate(filters):
            changed = idle.expect(200, "PATCH", "/probes/filtered", {"where": where})
            assert (changed["where"], changed["where_in_service"]) == (where, None)
            for call in range(100):
                name = f"/nx/{('even', 'odd')[call % 2]}-{call}".encode()
                libc.openat(number, ctypes.c_char_p(name), call % 2)
        calls = [each for each in rows(idle, 100 * len(filters), "unfiltered") if is_ours(each)]
        wanted = [row for row in calls if [*filters.values()][row["dfd"]](row)]
        wait_until(lambda: shown(idle) == [key(row) for row in wanted], "the rows that pass")
    assert len(calls) == 100 * len(filters)
