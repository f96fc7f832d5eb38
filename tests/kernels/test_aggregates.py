# SPDX-License-Identifier: Apache-2.0
"""What the kernel counts is what the rows of the same calls come to.

One probe shows each call of this process and another counts them, at the same time; the same is
then computed from the rows.
"""

from __future__ import annotations

import os
import signal
import threading
from collections import defaultdict
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from tests.support.batches import Row
from tests.support.fixtures import skip
from tests.support.service import Service
from tests.support.varied_calls import COMM, call_read, in_threads, open_files, read_files
from tests.support.waiting import wait_until

ALL, COUNTED = "counted-all", "counted"
OWN = f"comm={COMM}-*"
OPENAT: dict[str, Any] = {"mode": "tracepoint", "syscall": "openat"}
READ: dict[str, Any] = {"mode": "tracepoint", "syscall": "read"}
VFS_READ: dict[str, Any] = {"function": "vfs_read"}
DELETIONS: dict[str, Any] = {"preset": "deletions"}
MAX_TEXT_BYTES = 127  # of a text in a key
NAMES = ("a", "b" * 100, "./" * 30 + "c" * 200)

OPENS: list[dict[str, Any]] = [
    {},
    {"by": ["comm"]},
    {"by": "pid", "sum": "ret"},
    {"by": ["filename"], "max": "ret", "min": ["ret", "dfd"]},
    {"by": ["errno", "comm"], "avg": "ret", "sum": ["ret", "flags"], "max": "mode as bits"},
    {"by": ["dfd", "flags", "mode as bits"]},
    {"by": ["errno"], "histogram": {"of": "ret", "from": -30, "to": 10, "step": 7}},
    {"by": ["filename", "tid"], "histogram": "mode as bits"},
    {"histogram": "ret"},
]
READS: list[dict[str, Any]] = [
    {"by": ["fd"], "max": "count", "min": "count"},
    {"by": ["errno", "ret"], "sum": "count"},
    {"by": ["comm"], "histogram": "count"},
    {"histogram": {"of": "count", "from": 7, "to": 101, "step": 1}, "max": "ret"},
]
FILE_READS: list[dict[str, Any]] = [
    {"by": ["path(file) as file", "comm"], "sum": "count"},
    {"by": ["errno", "file->f_flags as flags"], "histogram": "ret"},
]
FILE_ENTRIES: list[dict[str, Any]] = [
    {"by": ["str(file->f_path.dentry->d_name.name) as name", "process", "uid"], "max": "count"},
    {"by": ["cpu"], "histogram": "count"},
]
REMOVALS: list[dict[str, Any]] = [
    {"by": ["filename", "comm"]},
    {"by": ["dfd", "uid", "tid"], "max": "dfd"},
]


def remove_files() -> None:
    """Deletions of names shorter and longer than a key has room for; the second one fails."""
    for name in NAMES:
        path = f"/dev/shm/{name}-{os.getpid()}"
        Path(path).touch()
        for _ in range(2):
            try:
                os.unlink(path)  # noqa: PTH108
            except FileNotFoundError:
                pass


def expressions(aggregate: dict[str, Any]) -> list[str]:
    """Return the columns that an aggregate names, and that a probe of rows does not always have."""
    found: list[str] = []
    for name in ("by", "sum", "min", "max", "avg"):
        given = aggregate.get(name, [])
        found += [given] if isinstance(given, str) else given
    histogram = aggregate.get("histogram", {"of": None})
    found.append(histogram if isinstance(histogram, str) else histogram["of"])
    return list(dict.fromkeys(each for each in found if each))


def name_of(expression: str) -> str:
    return expression.rpartition(" as ")[2]


def key_of(value: Any) -> Any:
    """Return a value as a key shows it."""
    if isinstance(value, str) and len(value) > MAX_TEXT_BYTES:
        return value[:MAX_TEXT_BYTES] + "…"
    return value


