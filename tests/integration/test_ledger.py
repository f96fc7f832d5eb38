# SPDX-License-Identifier: Apache-2.0
"""The ledger of the real service under random starts, stops, kills, filters and clients.

A hypothesis state machine: it knows how many calls it made, and what each client received. Each
row that a probe produced was delivered to each client, or the client was told that it is missing.
"""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test

from app.probes.run_end import signal_name
from tests.support.client import Ndjson, Stream, Websocket
from tests.support.figures import figure
from tests.support.recording import check_ledger
from tests.support.service import Service, running_service
from tests.support.waiting import wait_until

NAME_BYTES = 210
MOST_CLIENTS = 6
EXAMPLES, STEPS = 12, 25


def call(calls: int, name_bytes: int = NAME_BYTES) -> None:
    """Delete a missing file this many times, in this thread."""
    name = "/nonesuch/".ljust(name_bytes, "n")
    for _ in range(calls):
        try:
            os.unlink(name)  # noqa: PTH108  exactly one call
        except FileNotFoundError:
            pass
        except OSError as error:
            assert error.errno == errno.ENAMETOOLONG


@dataclass(eq=False)
class Client:
    """A stream, owed the rows of ended runs and those of the present run from row `since` on."""

    stream: Stream
    since: int
    of_ended_runs: int = 0
    reads: bool = True

    def received(self, mode: str) -> int:
        return len(self.stream.rows) + self.stream.gaps(mode)


class Ledger(RuleBasedStateMachine):
    service: Service
    mode: str
    figures: ClassVar = {"calls": 0, "runs": 0, "kills": 0, "clients": 0}

    def __init__(self) -> None:
        super().__init__()
        self.clients: list[Client] = []
        self.running = False
        self.passing = True
        self.made = 0

    def teardown(self) -> None:
        if self.running:
            self.stop()
        for client in list(self.clients):
            self.leave(client)

    # --- The probe ---

    @precondition(lambda self: not self.running)
    @rule()
    def start(self) -> None:
        self.service.start(self.mode, filter={"pid": os.getpid()})
        self.running, self.passing, self.made = True, True, 0
        self.figures["runs"] += 1
        for client in self.clients:
            client.since = 0

    @precondition(lambda self: self.running)
    @rule()
    def stop(self) -> None:
        """Exact: the calls made while the filter let them through, and nothing else."""
        counters = self.service.stop(self.mode)["counters"]
        check_ledger(counters)
        assert counters["produced"] == self.made
        self.end_run(counters)

    @precondition(lambda self: self.running)
    @rule(stopped=st.sampled_from([None, 0, 1, 3000]))
    def kill(self, stopped: int | None) -> None:
        """Exact too: the service counts what its rings and its pipe held.

        It may have been stopped before, with this many calls unread.
        """
        (tracer,) = self.service.tracers()
        if stopped is not None:
            os.kill(tracer.pid, signal.SIGSTOP)
            self.call(stopped)
        os.kill(tracer.pid, signal.SIGKILL)
        self.figures["kills"] += 1
        wait_until(lambda: self.service.probe(self.mode)["state"] == "failed", "its failure")
        counters = self.service.probe(self.mode)["counters"]
        check_ledger(counters)
        assert counters["produced"] == self.made
        self.end_run(counters)

    def end_run(self, counters: dict[str, int]) -> None:
        self.running = False
        for client in self.clients:
            client.of_ended_runs += counters["produced"] - client.since
            client.since = 0
        self.check_clients()

    @precondition(lambda self: self.running)
    @rule(passing=st.booleans())
    def change_filter(self, passing: bool) -> None:
        comm = None if passing else "nobody"
        self.service.change(self.mode, pid=os.getpid(), comm=comm)
        self.passing = passing

    @rule(calls=st.sampled_from([1, 10, 1000, 5000]))
    def call(self, calls: int) -> None:
        call(calls)
        self.figures["calls"] += calls
        if self.running and self.passing:
            self.made += calls

    # --- The clients ---

    @precondition(lambda self: len(self.clients) < MOST_CLIENTS)
    @rule(kind=st.sampled_from([Websocket, Ndjson]), reads=st.booleans())
    def come(self, kind: type[Websocket] | type[Ndjson], reads: bool) -> None:
        since = self.settled() if self.running else 0
        stream = kind(self.service.port, "?recent=0", receive_buffer_bytes=None if reads else 4096)
        if not reads:
            stream.pause()
        stream.__enter__()
        self.figures["clients"] += 1
        self.clients.append(Client(stream, since, reads=reads))

    @precondition(lambda self: any(not client.reads for client in self.clients))
    @rule()
    def read_again(self) -> None:
        for client in self.clients:
            client.reads = True
            client.stream.resume()

    @precondition(lambda self: self.clients)
    @rule(data=st.data())
    def go(self, data: st.DataObject) -> None:
        self.leave(self.clients[data.draw(st.integers(0, len(self.clients) - 1))])

    def leave(self, client: Client) -> None:
        self.clients.remove(client)
        client.stream.__exit__(None, None, None)

    # --- The ledger ---

    @precondition(lambda self: self.running)
    @rule()
    def look(self) -> None:
        """While it runs: every client's own ledger is balanced too."""
        self.settled()
        probe = self.service.probe(self.mode)
        for ledger in (probe, *probe["clients"]):
            check_ledger(ledger["counters"])
        self.check_clients(probe["counters"]["produced"])

    def settled(self) -> int:
        """The rows of this run, once all calls that were made are accounted for."""
        wait_until(
            lambda: self.service.change(self.mode)["counters"]["produced"] == self.made,
            f"{self.made} rows to be accounted for",
        )
        return self.made

    def check_clients(self, produced: int = 0) -> None:
        for client in self.clients:
            # A client that reads nothing may be dropped, with notice.
            if client.reads and not client.stream.ended:
                due = client.of_ended_runs + produced - client.since
                wait_until(
                    lambda client=client, due=due: (
                        client.received(self.mode) >= due or client.stream.ended
                    ),
                    f"{due} rows, got or told as missing",
                )
                assert client.stream.ended or client.received(self.mode) == due


