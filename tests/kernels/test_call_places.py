# SPDX-License-Identifier: Apache-2.0
"""Where a call is remembered until its return (bpf/call_entries.c), read and brought about in the
programs' maps, without the service.

Traced is `pread64`, which each kernel allows; the number of bytes asked for tells calls apart.
"""

from __future__ import annotations

import os
import struct
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.columns.plan import ENTRY
from app.columns.trace_target import SYSCALL
from app.filters.kernel_filter import HEAD_BYTES, VALUES, KernelFilter, NumberTest
from app.probes.spec import Filter, Target
from app.tracer.loader import LoadedMap
from app.tracer.plan_programs import PlanPrograms
from app.tracer.rings import Ring
from tests.support.direct_probes import Plans
from tests.support.waiting import wait_until

pytestmark = pytest.mark.suites()  # in `./test long`, and on this machine

PLACES, TRIES = 16_384, 32  # CALLS_ENTRIES and CALLS_TRIES
FIRST = 1_000_000  # counts that only this test asks for
FRAME = 8  # offset in struct call
IN_CALL = 1  # ONLY_FRAME of bpf/template/any_syscall.c
COUNT = 2  # the argument


class Traced:
    """Programs that trace this process's `pread64`."""

    def __init__(self, programs: PlanPrograms) -> None:
        self.programs = programs
        self._set = programs.sets[0]
        ((name, (fd, size)),) = self._set.rings().items()
        self._ring = Ring(fd, size, self._set.slots[name])
        values = enumerate(self._set.plan.values)
        self.value = next(at for at, read in values if (read.at, read.base) == (ENTRY, COUNT))
        programs.set_filter(Filter(pid=os.getpid()))

    def map(self, name: str) -> LoadedMap:
        return self._set._object.maps[name]

    def used(self) -> int:
        """Return how many entries are in use."""
        return int(struct.unpack("=Q", self.map("calls_used").get(bytes(4)))[0])

    def claim(self, places: Iterator[int]) -> None:
        """Have others claim places."""
        claims = self.map("call_places")
        for place in places:
            claims.set(struct.pack("=Q", place), bytes(8))

    def shown(self) -> list[int]:
        """Return the numbers of bytes asked for in new records, from FIRST on."""
        records, is_all = self._ring.peek(1 << 20)
        assert is_all
        counts = [int(each) for each in records["values"][:, self.value]]
        self._ring.release(len(records))
        return [count for count in counts if count >= FIRST]

    def lost(self) -> dict[str, int]:
        return {cause: count for cause, count in self.programs.drops().items() if count}


@pytest.fixture(scope="module")
def plans(cache: Path) -> Plans:
    return Plans(cache)


@pytest.fixture
def traced(plans: Plans) -> Iterator[Traced]:
    plan = plans.plan_columns(Target(SYSCALL, "pread64"), "tracepoint", ("count", "ret"))
    with PlanPrograms(plan, plans.template(plan.template), 1 << 20, KernelFilter()) as programs:
        yield Traced(programs)


def read(count: int) -> None:
    with open("/dev/null", "rb", buffering=0) as file:  # noqa: PTH123 - as plain as can be
        assert os.pread(file.fileno(), count, 0) == b""


def read_in_thread(counts: list[int]) -> None:
    thread = threading.Thread(target=lambda: [read(count) for count in counts])
    thread.start()
    thread.join()


def test_an_entry_is_elsewhere_if_its_place_is_taken(traced: Traced) -> None:
    traced.claim(place for place in range(PLACES) if place % TRIES)
    counts = list(range(FIRST, FIRST + 40))
    for at in range(0, len(counts), 2):
        read_in_thread(counts[at : at + 2])
    wait_until(lambda: traced.used() == 0, "the threads' entries to be removed")
    assert traced.shown() == counts
    assert traced.lost() == {}
    free = traced.map("call_places")
    for place in range(0, PLACES, TRIES):
        with pytest.raises(ValueError, match="no value"):
            free.get(struct.pack("=Q", place))


def test_without_a_place_calls_are_counted(traced: Traced) -> None:
    traced.claim(iter(range(PLACES)))
    for count in range(FIRST, FIRST + 5):
        read(count)
    traced.programs.set_filter(Filter(), enabled=False)
    assert traced.shown() == []
    assert list(traced.lost()) == ["stash_full"]
    assert traced.lost()["stash_full"] >= 5  # other threads of this process may read
    assert traced.used() == 0


def test_a_refused_call_does_not_end_one_whose_return_was_missed(traced: Traced) -> None:
    only = NumberTest(VALUES, HEAD_BYTES + 8 * traced.value, 0, 0, False, FIRST, FIRST)
    traced.programs.set_where(KernelFilter((only,), ((1, 1),)))
    read(FIRST)
    assert traced.shown() == [FIRST]
    calls, key = traced.map("calls"), None
    for place in range(PLACES):
        key = struct.pack("=I", place)
        entry = bytearray(calls.get(key))
        if any(entry[:8]):
            break
    assert key
    struct.pack_into("=Q", entry, FRAME, IN_CALL)  # as a return leaves it that no program sees
    calls.set(key, bytes(entry))
    read(FIRST + 1)
    assert traced.shown() == []
    assert traced.lost() == {"missed_return": 1}
