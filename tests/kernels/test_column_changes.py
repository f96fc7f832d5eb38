# SPDX-License-Identifier: Apache-2.0
"""Other columns of a running probe: each call is shown once, with the old ones or the new ones."""

from __future__ import annotations

import itertools
import os
import signal
import threading
import time
from collections import Counter
from pathlib import Path

import pytest

from app.filters.kernel_filter import KernelFilter
from app.probes.spec import FUNCTION, SYSCALL, Filter, Target
from app.tracer.column_change import MAX_SETS
from app.tracer.plan_programs import PlanPrograms, PlanSet
from app.tracer.rings import Ring
from tests.support import kernel, told_skips
from tests.support.direct_probes import Plans
from tests.support.fixtures import skip
from tests.support.recording import check_ledger, skipped_calls
from tests.support.service import Service
from tests.support.waiting import PATIENCE_S, wait_until

COUNT = ("entry", 2)  # the third argument
COLUMNS = [["count", "ppid"], ["count"]]
PROBE, SWITCHES, THREADS = "other-columns", 8, 2
READ = {
    "tracepoint": Target(SYSCALL, "read"),
    **dict.fromkeys(("fentry", "fexit", "kprobe", "kretprobe"), Target(FUNCTION, "vfs_read")),
}


def read_numbered(place: int, done: threading.Event, counts: list[int]) -> None:
    """Read nothing, with each number as the size of one call only."""
    fd, number = os.open("/dev/null", os.O_RDONLY), 0
    while not done.wait(0.001):
        os.read(fd, 1_000_000 + number * THREADS + place)
        number += 1
    os.close(fd)
    counts[place] = number


class Caller:
    """Threads that call, each with numbers of its own. A context manager that ends them."""

    def __init__(self) -> None:
        self._done, self._counts = threading.Event(), [0] * THREADS
        self._threads = [
            threading.Thread(target=read_numbered, args=(place, self._done, self._counts))
            for place in range(THREADS)
        ]

    def __enter__(self) -> Caller:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        for thread in self._threads:
            thread.join()

    def calls(self) -> Counter[int]:
        """Return the numbers of all calls, once they are made."""
        return Counter(
            1_000_000 + number * THREADS + place
            for place in range(THREADS)
            for number in range(self._counts[place])
        )


class Rings:
    """What a set of programs has written: the numbers of calls."""

    def __init__(self, programs: PlanSet) -> None:
        ((name, (fd, size)),) = programs.rings().items()
        self._ring = Ring(fd, size, programs.slots[name])
        values = enumerate(programs.plan.values)
        self._place = next(place for place, read in values if (read.at, read.base) == COUNT)

    def take(self) -> Counter[int]:
        records, is_all = self._ring.peek(1 << 20)
        assert is_all
        found = Counter(
            int(each) for each in records["values"][:, self._place] if each >= 1_000_000
        )
        self._ring.release(len(records))
        return found


@pytest.fixture(scope="module")
def plans(cache: Path) -> Plans:
    return Plans(cache)


@pytest.mark.suites("bullseye")
@pytest.mark.parametrize("mode", READ)
def test_each_call_enters_one_set(mode: str, plans: Plans) -> None:
    if mode != "tracepoint" and not kernel.in_test_machine():
        skip("functions of a kernel that is in use are not touched")
    first, other = (plans.plan_columns(READ[mode], mode, tuple(each)) for each in COLUMNS)
    ours, nothing = Filter(pid=os.getpid()), KernelFilter()
    with PlanPrograms(first, plans.template(first.template), 1 << 20, nothing) as programs:
        rings = {programs.sets[0]: Rings(programs.sets[0])}
        shown: list[Counter[int]] = []
        programs.set_filter(ours)
        with Caller() as caller:
            for switch in range(1, SWITCHES + 1):
                loaded = programs.load((first, other)[switch % 2], nothing)
                rings[loaded] = Rings(loaded)
                programs.switch_to(loaded, ours)
                time.sleep(0.05)
                while retired := programs.retirable(MAX_SETS):
                    programs.cut(retired)
                    shown.append(rings.pop(retired).take())
                    programs.retire(retired)
        programs.set_filter(ours, enabled=False)
        programs.wait_for_returns(PATIENCE_S)
        programs.detach()
        shown.extend(each.take() for each in rings.values())
        found, calls, lost = sum(shown, Counter()), caller.calls(), sum(programs.drops().values())
        assert found - calls == Counter()  # none was shown twice
        # A kernel that preempts programs leaves calls out, and counts them, whoever makes them.
        assert sum((calls - found).values()) <= (lost if told_skips.applies() else 0)
        assert lost == 0 or told_skips.applies()
        assert len(shown) == SWITCHES + 1
        assert all(shown)  # calls entered each of them


