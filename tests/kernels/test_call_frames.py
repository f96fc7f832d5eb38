# SPDX-License-Identifier: Apache-2.0
"""Calls are paired with their own return: nested, blocked, of many threads, or without a return.

tests/support/frame_calls.py is the process that makes them.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import pytest

from app import ROOT
from tests.support import kernel
from tests.support.batches import Row, time_ns
from tests.support.child import Child
from tests.support.fixtures import skip
from tests.support.frame_calls import BLOCKED_BYTES, COMM, FAILS
from tests.support.service import Service

pytestmark = pytest.mark.suites("trixie")

SCRIPT = ROOT / "tests/support/frame_calls.py"
EXIT_MODES = ("fexit", "kretprobe")
THREADS, FILES = 8, 40
PASSERS = 17_000  # more than the calls that the programs have room for
KILLED = 20  # threads


class Calls(Child):
    """The process, with a folder of its own; `overlay_error` says why there is no overlayfs."""

    def __init__(self) -> None:
        self._folder = tempfile.mkdtemp(prefix="pd-frames-", dir="/dev/shm")
        super().__init__([sys.executable, "-I", "-S", "-B", str(SCRIPT), self._folder])
        self.overlay_error: str | None = self.answer()["overlay"]

    def close(self) -> None:
        super().close()
        shutil.rmtree(self._folder)


@pytest.fixture
def calls() -> Iterator[Calls]:
    folder = ["-d", "/run/vm/kernel"] if kernel.in_test_machine() else []
    subprocess.run(["modprobe", "-q", *folder, "overlay"], check=False)  # it may be built in
    with Calls() as process:
        yield process


class Probes:
    """Probes of a target, one for each mode, that see only the process."""

    def __init__(self, service: Service, modes: tuple[str, ...], **spec: Any) -> None:
        self._service = service
        self._names = {mode: f"frames-{mode}" for mode in modes}
        for mode, name in self._names.items():
            service.start(name, mode=mode, filter={"process": COMM.decode()}, **spec)
        self._cursor = service.cursor()

    def stop(self) -> tuple[dict[str, Any], dict[str, list[Row]]]:
        """Stop them; return what they were at the end, and their rows in order, by mode."""
        stopped = {mode: self._service.stop(name) for mode, name in self._names.items()}
        rows, _ = self._service.events_after(self._cursor)
        return stopped, {
            mode: [row for row in rows if row["probe"] == name]
            for mode, name in self._names.items()
        }


def exit_modes(modes: tuple[str, ...]) -> tuple[str, ...]:
    if not set(EXIT_MODES) <= set(modes):
        skip(f"this kernel does not allow {set(EXIT_MODES).difference(modes)}")
    return EXIT_MODES


def check_all_shown(stopped: dict[str, Any], rows: dict[str, list[Row]]) -> None:
    for mode, probe in stopped.items():
        assert set(probe["drops"].values()) == {0}, (mode, probe["drops"])
        assert probe["counters"]["produced"] == probe["counters"]["delivered"] == len(rows[mode])


def pairs_of(rows: list[Row]) -> list[tuple[Row, Row]]:
    """The two calls for each file: the outer one, which begins first, and the inner one."""
    by_name = defaultdict(list)
    for row in rows:
        by_name[row["tid"], row["name"]].append(row)
    pairs = []
    for found in by_name.values():
        assert len(found) == 2, found
        first, second = sorted(found, key=lambda row: time_ns(row["time"]))
        pairs.append((first, second))
    return pairs


def check_nested(outer: Row, inner: Row) -> None:
    begin, end = (time_ns(outer["time"]), time_ns(outer["time"]) + outer["latency_ns"])
    assert begin < time_ns(inner["time"])
    assert time_ns(inner["time"]) + inner["latency_ns"] < end
    assert 0 < inner["latency_ns"] < outer["latency_ns"]


def test_calls_nest(idle: Service, modes: tuple[str, ...], calls: Calls) -> None:
    """On overlayfs vfs_unlink calls itself for the layer below; many threads do so at once."""
    if calls.overlay_error:
        skip(f"no overlayfs: {calls.overlay_error}")
    probes = Probes(idle, exit_modes(modes), function="vfs_unlink", columns=["dentry as name"])
    deleted = calls.ask(f"delete {THREADS} {FILES}")
    failed = calls.ask("fail")
    stopped, shown = probes.stop()
    check_all_shown(stopped, shown)
    for mode, rows in shown.items():
        pairs = pairs_of(rows)
        assert len(pairs) == THREADS * FILES + 1, mode
        assert {row["tid"] for row in rows} == {*deleted["tids"], failed["tid"]}, mode
        for outer, inner in pairs:
            check_nested(outer, inner)
            result = -failed["errno"] if outer["name"] == FAILS else 0
            assert (outer["ret"], inner["ret"]) == (result, result), mode
    assert failed["errno"]


def test_a_killed_call_is_counted(idle: Service, modes: tuple[str, ...], calls: Calls) -> None:
    """A killed thread never returns from get_signal, in which it ends. Twice: nothing is kept."""
    if "kretprobe" not in modes:
        skip("this kernel does not allow kretprobe")
    for _ in range(2):
        probes = Probes(idle, ("kretprobe",), function="get_signal", columns=["ret"])
        calls.ask(f"die {KILLED}")
        stopped, shown = probes.stop()
        check_killed(stopped["kretprobe"], shown["kretprobe"], KILLED)
        idle.wait_until_gone_from_kernel()


def test_a_system_call_that_ends_its_thread_is_shown_at_entry(
    idle: Service, modes: tuple[str, ...], calls: Calls
) -> None:
    if "tracepoint" not in modes:
        skip("this kernel does not allow tracepoints")
    probes = Probes(idle, ("tracepoint",), syscall="exit", columns=["error_code"])
    calls.ask("delete 5 1")
    stopped, shown = probes.stop()
    rows, ended = shown["tracepoint"], stopped["tracepoint"]
    assert [row["error_code"] for row in rows] == [0] * 5
    assert not {"ret", "errno", "latency_ns"} & set(rows[0])
    assert ended["drops"]["missed_return"] == ended["drops"]["unfinished"] == 0
    assert ended["counters"]["produced"] == ended["counters"]["delivered"] == 5


def check_killed(stopped: dict[str, Any], rows: list[Row], count: int) -> None:
    assert rows == []
    assert stopped["drops"]["missed_return"] == count, stopped["drops"]
    assert stopped["drops"]["unfinished"] == 0
    assert stopped["counters"]["delivered"] == 0
    assert stopped["counters"]["produced"] == count


def test_a_blocked_call_outlasts_many_threads(
    idle: Service, modes: tuple[str, ...], calls: Calls
) -> None:
    """All calls are kept until they return, when the latency is tested."""
    probes = Probes(
        idle, exit_modes(modes), function="vfs_read", columns=["count"], where="latency>1s"
    )
    blocked = calls.ask(f"block {PASSERS}")
    stopped, shown = probes.stop()
    for mode, rows in shown.items():
        found = [row for row in rows if row["count"] == BLOCKED_BYTES]
        assert [row["tid"] for row in found] == [blocked["tid"]], mode
        assert found[0]["ret"] == 1
        assert blocked["least_ns"] <= found[0]["latency_ns"] <= blocked["most_ns"], mode
        drops = stopped[mode]["drops"]
        assert drops["stash_full"] == drops["missed_return"] == drops["ring_full"] == 0, drops
