# SPDX-License-Identifier: Apache-2.0
"""A probe whose programs are attached but do not run says so; its canary calls are no events.

Tracing is switched off in the test machines only: others may be tracing on a real one.
"""

from __future__ import annotations

import ctypes
import errno
import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from app.linux import bpf, syscalls
from app.linux.bpf_attr import Id
from app.tracer.records import CANARY
from tests.support import kernel
from tests.support.calls import EXIT_MODES, FUNCTION_MODES
from tests.support.client import Websocket
from tests.support.recording import Recording, change, mark, skipped_calls, wait_until_shown
from tests.support.service import Service
from tests.support.waiting import wait_until

MAP_GET_FD_BY_ID = 14  # include/uapi/linux/bpf.h
LIBC = ctypes.CDLL(None, use_errno=True)
FTRACE = Path("/proc/sys/kernel/ftrace_enabled")
KPROBES = Path("/sys/kernel/debug/kprobes/enabled")
# Linux 7.3 and 5.10 refuse to switch ftrace off while a trampoline is attached.
EACH_SWITCH = [
    pytest.param("ftrace", marks=pytest.mark.suites("trixie")),
    pytest.param("kprobes", marks=pytest.mark.suites("bullseye")),
]
# The file that switches it off, the modes that it silences, and a word of the reason.
SWITCHES = {
    "ftrace": (FTRACE, FUNCTION_MODES, "kernel.ftrace_enabled"),
    "kprobes": (KPROBES, ("kprobe", "kretprobe"), "kprobes/enabled"),
}


def can_be_switched_off(switch: Path) -> bool:
    """Linux 7.3 refuses for ftrace (EOPNOTSUPP), and 5.10 while a trampoline is attached (EBUSY,
    FTRACE_OPS_FL_PERMANENT): there is nothing to notice there."""
    if not kernel.in_test_machine():
        pytest.skip("the kernel is silenced only in the test machines")
    try:
        switch.write_text("0")
    except OSError as error:
        if error.errno not in (errno.EOPNOTSUPP, errno.EBUSY):
            raise
        return False
    switch.write_text("1")
    return True


@contextmanager
def switched_off(switch: Path) -> Iterator[None]:
    """The kernel with this switched off, and on again on leaving."""
    assert switch.read_text().strip() == "1"
    switch.write_text("0")
    try:
        yield
    finally:
        switch.write_text("1")


@pytest.mark.parametrize("name", EACH_SWITCH)
def test_a_mode_that_does_not_run_is_unavailable(
    idle: Service, modes: tuple[str, ...], name: str
) -> None:
    switch, silenced, word = SWITCHES[name]
    if not can_be_switched_off(switch):
        return
    with switched_off(switch):
        # The service checked the kernel earlier, so it is a start that finds out.
        refused = idle.expect(501, "POST", f"/probes/{silenced[0]}")
        probes = idle.expect(200, "POST", "/availability")["probes"]
        for probe in probes:
            if probe["id"] in silenced:
                assert not probe["available"]
                assert word in probe["reason"]
                assert str(switch.name) in probe["hint"]
            else:
                assert probe["available"], probe
        assert refused["code"] == "unavailable"
        assert word in refused["reason"]
        assert set(refused["alternatives"]) == set(modes) - set(silenced)
    # Switched on again: the next start notices that too.
    cursor = idle.cursor()
    idle.start(silenced[0])
    wait_until_shown(idle, cursor, {silenced[0]}, mark())
    idle.stop(silenced[0])


def blind_for(service: Service, mode: str, word: str) -> dict[str, str] | None:
    """Return the probe's blindness if its reason has this word.

    It may have been told with another one: `can_be_switched_off` blinds it for a moment, too.
    """
    blind: dict[str, str] | None = service.probe(mode)["blind"]
    return blind if blind and word in blind["reason"] else None


def states(stream: Websocket, mode: str) -> list[bool]:
    """Return whether the probe was blind in each state message, without repetitions."""
    found: list[bool] = []
    for control in stream.controls:
        if control["type"] == "state" and control["probe"]["id"] == mode:
            blind = control["probe"]["blind"] is not None
            if found[-1:] != [blind]:
                found.append(blind)
    return found


@pytest.mark.parametrize("name", EACH_SWITCH)
def test_a_probe_that_is_silenced_says_so(
    tracing: Service, modes: tuple[str, ...], name: str
) -> None:
    """It also says when it sees again."""
    switch, silenced, word = SWITCHES[name]
    if not can_be_switched_off(switch):
        return
    with tracing.websocket("?recent=0") as stream:
        with switched_off(switch):
            for mode in silenced:
                blind = wait_until(
                    lambda m=mode: blind_for(tracing, m, word), f"{mode} to be blind for {word}"
                )
                assert switch.name in blind["hint"]
                assert blind["since"] >= tracing.probe(mode)["started_at"]
                assert tracing.probe(mode)["state"] == "running"
            for mode in set(modes) - set(silenced):
                assert tracing.probe(mode)["blind"] is None
            log = tracing.log.read_text()
            for mode in silenced:
                assert f"{mode} is blind since" in log
        for mode in silenced:
            wait_until(lambda m=mode: tracing.probe(m)["blind"] is None, f"{mode} to see again")
            stream.wait(lambda m=mode: states(stream, m)[-2:] == [True, False], f"{mode}'s states")
            assert f"{mode} was blind for" in tracing.log.read_text()
        cursor = tracing.cursor()
        wait_until_shown(tracing, cursor, modes, mark())


