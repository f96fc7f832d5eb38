# SPDX-License-Identifier: Apache-2.0
"""Clients that come late, are slow, or leave: the rows and messages that each gets."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any
from urllib.parse import quote

import pytest

from app.timestamps import now
from tests.support.batches import Row
from tests.support.calls import Workload
from tests.support.client import Ndjson, Stream, Websocket
from tests.support.fixtures import stop_all
from tests.support.recording import (
    Recording,
    check_ledger,
    check_nothing_lost,
    flood_names,
    mark,
)
from tests.support.service import Service, running_service
from tests.support.waiting import wait_until

STREAMS = (Ndjson, Websocket)
NAME_BYTES = 60


@pytest.fixture
def probe(modes: tuple[str, ...]) -> str:
    """The mode that the streams are tested with."""
    return "tracepoint" if "tracepoint" in modes else modes[0]


@pytest.fixture
def flood() -> Iterator[Workload]:
    with Workload(comm="pd-flood") as workload:
        yield workload


def names(rows: list[Row]) -> list[Any]:
    return [row["filename"] for row in rows]


def test_late_clients_get_recent_then_live(idle: Service, probe: str, flood: Workload) -> None:
    """Clients that connect during a flood get each of its calls once, in order."""
    begun = now()
    idle.start(probe, filter={"pid": flood.pid})
    recording = Recording(idle, [probe], filtered=True)
    base = flood.begin("flood", count=10**9, name_bytes=NAME_BYTES, threads=1, pause_every=10)
    recording.wait_for_name(flood_names(base, 0, 1, NAME_BYTES)[0])
    with ExitStack() as stack:
        clients: list[Stream] = []
        for number in range(8):
            client = STREAMS[number % 2](idle.port, f"?probe={probe}&recent=1")
            clients.append(stack.enter_context(client))
            # Each comes after so many more calls, in the midst of the flood.
            wanted = flood_names(base, 0, 400 * (number + 1), NAME_BYTES)[-1]
            recording.wait_for_name(wanted)
        ((_, made),) = flood.end_flood().items()
        expected = flood_names(base, 0, made, NAME_BYTES)
        for late in clients:
            late.wait_for_name(probe, expected[-1])
        stopped = idle.stop(probe)
    for late in clients:
        # The session's service may have shown events, and lost some, in other tests before.
        shown = [row for row in late.rows if row["pid"] == flood.pid]
        assert names(shown) == expected
        gaps = [
            told for told in late.controls if (told["type"], told.get("probe")) == ("gap", probe)
        ]
        assert [told for told in gaps if told["to"] is None or told["to"] >= begun] == []
    check_nothing_lost(stopped)
    assert stopped["counters"]["produced"] == made


def test_recent_zero_shows_only_what_comes(idle: Service, probe: str) -> None:
    idle.start(probe)
    recording = Recording(idle, [probe])
    before = mark()
    recording.wait_for_name(before)
    with ExitStack() as stack:
        clients = [kind(idle.port, "?recent=0") for kind in STREAMS]
        for client in clients:
            stack.enter_context(client)
        # The NDJSON stream has no first message that would say from when on it follows: its
        # answer's header does, and that was read. The websocket's hello was not, yet.
        clients[1].wait(lambda: clients[1].controls, "hello")
        after = mark()
        for client in clients:
            client.wait_for_name(probe, after)
            assert before not in names(client.rows)


def test_websocket_tells_states(idle: Service, probe: str) -> None:
    """Start, filter and stop are announced to every client."""
    with idle.websocket("?recent=0") as websocket:

        def state(wanted: str, uid: int | None) -> Any:
            return websocket.wait(
                lambda: [
                    message["probe"]
                    for message in list(websocket.controls)
                    if message["type"] == "state"
                    and message["probe"]["id"] == probe
                    and message["probe"]["state"] == wanted
                    and message["probe"]["filter"]["uid"] == uid
                ],
                f"state {wanted} with uid {uid}",
            )[-1]

        hello = websocket.wait(lambda: websocket.controls, "hello")[0]
        assert hello["version"] == 1
        assert {p["id"]: p for p in hello["probes"]}.keys() == idle.probes().keys()
        idle.start(probe)
        assert state("running", None)["counters"]["produced"] >= 0
        idle.change(probe, uid=4242)
        state("running", 4242)
        idle.stop(probe)
        stopped = state("stopped", 4242)
        assert stopped["ended"]["code"] == "requested"


def test_ndjson_tells_changes_of_state(idle: Service, probe: str) -> None:
    """The present state first, then each change in its place; never mere counter updates."""
    with idle.ndjson(f"?probe={probe}&recent=0") as own, idle.ndjson("?recent=0") as every:
        every.wait(lambda: len(every.controls) == len(idle.probes()), "the present states")
        assert {state["probe"]["id"] for state in every.controls} == idle.probes().keys()
        idle.start(probe)
        name = mark()
        own.wait_for_name(probe, name)
        for _ in range(2):  # the second changes nothing
            idle.change(probe, uid=4242)
        idle.expect(200, "POST", "/availability")
        idle.stop(probe)
        own.wait(lambda: own.controls[-1]["state"] == "stopped", "the stop")
        told = [
            (message["state"], message["probe"]["state"], message["probe"]["filter"]["uid"])
            for message in own.controls
            if message["type"] == "state" and message["probe"]["id"] == probe
        ]
        assert len(told) == len(own.controls)
        assert told[1:] == [
            ("starting", "starting", None),
            ("running", "running", None),
            ("running", "running", 4242),
            ("stopping", "stopping", 4242),
            ("stopped", "stopped", 4242),
        ]
        assert own.controls[-1]["probe"]["ended"]["code"] == "requested"


@pytest.mark.parametrize("kind", STREAMS)
def test_a_stream_of_another_probe_is_told_nothing(
    idle: Service, probe: str, kind: type[Stream]
) -> None:
    other = next(name for name in idle.probes() if name != probe)
    with (
        kind(idle.port, f"?probe={other}&recent=0") as others,  # type: ignore[call-arg]
        kind(idle.port, f"?probe={probe}&recent=0") as own,  # type: ignore[call-arg]
    ):
        idle.start(probe)
        idle.stop(probe)
        own.wait(lambda: own.controls[-1].get("state") == "stopped", "the stop")
        states = [message for message in others.controls if message["type"] == "state"]
        assert {state["probe"]["id"] for state in states} <= {other}


@pytest.fixture(scope="module")
def narrow_service(
    session_service: Service, tmp_path_factory: pytest.TempPathFactory, cache: Any
) -> Iterator[Service]:
    """A service that keeps little for slow clients. (`session_service` has the reasons to skip.)"""
    options = ("--client-queue-mib", "1", "--recent-mib", "4")
    with running_service(tmp_path_factory.mktemp("narrow"), cache, *options) as service:
        yield service


@pytest.fixture
def narrow(narrow_service: Service) -> Iterator[Service]:
    yield narrow_service
    stop_all(narrow_service)


@pytest.mark.parametrize("kind", STREAMS)
def test_slow_client_is_told_of_its_gap(
    narrow: Service, probe: str, flood: Workload, kind: type[Ndjson] | type[Websocket]
) -> None:
    """Only it loses rows; the ledger counts them, and its own agrees with what it got."""
    with ExitStack() as stack:
        quick = stack.enter_context(Websocket(narrow.port, "?recent=0"))
        slow = kind(narrow.port, "?recent=0", receive_buffer_bytes=4096)
        slow.pause()
        stack.enter_context(slow)
        narrow.start(probe, filter={"pid": flood.pid})
        # Long names fill a queue in few calls; pauses let the quick client keep up.
        base = flood.begin("flood", count=10**9, name_bytes=3000, threads=1, pause_every=10)

        def missed() -> Any:
            counters = narrow.probe(probe)["counters"]
            check_ledger(counters)
            return counters["dropped_client"]

        wait_until(missed, "the slow client to miss something")
        slow.resume()
        ((_, made),) = flood.end_flood().items()
        expected = flood_names(base, 0, made, 3000)
        for client in (quick, slow):
            client.wait_for_name(probe, expected[-1])
        ledgers = {
            tuple(client["counters"].values()): client["counters"]
            for client in narrow.probe(probe)["clients"]
        }
        stopped = narrow.stop(probe)

    assert names(quick.rows) == expected
    assert quick.gaps(probe) == 0
    lost = slow.gaps(probe)
    assert lost > 0
    places = {name: place for place, name in enumerate(expected)}
    kept = [places[name] for name in names(slow.rows)]
    assert kept == sorted(set(kept))
    assert len(kept) + lost == made

    counters = stopped["counters"]
    check_ledger(counters)
    assert counters["produced"] == made
    assert counters["dropped_client"] == lost
    assert counters["dropped_kernel"] == counters["dropped_pipe"] == 0
    own = {(c["delivered"], c["dropped_client"], c["produced"]) for c in ledgers.values()}
    assert own == {(made, 0, made), (made - lost, lost, made)}


def test_client_that_leaves_is_forgotten(idle: Service, probe: str) -> None:
    idle.start(probe)
    with idle.websocket("?recent=0") as websocket, idle.ndjson("?recent=0") as ndjson:
        name = mark()
        for stream in (websocket, ndjson):
            stream.wait_for_name(probe, name)
        clients = idle.probe(probe)["clients"]
        assert {client["kind"] for client in clients} >= {"websocket"}
        assert len(clients) == 2
        for client in clients:
            check_ledger(client["counters"])
    wait_until(lambda: not idle.probe(probe)["clients"], "the clients to be forgotten")


def test_events_that_pass_a_filter(idle: Service, probe: str, flood: Workload) -> None:
    """The stream and the recent events have the same ones, all that pass and no other."""
    idle.start(probe, filter={"pid": flood.pid})
    cursor = idle.cursor()
    where = quote(f"pid={flood.pid} filename~*/0-?7-* not filename~*/0-17-*")
    with Ndjson(idle.port, f"?where={where}") as stream:
        base = flood.begin("flood", count=100, name_bytes=NAME_BYTES, threads=1)
        flood.made()
        names = flood_names(base, 0, 100, NAME_BYTES)
        expected = [names[step] for step in (27, 37, 47, 57, 67, 77, 87, 97)]
        stream.wait_for_name(probe, expected[-1])
        idle.stop(probe)
        assert [row["filename"] for row in stream.rows] == expected
    page = idle.expect(200, "GET", f"/events?where={where}&after={cursor}")
    assert [row["filename"] for row in page["events"]] == expected


def test_events_page_by_page(idle: Service, probe: str, flood: Workload) -> None:
    """Cursors lead through all events without a hole, whatever the size of the pages."""
    idle.start(probe, filter={"pid": flood.pid})
    cursor = idle.cursor()
    base = flood.begin("flood", count=537, name_bytes=NAME_BYTES, threads=1)
    flood.made()
    idle.stop(probe)
    expected = flood_names(base, 0, 537, NAME_BYTES)
    for limit in (1, 7, 100, 537, 10000):
        rows: list[Row] = []
        after = cursor
        while True:
            page = idle.expect(200, "GET", f"/events?limit={limit}&after={after}")
            assert page["missed"] == 0
            assert len(page["events"]) <= limit
            if not page["events"]:
                break
            rows += page["events"]
            after = page["next"]
            if limit == 1 and len(rows) == 50:
                break
        assert names(rows) == expected[: len(rows)]
        assert len(rows) == (50 if limit == 1 else 537)
    newest = idle.expect(200, "GET", f"/events?probe={probe}&limit=5")["events"]
    assert names(newest) == expected[-5:]


@pytest.mark.parametrize("query", ["after=nonsense", "after=", "after=1-2-3"])
def test_wrong_cursor(session_service: Service, query: str) -> None:
    assert session_service.expect(400, "GET", f"/events?{query}")["code"] == "bad_cursor"


@pytest.mark.parametrize("query", ["limit=0", "limit=10001", "limit=x", "probe=nonsense"])
def test_wrong_query(session_service: Service, query: str) -> None:
    status = session_service.request("GET", f"/events?{query}").status
    assert status == (404 if query.startswith("probe") else 422)


def test_how_a_filter_is_understood(idle: Service) -> None:
    """A stream says it before any event, where it may surprise."""
    with Ndjson(idle.port, "?where=0%3Eret") as stream:
        wait_until(lambda: stream.controls, "the first line")
        first = stream.controls[0]
        assert (first["type"], first["hints"][0]["fixes"][0]) == ("hints", "ret<0")
    assert idle.expect(200, "GET", "/events?where=0%3Eret")["hints"] == first["hints"]