def bucket_of(number: int, histogram: dict[str, Any] | str) -> tuple[int | None, int | None]:
    if isinstance(histogram, dict):
        low, high, step = histogram["from"], histogram["to"], histogram["step"]
        count = -(-(high - low) // step)
        if number < low:
            return None, low - 1
        place = min((number - low) // step, count)
        begin = low + place * step
        return begin, None if place == count else begin + step - 1
    if number < 0:
        return None, -1
    if number == 0:
        return 0, 0
    power = number.bit_length() - 1
    return 1 << power, (2 << power) - 1


def computed(rows: list[Row], aggregate: dict[str, Any]) -> dict[Any, dict[str, Any]]:
    """Return, of each group or bucket of it, what the kernel should have counted."""
    by = [aggregate["by"]] if isinstance(aggregate.get("by"), str) else aggregate.get("by", [])
    groups: dict[Any, list[Row]] = defaultdict(list)
    for row in rows:
        key = [key_of(row[name_of(each)]) for each in by]
        if histogram := aggregate.get("histogram"):
            of = histogram if isinstance(histogram, str) else histogram["of"]
            key += bucket_of(row[name_of(of)], histogram)
        groups[tuple(key)].append(row)
    found = {}
    for key, members in groups.items():
        counts: dict[str, Any] = {"calls": len(members)}
        for kind in ("sum", "min", "max", "avg"):
            given = aggregate.get(kind, [])
            for each in [given] if isinstance(given, str) else given:
                numbers = [row[name_of(each)] for row in members]
                counts[f"{kind}_{name_of(each)}"] = {
                    "sum": lambda n: wrapped(sum(n), n),
                    "min": min,
                    "max": max,
                    "avg": lambda n: sum(n) // len(n),
                }[kind](numbers)
        found[tuple(key)] = counts
    return found


def wrapped(total: int, numbers: list[int]) -> int:
    """Return a sum of 64 bits, without a sign if no number has one."""
    return total % 2**64 if min(numbers) >= 0 else total


def shown(answer: dict[str, Any]) -> dict[Any, dict[str, Any]]:
    """Return the same of what the service answers."""
    found = {}
    for row in answer["rows"]:
        for bucket in row.pop("histogram", [None]):
            whole = row if bucket is None else {**row, **bucket}
            counts = {
                name: value
                for name, value in whole.items()
                if name == "calls" or name.partition("_")[0] in ("sum", "min", "max", "avg")
            }
            key = tuple(value for name, value in whole.items() if name not in counts)
            found[key] = counts
    return found


def count(
    service: Service,
    target: dict[str, Any],
    aggregate: dict[str, Any],
    body: Callable[[], object],
) -> None:
    """Run calls with both probes, and compare."""
    always = {"comm", "pid", "tid", "uid", "process", "ret", "errno", "latency_ns"}
    columns = [each for each in expressions(aggregate) if each not in always]
    given = {} if "preset" in target else {"columns": columns}
    filters = {"filter": {"pid": os.getpid()}, "where": OWN}
    service.start(ALL, **target, **given, **filters)
    service.start(COUNTED, **target, aggregate=aggregate, **filters)
    cursor = service.cursor()
    body()
    rows = rows_shown(service, cursor)
    answer = wait_for(service, len(rows))
    assert rows
    assert answer["ungrouped"] == 0
    assert shown(answer) == computed(rows, aggregate)
    stop(service)


def rows_shown(service: Service, cursor: str) -> list[Row]:
    """Return the rows of all calls so far: the probe has stopped, so none can come."""
    assert service.stop(ALL)["counters"]["dropped_kernel"] == 0
    rows, _ = service.events_after(cursor)
    return [row for row in rows if row["probe"] == ALL]


def wait_for(service: Service, calls: int) -> dict[str, Any]:
    """Return the answer once it has so many calls; it never has more."""
    found: list[Any] = []

    def has_all() -> bool:
        found.append(service.expect(200, "GET", f"/probes/{COUNTED}/aggregate"))
        total: int = found[-1]["calls"] + found[-1]["ungrouped"]
        assert total <= calls
        return total == calls

    wait_until(has_all, f"{calls} calls to be counted")
    answer: dict[str, Any] = found[-1]
    assert answer["groups"] >= len(answer["rows"])
    return answer


def stop(service: Service) -> None:
    assert service.stop(COUNTED)["counters"]["dropped_kernel"] == 0


def allowed(modes: tuple[str, ...], target: dict[str, Any]) -> None:
    if target["mode"] not in modes:
        skip(f"this kernel does not allow {target['mode']}")


@pytest.mark.suites()  # in `./test long`, and on this machine
@pytest.mark.parametrize("aggregate", OPENS, ids=str)
def test_opens(idle: Service, modes: tuple[str, ...], aggregate: dict[str, Any]) -> None:
    allowed(modes, OPENAT)
    count(idle, OPENAT, aggregate, lambda: in_threads(open_files))


@pytest.mark.suites()
@pytest.mark.parametrize("aggregate", READS, ids=str)
def test_reads(idle: Service, modes: tuple[str, ...], aggregate: dict[str, Any]) -> None:
    allowed(modes, READ)
    count(idle, READ, aggregate, lambda: in_threads(read_files))


@pytest.mark.suites()
@pytest.mark.parametrize(
    ("mode", "aggregate"),
    [
        *product(("fexit", "kretprobe"), FILE_READS),
        *product(("fentry", "kprobe"), FILE_ENTRIES),
    ],
    ids=str,
)
def test_function(
    idle: Service, modes: tuple[str, ...], mode: str, aggregate: dict[str, Any]
) -> None:
    target = {"mode": mode, **VFS_READ}
    allowed(modes, target)
    count(idle, target, aggregate, lambda: in_threads(read_files))


@pytest.mark.suites()
@pytest.mark.parametrize("aggregate", REMOVALS, ids=str)
def test_deletions(idle: Service, mode: str, aggregate: dict[str, Any]) -> None:
    count(idle, {"mode": mode, **DELETIONS}, aggregate, lambda: in_threads(remove_files))


def on_all_processors(rounds: int) -> None:
    """Read in as many threads as there are processors, each on one of its own."""

    def run(place: int, processor: int) -> None:
        os.sched_setaffinity(0, {processor})
        Path(f"/proc/self/task/{threading.get_native_id()}/comm").write_text(f"{COMM}-{place}")
        for number in range(rounds):
            call_read(-1, None, number % 7)

    threads = [
        threading.Thread(target=run, args=each)
        for each in enumerate(sorted(os.sched_getaffinity(0)))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_on_all_processors_at_once(idle: Service, modes: tuple[str, ...]) -> None:
    """On every kernel. Groups of all processors are put together, and nothing is lost."""
    allowed(modes, READ)
    aggregate = {"by": ["count"], "sum": "fd", "histogram": "ret"}
    count(idle, READ, aggregate, lambda: on_all_processors(300))


@pytest.mark.suites()
def test_what_has_no_room_is_counted(idle: Service, modes: tuple[str, ...]) -> None:
    allowed(modes, READ)
    calls = 50

    def body() -> None:
        for number in range(calls):
            call_read(-1, None, number)

    idle.start(
        COUNTED,
        **READ,
        aggregate={"by": ["count"], "groups": 8},
        filter={"pid": os.getpid()},
        where=OWN,
    )
    in_threads(body)
    answer = wait_for(idle, 2 * calls)
    assert answer["ungrouped"] > 0
    assert answer["groups"] <= 8 * (os.cpu_count() or 1)
    assert answer["calls"] == sum(row["calls"] for row in answer["rows"])
    stop(idle)


@pytest.mark.suites()
def test_only_the_top_is_shown(idle: Service, modes: tuple[str, ...]) -> None:
    allowed(modes, READ)

    def body() -> None:
        for number in range(10):
            for _ in range(number):
                call_read(-1, None, number)

    aggregate = {"by": ["count"], "top": 3}
    idle.start(COUNTED, **READ, aggregate=aggregate, filter={"pid": os.getpid()}, where=OWN)
    in_threads(body)
    answer = wait_for(idle, 90)
    assert answer["groups"] == 9
    assert answer["rows"] == [{"count": n, "calls": 2 * n} for n in (9, 8, 7)]
    stop(idle)


def test_a_change_of_the_filter_holds_for_what_is_counted(
    idle: Service, modes: tuple[str, ...]
) -> None:
    allowed(modes, READ)
    idle.start(
        COUNTED,
        **READ,
        aggregate={"by": ["comm", "count"]},
        filter={"pid": os.getpid()},
        where=f"comm={COMM}-a",
    )

    def body() -> None:
        for _ in range(10):
            call_read(-1, None, 1)

    in_threads(body)
    idle.expect(200, "PATCH", f"/probes/{COUNTED}", {"where": f"comm={COMM}-b count=1"})
    in_threads(body)
    idle.expect(200, "PATCH", f"/probes/{COUNTED}", {"where": f"comm={COMM}-b count=2"})
    in_threads(body)
    answer = wait_for(idle, 20)
    assert {row["comm"]: row["calls"] for row in answer["rows"]} == {
        f"{COMM}-a": 10,
        f"{COMM}-b": 10,
    }
    stop(idle)


@pytest.mark.suites()
def test_what_the_kernel_cannot_test_is_refused(idle: Service, modes: tuple[str, ...]) -> None:
    allowed(modes, OPENAT)
    spec = {**OPENAT, "aggregate": {"by": ["comm"]}}
    for text in ("filename~x", "nothing"):
        problem = idle.expect(422, "POST", f"/probes/{COUNTED}", {**spec, "where": text})
        assert problem["errors"][0]["field"] == "where"
    idle.start(COUNTED, **spec)
    for body, field in (({"where": "filename~x"}, "where"), ({"columns": ["ret"]}, "columns")):
        problem = idle.expect(422, "PATCH", f"/probes/{COUNTED}", body)
        assert problem["errors"][0]["field"] == field
    stop(idle)


@pytest.mark.suites("bookworm")
def test_counts_of_a_killed_tracer_are_not_lost(idle: Service, modes: tuple[str, ...]) -> None:
    """What it counted after its last snapshot is in the kernel only."""
    allowed(modes, READ)
    filters = {"filter": {"pid": os.getpid()}, "where": OWN}
    idle.start(COUNTED, **READ, aggregate={"by": ["count"]}, **filters)
    (tracer,) = idle.tracers()
    os.kill(tracer.pid, signal.SIGSTOP)  # it can send no more
    in_threads(lambda: on_all_processors(50))
    calls = 2 * 50 * len(os.sched_getaffinity(0))
    os.kill(tracer.pid, signal.SIGKILL)
    answer = wait_for(idle, calls)
    assert sum(row["calls"] for row in answer["rows"]) == calls
    assert idle.probe(COUNTED)["state"] == "failed"
    idle.request("DELETE", f"/probes/{COUNTED}")
    assert idle.expect(200, "GET", f"/probes/{COUNTED}/aggregate")["calls"] == calls
