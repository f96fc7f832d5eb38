# SPDX-License-Identifier: Apache-2.0
"""Functions of a module by trampolines: found while it is loaded, traced, and told as its own."""

from __future__ import annotations

import errno
import os
import socket
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from app.linux.sock_diag import HEADER, NETLINK_SOCK_DIAG, REQUEST, SOCK_DIAG_BY_FAMILY
from tests.support import kernel
from tests.support.batches import Row
from tests.support.fixtures import skip
from tests.support.service import Service
from tests.support.waiting import wait_until

pytestmark = pytest.mark.suites("bullseye", "trixie")

MODULES = ("tcp_diag", "inet_diag")  # which init loads, and which can be unloaded
REPLY, DUMP = "inet_diag_handler_cmd", "tcp_diag_dump"
NLM_F_REQUEST, NLM_F_DUMP = 0x1, 0x300
STATES, SEQUENCE, SOCKET_ID_BYTES = 0x6C2, 0xDECC0, 48
INDEX_S = 600.0  # making an index takes a minute in emulation


@pytest.fixture
def service(idle: Service) -> Iterator[Service]:
    """The service, whose index has the modules."""
    if not kernel.in_test_machine():
        skip("modules are loaded in test machines only")
    load("modprobe")
    yield idle
    load("modprobe")


def load(command: str) -> None:
    if command == "rmmod":
        subprocess.run(["rmmod", *MODULES], check=True)
    else:
        subprocess.run(["modprobe", "-d", "/run/vm/kernel", MODULES[0]], check=True)


def found(service: Service, name: str, *, status: int = 200) -> Any:
    """What GET /functions/{name} answers once it has the modules that are loaded now."""

    def answered() -> Any:
        answer = service.request("GET", f"/functions/{name}")
        return answer if answer.status == status else None

    return wait_until(answered, f"{name} to be answered with {status}", INDEX_S).json


def dump_sockets() -> None:
    """Ask the kernel for TCP sockets over IPv4: one call of each of the two functions."""
    request = REQUEST.pack(socket.AF_INET, socket.IPPROTO_TCP, 3, STATES) + bytes(SOCKET_ID_BYTES)
    flags = NLM_F_REQUEST | NLM_F_DUMP
    size = HEADER.size + len(request)
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_SOCK_DIAG) as diag:
        diag.send(HEADER.pack(size, SOCK_DIAG_BY_FAMILY, flags, SEQUENCE, 0) + request)
        diag.recv(1 << 16)


def rows_of(service: Service, mode: str, function: str, columns: list[str]) -> list[Row]:
    cursor = service.cursor()
    filter_ = {"pid": os.getpid()}
    service.start("module", mode=mode, function=function, columns=columns, filter=filter_)
    dump_sockets()
    stopped = service.stop("module")
    assert set(stopped["drops"].values()) == {0}
    rows, _ = service.events_after(cursor)
    return [row for row in rows if row["probe"] == "module"]


def test_by_trampolines(service: Service) -> None:
    """Arguments by the module's types, and what it returns."""
    entry = found(service, REPLY)
    assert entry["module"] == "inet_diag"
    assert all(entry["modes"][mode]["available"] for mode in ("kprobe", "kretprobe"))
    if not entry["modes"]["fentry"]["available"]:
        assert os.uname().release.startswith("5.10.")
        check_refused(service, entry)
        return
    assert entry["modes"]["fexit"]["available"]
    assert "struct nlmsghdr *h" in entry["signature"]
    columns = ["h->nlmsg_len as size", "h->nlmsg_type as kind", "h->nlmsg_seq as number"]
    size = HEADER.size + REQUEST.size + SOCKET_ID_BYTES
    called = {"size": size, "kind": SOCK_DIAG_BY_FAMILY, "number": SEQUENCE}
    (row,) = rows_of(service, "fentry", REPLY, columns)
    assert {name: row[name] for name in called} == called
    (row,) = rows_of(service, "fexit", REPLY, columns)
    assert {name: row[name] for name in called} == called
    # A dump was begun (netlink_dump_start): its caller shall not acknowledge the request.
    assert (row["ret"], row["errno"]) == (-errno.EINTR, "EINTR")
    assert row["latency_ns"] > 0
    # A type that only modules describe, in another module.
    columns = [
        "r->sdiag_family as family",
        "r->sdiag_protocol as protocol",
        "r->idiag_states as states",
    ]
    rows = rows_of(service, "fentry", DUMP, columns)
    assert rows
    for row in rows:
        assert (row["family"], row["protocol"]) == (socket.AF_INET, socket.IPPROTO_TCP)
        assert row["states"] == STATES


def check_refused(service: Service, entry: Any) -> None:
    """Before Linux 5.11: the list and a start give the same reason."""
    for mode in ("fentry", "fexit"):
        told = entry["modes"][mode]
        assert (told["code"], told["available"]) == ("no_btf", False)
        assert "5.11" in told["reason"]
        problem = service.expect(501, "POST", "/probes/module", {"function": REPLY, "mode": mode})
        assert problem["reason"] == told["reason"]


def test_a_module_comes_and_goes(service: Service) -> None:
    assert found(service, DUMP)["module"] == MODULES[0]
    load("rmmod")
    found(service, DUMP, status=404)
    spec = {"function": DUMP, "mode": "fentry"}
    problem = service.expect(422, "POST", "/probes/module", spec)
    assert problem["errors"][0]["field"] == "function"
    load("modprobe")
    entry = found(service, DUMP)
    assert (entry["kind"], entry["module"]) == ("function", MODULES[0])