def canary_tokens() -> dict[int, int]:
    """The present token of each tracer, by its map."""
    found = {}
    for map_id in bpf.map_ids():
        try:
            fd = syscalls.bpf(MAP_GET_FD_BY_ID, Id(map_id))
        except FileNotFoundError:
            continue  # freed since it was listed
        try:
            if bpf.map_info(fd).name == "canary":
                value = bpf.map_lookup(fd, bytes(4), struct.calcsize(CANARY))
                assert value is not None
                found[map_id] = struct.unpack(CANARY, value)[1]
        finally:
            os.close(fd)
    return found


def wait_for_canaries() -> None:
    """Wait until every tracer has made two more canary calls."""
    for _ in range(2):
        last = canary_tokens()
        wait_until(
            lambda last=last: not last.items() & canary_tokens().items(), "canaries of every tracer"
        )


@pytest.mark.suites("bookworm")
def test_canaries_are_no_events(tracing: Service, modes: tuple[str, ...]) -> None:
    """They give no row and no count in any probe, whichever tracer made them."""
    recording = Recording(tracing, modes)
    tracers = {tracer.pid for tracer in tracing.tracers()}
    assert len(canary_tokens()) >= len(tracers) == len(modes)
    wait_for_canaries()
    for mode, rows in recording.rows().items():
        assert not [row for row in rows if row["pid"] in tracers], mode
        assert not [row for row in rows if row["comm"].startswith("pd:")], mode
        assert tracing.probe(mode)["blind"] is None
    for pid in tracers:
        for mode in modes:
            tracing.change(mode, pid=pid)  # so that nothing else could be counted
        before = tracing.accounts(modes)
        wait_for_canaries()
        after = tracing.accounts(modes)
        for mode in modes:
            produced = change("counters", before[mode], after[mode])["produced"]
            assert produced == skipped_calls(before[mode], after[mode]), mode


@pytest.mark.suites("trixie-backports")
def test_canaries_are_in_no_cost(idle: Service, mode: str) -> None:
    if not kernel.in_test_machine():
        pytest.skip("only in the test machines does little else delete")
    costs = []
    for _ in range(3):  # something else may delete or rename once, but canaries come every time
        idle.start(mode)
        wait_for_canaries()
        costs.append(idle.probe(mode)["cost"])
        idle.stop(mode)
        if costs[-1] is None:
            return
    pytest.fail(f"canaries were measured: {costs}")


@pytest.mark.suites("bookworm")
def test_nobody_can_hide_behind_a_canary(
    tracing: Service, modes: tuple[str, ...], tmp_path: Path
) -> None:
    """Deletions by a process with a tracer's name are shown, whatever directory they name."""
    recording = Recording(tracing, modes)
    child = os.fork()
    if child == 0:
        try:
            Path("/proc/self/comm").write_text("pd:fentry")
            path = os.fsencode(tmp_path / "victim")
            for _ in range(3):
                os.close(os.open(path, os.O_CREAT | os.O_WRONLY))
                if LIBC.unlinkat(-14, path, 0) != 0:
                    os._exit(1)
            # Calls that fail, but not as canaries do.
            LIBC.unlinkat(-14, b"relative", 0)
            LIBC.unlinkat(0x7FFFFFFF, b"", 0)
            os._exit(0)
        finally:
            os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    for mode, rows in recording.rows().items():
        own = [row for row in rows if row["pid"] == child]
        shown = [row["filename"] for row in own if row["dfd"] == -14]
        assert shown == [str(tmp_path / "victim")] * 3 + ["relative"], mode
        if mode in EXIT_MODES:
            assert [row["errno"] for row in own][:4] == [None] * 3 + ["EBADF"]
        assert len(own) == 5, mode


def test_a_blind_probe_can_be_stopped(idle: Service) -> None:
    if not kernel.in_test_machine():
        pytest.skip("the kernel is silenced only in the test machines")
    idle.start("kprobe")
    with switched_off(KPROBES):
        wait_until(lambda: idle.probe("kprobe")["blind"], "kprobe to be blind")
        stopped = idle.stop("kprobe")
        assert (stopped["state"], stopped["blind"]) == ("stopped", None)
        assert stopped["ended"]["code"] == "requested"