@pytest.fixture
def bookkeeper(
    tmp_path: Path, cache: Path, modes: tuple[str, ...]
) -> Iterator[tuple[Service, dict[str, Any]]]:
    """A service with short queues, so that slow clients lose rows."""
    options = ("--client-queue-mib", "1", "--recent-mib", "2", "--ring-mib", "1")
    with running_service(tmp_path, cache, *options) as service:
        Ledger.service, Ledger.mode = service, modes[-1]
        yield service, Ledger.figures


def test_every_row_is_delivered_or_told_to_be_missing(
    bookkeeper: tuple[Service, dict[str, Any]],
) -> None:
    run_state_machine_as_test(  # type: ignore[no-untyped-call]
        Ledger,
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=STEPS,
            deadline=None,
            derandomize=True,
            suppress_health_check=list(HealthCheck),
        ),
    )
    told = ", ".join(f"{count} {name}" for name, count in bookkeeper[1].items())
    figure("ledger exact to the row over", told)


# --- However a tracer ends ---

# Short, medium, large and long names each have a ring of their own; the kernel takes 4,095 bytes.
NAMES = st.sampled_from([1, 64, 65, 256, 257, 1024, 1025, 4095, 4200])
CALLS = st.tuples(st.sampled_from([0, 1, 7, 400, 4000]), NAMES)


@pytest.fixture(scope="module")
def mortal(
    tmp_path_factory: pytest.TempPathFactory, cache: Path, modes: tuple[str, ...]
) -> Iterator[Service]:
    """A service that waits only briefly for a tracer to stop."""
    options = ("--stop-timeout-s", "4", "--ring-mib", "1")
    with running_service(tmp_path_factory.mktemp("mortal"), cache, *options) as service:
        yield service


def settled(service: Service, mode: str, state: str) -> dict[str, Any]:
    """Wait until the probe is in this state; return it."""

    def look() -> dict[str, Any] | None:
        probe: dict[str, Any] = service.probe(mode)
        return probe if probe["state"] == state else None

    return wait_until(look, f"{mode} to be {state}")


def numbered(stream: Stream, mode: str) -> int:
    """Return the number of rows that a client of this mode got or was told that it lost."""
    return len(stream.rows) + stream.gaps(mode)


def gap_times(stream: Stream, where: str) -> list[tuple[str, str]]:
    return [
        (message["from"], message["to"])
        for message in list(stream.controls)
        if message["type"] == "gap" and message["where"] == where
    ]