@pytest.mark.suites("trixie-backports")
def test_each_call_is_shown_once(idle: Service) -> None:
    cursor = idle.cursor()
    idle.start(PROBE, syscall="read", columns=COLUMNS[0], filter={"pid": os.getpid()})
    with Caller() as caller:
        for switch in range(1, SWITCHES + 1):
            wanted = COLUMNS[switch % 2]
            probe = idle.expect(200, "PATCH", f"/probes/{PROBE}", {"columns": wanted})
            assert probe["expressions"] == wanted
    stopped = idle.stop(PROBE)
    rows, _ = idle.events_after(cursor)
    shown = Counter(row["count"] for row in rows if row["count"] >= 1_000_000)
    calls = caller.calls()
    assert shown - calls == Counter()  # none was shown twice
    assert sum((calls - shown).values()) <= skipped_calls(None, stopped)
    assert {"ppid" in row for row in rows} == {True, False}
    counters = stopped["counters"]
    check_ledger(counters)
    assert counters["delivered"] == len(rows)
    assert counters["dropped_pipe"] == 0
    wait_until(lambda: not idle.programs(), "no program is left")


@pytest.mark.suites("trixie")
def test_a_tracer_killed_at_a_change_leaves_nothing_uncounted(idle: Service) -> None:
    """Whichever programs its calls were in, what it did not send is counted as lost.

    It is killed at another moment of a change each time.
    """
    for delay_s in (0.0, 0.05, 0.1, 0.2):
        idle.start(PROBE, syscall="read", columns=["count"], filter={"pid": os.getpid()})
        cursor = idle.cursor()
        done, counts = threading.Event(), [0]
        reader = threading.Thread(target=read_numbered, args=(0, done, counts))
        reader.start()
        (tracer,) = idle.tracers()
        changes = threading.Thread(target=change_until_it_ends, args=(idle,))
        changes.start()
        time.sleep(delay_s)
        os.kill(tracer.pid, signal.SIGKILL)
        wait_until(lambda: idle.probe(PROBE)["state"] == "failed", "its end")
        done.set()
        reader.join()
        changes.join()
        ended = idle.probe(PROBE)
        check_ledger(ended["counters"])
        rows, _ = idle.events_after(cursor)
        shown = Counter(row["count"] for row in rows if row["count"] >= 1_000_000)
        assert set(shown.values()) <= {1}
        before = (max(shown, default=1_000_000) - 1_000_000) // THREADS
        assert ended["counters"]["produced"] >= before  # each of them is shown or counted
        assert ended["ended"]["code"] == "tracer_failed"
        assert "SIGKILL" in ended["ended"]["detail"]
        wait_until(lambda: not idle.programs(), "no program is left")
        idle.stop(PROBE)


def change_until_it_ends(service: Service) -> None:
    """Change the columns again and again, until a change is refused."""
    for switch in itertools.count():
        wanted = {"columns": COLUMNS[switch % 2]}
        if service.request("PATCH", f"/probes/{PROBE}", wanted).status != 200:
            return
