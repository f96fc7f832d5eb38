# SPDX-License-Identifier: Apache-2.0
"""The ledger of the real service, whatever starts, stops, kills, filters and clients come.

A hypothesis state machine: it knows how many calls it made, and what each client received. Each
row that a probe produced was delivered to each client, or the client was told that it is missing.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test

from tests.support.client import Ndjson, Stream, Websocket
from tests.support.figures import figure
from tests.support.recording import check_ledger
from tests.support.service import Service, running_service
from tests.support.waiting import wait_until

NAME = "/nonesuch/" + "n" * 200
MOST_CLIENTS = 6
EXAMPLES, STEPS = 12, 25


@dataclass(eq=False)
class Client:
    """A stream; its are the rows of ended runs, and of the present one from row `since` on."""

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
        """To the row: what was made while the filter let it through, and nothing else."""
        counters = self.service.stop(self.mode)["counters"]
        check_ledger(counters)
        assert counters["produced"] == self.made
        self.end_run(counters)

    @precondition(lambda self: self.running)
    @rule()
    def kill(self) -> None:
        """What its ring still held is known to nobody; what it had told is."""
        (tracer,) = self.service.tracers()
        os.kill(tracer.pid, signal.SIGKILL)
        self.figures["kills"] += 1
        wait_until(lambda: self.service.probe(self.mode)["state"] == "failed", "its failure")
        counters = self.service.probe(self.mode)["counters"]
        check_ledger(counters)
        assert counters["produced"] <= self.made
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
        for _ in range(calls):
            try:
                os.unlink(NAME)  # noqa: PTH108  exactly one call
            except FileNotFoundError:
                pass
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

    # --- The books ---

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
            # One that reads nothing may be dropped for it, as it is told; then it is gone.
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
    """A service whose queues are short, so that slow clients miss something."""
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