def check_death(
    service: Service,
    mode: str,
    running: list[tuple[int, int]],
    stopped: list[tuple[int, int]] | None,
    delay_s: float,
    *,
    by_stop: bool = False,
) -> None:
    """Calls while it runs, while it is stopped, and at its end are all counted."""
    with service.ndjson("?recent=0") as lines, service.websocket("?recent=0") as viewer:
        cursor = service.cursor()
        service.start(mode, filter={"pid": os.getpid()})
        (tracer,) = service.tracers()
        made = sum(calls for calls, _ in running)
        for calls, name_bytes in running:
            call(calls, name_bytes)
        time.sleep(delay_s)  # it ends at another moment of its round; nothing waits for it
        if stopped is not None:
            os.kill(tracer.pid, signal.SIGSTOP)
            made += sum(calls for calls, _ in stopped)
            for calls, name_bytes in stopped:
                call(calls, name_bytes)
        if by_stop:
            answer = service.request("DELETE", f"/probes/{mode}")
            assert (answer.status, answer.json["code"]) == (504, "stop_timeout")
        else:
            os.kill(tracer.pid, signal.SIGKILL)
        probe = settled(service, mode, "failed")
        assert probe["ended"]["code"] == ("stop_timeout" if by_stop else "tracer_failed")
        check_ledger(probe["counters"])
        assert probe["counters"]["produced"] == made
        assert sum(probe["drops"].values()) == probe["counters"]["dropped_kernel"]
        for stream in (lines, viewer):
            stream.wait(lambda stream=stream: numbered(stream, mode) >= made, f"all {made} rows")
            assert numbered(stream, mode) == made
        told = service.expect(200, "GET", f"/events?limit=10000&after={cursor}")
        gaps = sum(gap["rows"] or 0 for gap in told["gaps"])
        assert len(told["events"]) + gaps == made or len(told["events"]) == 10_000
        # The gap follows the rows that came, and the state follows both.
        lines.wait(lambda: lines.controls[-1].get("state") == "failed", "its failure")
    service.wait_until_gone_from_kernel()


@settings(
    max_examples=25,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)
@given(
    running=st.lists(CALLS, max_size=3),
    stopped=st.none() | st.lists(CALLS, min_size=1, max_size=3),
    delay_s=st.floats(0, 0.06),
)
@example(running=[(4000, 64)], stopped=[(4000, 64), (4000, 256), (400, 4095)], delay_s=0.0)
@example(running=[(4000, 1)], stopped=None, delay_s=0.0)
def test_a_killed_tracer_owes_no_row(
    mortal: Service,
    modes: tuple[str, ...],
    running: list[tuple[int, int]],
    stopped: list[tuple[int, int]] | None,
    delay_s: float,
) -> None:
    check_death(mortal, modes[-1], running, stopped, delay_s)


def test_a_tracer_that_does_not_stop_owes_no_row(mortal: Service, modes: tuple[str, ...]) -> None:
    for running in ([], [(500, 100)]):
        check_death(mortal, modes[-1], running, [(500, 300), (500, 20)], 0.0, by_stop=True)
    # Not being watched any more is what was asked for.
    with mortal.ndjson("?recent=0") as lines:
        watched(mortal, modes[-1])
        lines.wait(lambda: lines.controls[-1].get("state") == "stopped", "the stop")
        assert not gap_times(lines, "unwatched")


@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGTERM, signal.SIGABRT, 40])
def test_however_it_ends_it_owes_no_row(
    mortal: Service, modes: tuple[str, ...], number: int
) -> None:
    mode = modes[-1]
    mortal.start(mode, filter={"pid": os.getpid()})
    (tracer,) = mortal.tracers()
    call(3000)
    os.kill(tracer.pid, number)
    probe = settled(mortal, mode, "failed")
    assert probe["ended"]["detail"] == f"the tracer was ended by {signal_name(number)}"
    assert probe["counters"]["produced"] == 3000
    mortal.wait_until_gone_from_kernel()


def watched(service: Service, mode: str) -> None:
    """Everything missed so far is reported."""
    service.start(mode)
    service.stop(mode)


