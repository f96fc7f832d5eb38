# SPDX-License-Identifier: Apache-2.0
"""A function of a module, in each mode: its arguments by the module's own types; unloading it."""

from __future__ import annotations

import os
import platform
import socket
import struct
import subprocess
from pathlib import Path

import pytest

from app.linux.sock_diag import (
    ANY_INTERFACE_AND_COOKIE,
    HEADER,
    NETLINK_SOCK_DIAG,
    NLM_F_REQUEST,
    REPLY_BYTES,
    REQUEST,
    SOCK_DIAG_BY_FAMILY,
    SOCKET_ID,
)
from tests.support import kernel
from tests.support.fixtures import skip
from tests.support.service import Service
from tests.support.waiting import wait_until

MODULE, FUNCTION, PROBE = "tcp_diag", "tcp_diag_dump", "of-a-module"
NLM_F_DUMP = 0x300  # include/uapi/linux/netlink.h
STATES = 1 << 10, 1 << 7 | 1 << 3  # of sockets that are asked for
MODES = ("fentry", "fexit", "kprobe", "kretprobe")


def ask_for(states: int) -> None:
    """Ask the module for the TCP sockets in these states, in one call of its function."""
    request = REQUEST.pack(socket.AF_INET, socket.IPPROTO_TCP, 0, states)
    request += SOCKET_ID.pack(0, 0, bytes(16), bytes(16)) + ANY_INTERFACE_AND_COOKIE
    size = HEADER.size + len(request)
    header = HEADER.pack(size, SOCK_DIAG_BY_FAMILY, NLM_F_REQUEST | NLM_F_DUMP, 1, 0)
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_SOCK_DIAG) as diag:
        diag.send(header + request)
        kind = struct.unpack_from("=IH", diag.recv(REPLY_BYTES))[1]
        assert kind in (SOCK_DIAG_BY_FAMILY, 3)  # NLMSG_DONE: there is none


@pytest.mark.suites("bullseye", "trixie")
@pytest.mark.parametrize("mode", MODES)
def test_a_function_of_a_module(idle: Service, modes: tuple[str, ...], mode: str) -> None:
    if mode not in modes:
        skip(f"this kernel does not allow {mode}")
    columns = ["r->sdiag_family as family", "r->idiag_states as states"]
    spec = {"mode": mode, "function": FUNCTION, "filter": {"pid": os.getpid()}}
    assert Path("/sys/module", MODULE).is_dir()
    if not Path("/sys/kernel/btf", MODULE).exists():  # before Linux 5.11
        assert platform.release().startswith("5.10.")
        answer = idle.request("POST", f"/probes/{PROBE}", {**spec, "columns": columns})
        if mode in ("fentry", "fexit"):
            assert answer.status == 501
            assert "5.11" in answer.json["reason"]
        else:  # a kprobe could attach, but nothing describes the columns
            assert answer.status in (422, 501), answer.json
        return
    assert idle.start(PROBE, **spec, columns=columns)["target"]["name"] == FUNCTION
    cursor = idle.cursor()
    for states in STATES:
        ask_for(states)
    idle.stop(PROBE)
    rows = [row for row in idle.events_after(cursor)[0] if row["probe"] == PROBE]
    # A socket that is closed before it has read everything is asked once more, or not.
    assert {row["states"] for row in rows} == set(STATES)
    assert [row["states"] for row in rows] == sorted((r["states"] for r in rows), reverse=True)
    assert {row["family"] for row in rows} == {socket.AF_INET}
    listed = idle.expect(200, "GET", f"/functions/{FUNCTION}")
    assert listed["module"] == MODULE
    assert listed["modes"][mode]["available"]


@pytest.mark.suites("bullseye", "trixie")
def test_a_probe_whose_module_was_unloaded_is_blind(idle: Service, modes: tuple[str, ...]) -> None:
    """Loading it again sets no kprobe: the probe stays blind, and says so."""
    if "kprobe" not in modes:
        skip("this kernel does not allow kprobe")
    if not kernel.in_test_machine():
        skip("modules are unloaded in test machines only")
    idle.start(PROBE, mode="kprobe", function=FUNCTION)
    assert idle.probe(PROBE)["blind"] is None
    subprocess.run(["rmmod", MODULE], check=True)
    try:
        blind = wait_until(lambda: idle.probe(PROBE)["blind"], "it to be blind")
        assert f"its module {MODULE} was unloaded" in blind["reason"]
    finally:
        subprocess.run(["modprobe", "-d", "/run/vm/kernel", MODULE], check=True)
    cursor = idle.cursor()
    ask_for(STATES[0])
    wait_until(lambda: Path("/sys/module", MODULE, "initstate").exists(), "the module")
    assert idle.probe(PROBE)["blind"] == blind
    idle.stop(PROBE)
    assert [row for row in idle.events_after(cursor)[0] if row["probe"] == PROBE] == []
