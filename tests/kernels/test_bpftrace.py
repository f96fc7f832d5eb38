# SPDX-License-Identifier: Apache-2.0
"""bpftrace's one-liners and our probes, at the same time: the same calls, with the same values.

Both trace one run of a workload that says which calls it made, so three accounts are compared.
bpftrace is Debian's. Its programs are joined into one, as each start takes long in emulation.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import pytest

from benchmarks.bpftrace import Bpftrace
from tests.support.any_calls import any_calls
from tests.support.any_workload import COMPARED_BYTES, PROGRAM
from tests.support.batches import Row
from tests.support.fixtures import skip
from tests.support.recording import skipped_calls
from tests.support.service import Service
from tests.support.varied_calls import COMM, WRITING_CALLS, in_threads, read_files, write_files
from tests.support.waiting import wait_until

pytestmark = pytest.mark.suites("bookworm", "trixie")


@dataclass(frozen=True)
class Pair:
    """A probe of ours, and bpftrace's program that prints the same columns.

    The program's lines begin with the pair's `label`, and end with a text if there is one.
    `fact` is what the workload calls its calls.
    """

    label: str
    spec: dict[str, Any]
    columns: tuple[str, ...]
    program: str
    fact: str

    @property
    def probe(self) -> str:
        return f"same-{self.label}"

    def ours(self, row: Row) -> tuple[str, ...]:
        return tuple(str(row[name]) for name in self.columns)

    def theirs(self, line: str) -> tuple[str, ...]:
        return tuple(line.split(" ", len(self.columns) - 1))

    def facts(self, facts: dict[str, Any]) -> list[tuple[str, ...]]:
        return [
            tuple(map(str, each)) if isinstance(each, list) else (each,)
            for each in facts[self.fact]
        ]


READS = Pair(
    "read",
    {
        "mode": "fexit",
        "function": "vfs_read",
        "columns": ["count"],
        "where": f"count>={COMPARED_BYTES}",
    },
    ("count", "ret"),
    f"kretfunc:vfs_read /pid == $PID && args->count >= {COMPARED_BYTES}/"
    r' { printf("read %lld %lld\n", args->count, retval); }',
    "reads",
)
UNLINKS = Pair(
    "unlink",
    {
        "mode": "fentry",
        "function": "vfs_unlink",
        "columns": ["str(dentry->d_name.name, 120) as name"],
    },
    ("name",),
    r'kfunc:vfs_unlink /pid == $PID/ { printf("unlink %s\n", str(args->dentry->d_name.name)); }',
    "unlinked",
)
OPENS = Pair(
    "open",
    {"mode": "tracepoint", "syscall": "openat", "columns": ["filename"]},
    ("ret", "filename"),
    "tracepoint:syscalls:sys_enter_openat /pid == $PID/ { @name[tid] = args->filename; }\n"
    "tracepoint:syscalls:sys_exit_openat /@name[tid]/"
    r' { printf("open %lld %s\n", args->ret, str(@name[tid])); delete(@name[tid]); }',
    "opened",
)
STARTS = Pair(
    "start",
    {
        "mode": "tracepoint",
        "tracepoint": "sched:sched_process_exec",
        "columns": ["filename"],
        "where": f"filename={PROGRAM}",
    },
    ("pid", "filename"),
    f'tracepoint:sched:sched_process_exec /str(args->filename) == "{PROGRAM}"/'
    r' { printf("start %d %s\n", pid, str(args->filename)); }',
    "started",
)
CONNECTS = Pair(
    "connect",
    {
        "mode": "kprobe",
        "function": "tcp_connect",
        "columns": [
            "sk->__sk_common.skc_num as sport",
            "sk->__sk_common.skc_dport as dport",
        ],
    },
    ("sport", "dport"),
    r'kprobe:tcp_connect /pid == $PID/ { printf("connect %d %d\n",'
    " ((struct sock *)arg0)->__sk_common.skc_num,"
    " ((struct sock *)arg0)->__sk_common.skc_dport); }",
    "connected",
)
PAIRS = (READS, UNLINKS, OPENS, STARTS, CONNECTS)
LABELS = tuple(f"{pair.label} " for pair in PAIRS)


@dataclass(frozen=True)
class Accounts:
    """What the workload did, and what each tracer says of it."""

    facts: dict[str, Any]
    ours: dict[str, list[Row]]
    stopped: dict[str, Any]
    theirs: list[str]


@pytest.fixture(scope="module")
def accounts(session_service: Service, modes: tuple[str, ...]) -> Accounts:
    """Run the workload with bpftrace and all probes attached whose modes this kernel allows."""
    service, pairs = session_service, [pair for pair in PAIRS if pair.spec["mode"] in modes]
    program = "\n".join([r'BEGIN { printf("attached\n"); }', *(pair.program for pair in pairs)])
    with any_calls() as calls:
        mine = {"pid": calls.pid}
        with Bpftrace("text", program.replace("$PID", str(calls.pid)), 120) as bpftrace:
            with ThreadPoolExecutor(len(PAIRS)) as pool:
                started = [
                    pool.submit(
                        service.start,
                        pair.probe,
                        **pair.spec,
                        filter=None if pair is STARTS else mine,  # its processes are children
                    )
                    for pair in pairs
                ]
                for each in started:
                    each.result()
            cursor = service.cursor()
            facts = calls.run("compared")
            count = sum(len(pair.facts(facts)) for pair in pairs)

            def has_printed() -> bool:
                said = bpftrace.said().splitlines()
                lines = [line for line in said if line.startswith(LABELS)]
                return len(lines) >= count or any(line.startswith("Lost ") for line in said)

            # Its end may come before it has read all events.
            wait_until(has_printed, f"{count} lines of bpftrace")
            bpftrace.stop()
            theirs = bpftrace.said().splitlines()
        stopped = {pair.probe: service.stop(pair.probe) for pair in pairs}
        rows, _ = service.events_after(cursor)
    ours = {pair.probe: [row for row in rows if row["probe"] == pair.probe] for pair in PAIRS}
    return Accounts(facts, ours, stopped, theirs)


@pytest.mark.parametrize("pair", [pytest.param(pair, id=pair.label) for pair in PAIRS])
def test_the_same_calls_with_the_same_values(
    pair: Pair, modes: tuple[str, ...], accounts: Accounts
) -> None:
    if pair.spec["mode"] not in modes:
        skip(f"this kernel does not allow {pair.spec['mode']}")
    made = Counter(pair.facts(accounts.facts))
    assert not [line for line in accounts.theirs if line.startswith("Lost ")]
    lines = [line for line in accounts.theirs if line.startswith(f"{pair.label} ")]
    theirs = Counter(pair.theirs(line.removeprefix(f"{pair.label} ")) for line in lines)
    ours = Counter(map(pair.ours, accounts.ours[pair.probe]))
    assert theirs == made, accounts.theirs[:5]
    # Where Linux preempts programs, it counts what it did not show.
    missing = made - ours
    assert ours - made == Counter()
    assert missing.total() <= skipped_calls(None, accounts.stopped[pair.probe])


def counted_by_bpftrace(said: str) -> dict[str, Any]:
    """Return its maps by name; of a histogram, the buckets of each key."""
    maps: dict[str, Any] = {}
    for line in said.splitlines():
        if line.startswith("{"):
            printed = json.loads(line)
            if printed["type"] in ("map", "hist"):
                maps |= printed["data"]
    return maps


def test_the_same_counts(idle: Service, modes: tuple[str, ...]) -> None:
    """`@[comm] = count()`, `hist()` and a count for each of several functions."""
    if not {"fexit", "kprobe"} <= set(modes):
        skip("this kernel does not allow fexit and kprobe")
    pid = os.getpid()
    functions = ", ".join(f"kprobe:{name}" for name in WRITING_CALLS)
    program = f"""
        BEGIN {{ printf("attached\\n"); }}
        kretfunc:vfs_read /pid == {pid}/ {{
            @calls[comm] = count(); @sizes[comm] = hist(args->count);
        }}
        {functions} /pid == {pid}/ {{ @functions[comm, func] = count(); }}
    """
    mine = {"filter": {"pid": pid}, "where": f"comm={COMM}-*"}
    reads = {"mode": "fexit", "function": "vfs_read"}
    with Bpftrace("json", program) as bpftrace:
        idle.start("same-calls", **reads, aggregate={"by": ["comm"]}, **mine)
        idle.start("same-sizes", **reads, aggregate={"by": ["comm"], "histogram": "count"}, **mine)
        several = {"mode": "kprobe", "functions": ", ".join(WRITING_CALLS)}
        by = {"by": ["comm", "function"]}
        idle.start("same-functions", **several, aggregate=by, **mine)
        in_threads(lambda: (read_files(), write_files()))
        bpftrace.stop()
        theirs = counted_by_bpftrace(bpftrace.said())
    ours = {}
    for name in ("same-calls", "same-sizes", "same-functions"):
        skipped = skipped_calls(None, idle.stop(name))
        assert skipped == 0
        ours[name] = idle.expect(200, "GET", f"/probes/{name}/aggregate")["rows"]
    own = [f"{COMM}-{letter}" for letter in "ab"]
    assert {row["comm"]: row["calls"] for row in ours["same-calls"]} == {
        comm: theirs["@calls"][comm] for comm in own
    }
    assert {f"{row['comm']},{row['function']}": row["calls"] for row in ours["same-functions"]} == {
        key: calls for key, calls in theirs["@functions"].items() if key.startswith(COMM)
    }
    for row in ours["same-sizes"]:
        buckets = {each["from"]: each["calls"] for each in row["histogram"]}
        found = theirs["@sizes"][row["comm"]]
        assert buckets == {each["min"]: each["count"] for each in found if each["count"]}