def test_time_without_programs_is_told(mortal: Service, modes: tuple[str, ...]) -> None:
    """After restarts and starts after a failure; not after a requested stop."""
    mode = modes[-1]
    made = 0
    watched(mortal, mode)
    with mortal.ndjson("?recent=0") as lines, mortal.websocket("?recent=0") as viewer:
        cursor = mortal.cursor()
        mortal.start(mode, filter={"pid": os.getpid()}, restart=True)
        for restarts in (1, 2):
            (tracer,) = mortal.tracers()
            call(1000)
            os.kill(tracer.pid, signal.SIGSTOP)
            call(1000)
            os.kill(tracer.pid, signal.SIGKILL)
            made += 2000
            settled(mortal, mode, "failed")
            call(10)  # nobody sees these, and nobody can count them
            wait_until(
                lambda restarts=restarts: (
                    (probe := mortal.probe(mode))["restarts"] == restarts
                    and probe["state"] == "running"
                ),
                f"restart {restarts}",
            )
        call(500)
        made += 500
        mortal.stop(mode)
        for _ in range(2):  # stops that were asked for
            mortal.start(mode, filter={"pid": os.getpid()})
            mortal.stop(mode)
        mortal.start(mode, filter={"pid": os.getpid()})
        os.kill(mortal.tracers()[0].pid, signal.SIGKILL)
        settled(mortal, mode, "failed")
        mortal.start(mode, filter={"pid": os.getpid()})
        mortal.stop(mode)
        told = mortal.expect(200, "GET", f"/events?limit=10000&after={cursor}")
        assert [gap["rows"] for gap in told["gaps"] if gap["where"] == "unwatched"] == [None] * 3
        for stream in (lines, viewer):
            stream.wait(lambda stream=stream: len(gap_times(stream, "unwatched")) == 3, "3 gaps")
            stream.wait(lambda stream=stream: numbered(stream, mode) >= made, f"{made} rows")
            assert numbered(stream, mode) == made
            times = [time for pair in gap_times(stream, "unwatched") for time in pair]
            assert None not in times
            assert times == sorted(times)


def test_a_stop_ends_the_time_without_programs(mortal: Service, modes: tuple[str, ...]) -> None:
    mode = modes[-1]
    watched(mortal, mode)
    with mortal.ndjson("?recent=0") as lines:
        mortal.start(mode, restart=True)
        os.kill(mortal.tracers()[0].pid, signal.SIGKILL)
        settled(mortal, mode, "failed")
        mortal.stop(mode)
        mortal.start(mode)
        mortal.stop(mode)
        lines.wait(lambda: lines.controls[-1].get("state") == "stopped", "the last stop")
        assert len(gap_times(lines, "unwatched")) == 1


# A process whose call waits in the kernel until it is killed: for its name, which is in a page that
# nobody brings (userfaultfd(2); uapi/linux/userfaultfd.h). Standard input tells it to begin.
HELD_CALL = """
import ctypes, fcntl, mmap, struct, sys
libc = ctypes.CDLL(None, use_errno=True)
libc.mmap.restype = ctypes.c_void_p
page = libc.mmap(None, mmap.PAGESIZE, 3, 0x22, -1, 0)
faults = libc.syscall(ctypes.c_long(323), 0o2000000)
if faults < 0:
    sys.exit(f"userfaultfd: errno {ctypes.get_errno()}")
fcntl.ioctl(faults, 0xC018AA3F, bytearray(struct.pack("=QQQ", 0xAA, 0, 0)))
fcntl.ioctl(faults, 0xC020AA00, bytearray(struct.pack("=QQQQ", page, mmap.PAGESIZE, 1, 0)))
sys.stdin.readline()
libc.unlink(ctypes.c_void_p(page))
"""
UNLINK = "87"  # its number on x86-64


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="numbers of system calls")
def test_a_call_under_way_when_the_tracer_dies_is_counted(
    mortal: Service, modes: tuple[str, ...]
) -> None:
    """As at a stop: as unfinished, since no program will see its return."""
    mode = modes[-1]
    assert mode == "tracepoint"  # the others see a call when its name is there
    with subprocess.Popen([sys.executable, "-c", HELD_CALL], stdin=subprocess.PIPE) as held:
        try:
            mortal.start(mode, filter={"pid": held.pid})
            assert held.stdin is not None
            held.stdin.write(b"\n")
            held.stdin.flush()
            call_of = Path(f"/proc/{held.pid}/syscall")
            wait_until(lambda: call_of.read_text().split()[0] == UNLINK, "the call to be held")
            os.kill(mortal.tracers()[0].pid, signal.SIGKILL)
            probe = settled(mortal, mode, "failed")
        finally:
            held.kill()
    assert probe["drops"]["unfinished"] == 1
    assert probe["counters"]["produced"] == probe["counters"]["dropped_kernel"] == 1
