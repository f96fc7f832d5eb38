# SPDX-License-Identifier: Apache-2.0
"""Recent events by the page: the newest, what came after a cursor, and what was lost."""

from __future__ import annotations

from typing import Any

import pytest
from flask.testing import FlaskClient

from app.config import Settings
from app.hub import Hub
from tests.support.web_fakes import deletions, fake_service, publish


def names(answer: Any) -> str:
    assert answer.status_code == 200
    return "".join(row["filename"] for row in answer.json["events"])


def test_nothing_yet(client: FlaskClient) -> None:
    answer = client.get("/events")
    assert (answer.json["events"], answer.json["missed"]) == ([], 0)
    assert names(client.get(f"/events?after={answer.json['next']}")) == ""


@pytest.mark.parametrize(
    ("limit", "expected"),
    [(1, "j"), (2, "ij"), (3, "hij"), (7, "defghij"), (10, "abcdefghij"), (11, "abcdefghij")],
)
def test_the_newest_oldest_first(client: FlaskClient, hub: Hub, limit: int, expected: str) -> None:
    for batch in ("abc", "d", "efgh", "ij"):
        publish(hub, list(batch))
    assert names(client.get(f"/events?limit={limit}")) == expected


@pytest.mark.parametrize("limit", range(1, 12))
def test_pages_lead_through_all(client: FlaskClient, hub: Hub, limit: int) -> None:
    after = client.get("/events").json["next"]
    for batch in ("abc", "d", "", "efgh", "ij"):
        publish(hub, list(batch))
    seen = ""
    while page := names(answer := client.get(f"/events?limit={limit}&after={after}")):
        assert len(page) <= limit
        seen += page
        after = answer.json["next"]
    assert seen == "abcdefghij"
    publish(hub, ["k"])
    assert names(client.get(f"/events?limit={limit}&after={after}")) == "k"


def test_only_the_probes_asked_for(client: FlaskClient, hub: Hub) -> None:
    publish(hub, ["a"], "fexit")
    publish(hub, ["b"], "kprobe")
    publish(hub, ["c"], "tracepoint")
    start = client.get("/events?limit=1&probe=fexit").json
    assert [row["probe"] for row in start["events"]] == ["fexit"]
    assert names(client.get("/events?probe=fexit&probe=tracepoint")) == "ac"
    publish(hub, ["d"], "kprobe")
    assert names(client.get(f"/events?probe=fexit&after={start['next']}")) == ""
    assert names(client.get(f"/events?probe=kprobe&after={start['next']}")) == "d"


def test_rows_no_longer_held_are_counted() -> None:
    size = len(deletions(["a", "b"]))
    hub = Hub(3 * size, 3 * size)
    service = fake_service(Settings(owner_uid=1000))
    object.__setattr__(service, "hub", hub)
    client = _client(service)
    after = client.get("/events").json["next"]
    for batch in ("ab", "cd", "ef", "gh"):
        publish(hub, list(batch))
    answer = client.get(f"/events?after={after}")
    assert names(answer) == "abcdefgh"[answer.json["missed"] :]
    assert answer.json["missed"] > 0
    assert client.get(f"/events?after={answer.json['next']}").json["missed"] == 0


def test_missed_rows_of_other_probes_do_not_count() -> None:
    """From each answer's cursor: what is shown and what is missed is all that came."""
    size = len(deletions(["a", "b"]))
    hub = Hub(4 * size, 4 * size)
    service = fake_service(Settings(owner_uid=1000))
    object.__setattr__(service, "hub", hub)
    client = _client(service)
    publish(hub, ["a", "b"], "fexit")
    for query in ("", "?probe=fexit&limit=1", "?probe=kprobe"):
        after = client.get(f"/events{query}").json["next"]
        for number in range(12):
            publish(hub, list("xyz"), "kprobe" if number % 3 else "fexit")
        for probe, due in (("fexit", 12), ("kprobe", 24), ("tracepoint", 0)):
            answer = client.get(f"/events?probe={probe}&after={after}").json
            assert len(answer["events"]) + answer["missed"] == due, (query, probe)
        answer = client.get(f"/events?after={after}&limit=1").json
        rest = client.get(f"/events?after={answer['next']}").json
        assert answer["missed"] + 1 + len(rest["events"]) == 36
        assert rest["missed"] == 0


def test_gaps_are_told_once_and_at_their_place(client: FlaskClient, hub: Hub) -> None:
    after = client.get("/events").json["next"]
    ledger = hub.begin_run("fexit")
    hub.lost(ledger, "kernel", 1)
    hub.publish(ledger, 2, deletions(["a", "b"]))
    hub.lost(ledger, "kernel", 3, 0.0, 1.0)
    hub.lost(ledger, "kernel", 4, 1.0, 2.0)
    hub.unwatched("fexit", 2.0, 3.0)
    hub.lost(hub.begin_run("kprobe"), "pipe", 5)
    hub.publish(ledger, 1, deletions(["c"]))
    hub.unwatched("fexit", 4.0, 5.0)

    def told(query: str) -> list[tuple[str, int | None, int]]:
        gaps = client.get("/events" + query).json["gaps"]
        return [(gap["where"], gap["rows"], gap["before"]) for gap in gaps]

    between = [("kernel", 7, 2), ("unwatched", None, 2), ("pipe", 5, 2)]
    assert told("") == [("kernel", 1, 0), *between, ("unwatched", None, 3)]
    assert told("?limit=2") == [*((w, r, 1) for w, r, _ in between), ("unwatched", None, 2)]
    assert told("?probe=kprobe") == [("pipe", 5, 0)]
    whole = client.get("/events").json["gaps"][1]
    assert (whole["from"], whole["to"]) == (
        "1970-01-01T00:00:00.000000Z",
        "1970-01-01T00:00:02.000000Z",
    )
    for limit in (1, 2, 3, 4):
        seen, place = [], after
        while True:
            answer = client.get(f"/events?limit={limit}&after={place}").json
            if not answer["events"] and not answer["gaps"]:
                break
            seen += [(gap["where"], gap["rows"]) for gap in answer["gaps"]]
            place = answer["next"]
        assert seen == [(where, rows) for where, rows, _ in told("")]


def _client(service: Any) -> FlaskClient:
    from app import create_app
    from tests.unit.web.conftest import LocalClient

    application = create_app(service, lambda _peer, _local: 1000)
    application.test_client_class = LocalClient
    return application.test_client()


@pytest.mark.parametrize(
    "after",
    ["", "x", "{run}", "{run}-", "{run}--1", "{run}-1", "{run}-0-0", "{run}-0 ", "{run}-00x",
     "{run}-0,fexit", "{run}-0,fexit:", "{run}-0,:1", "{run}-0,fexit:1,", "{run}-0fexit:1",
     "ffffffff-0", "{run}-" + "9" * 18, "{run}-" + "9" * 30, "{run}-\N{ARABIC-INDIC DIGIT ZERO}"],
)  # fmt: skip
def test_what_is_no_cursor(client: FlaskClient, after: str) -> None:
    run = client.get("/events").json["next"].rpartition("-")[0]
    answer = client.get("/events", query_string={"after": after.replace("{run}", run)})
    assert (answer.status_code, answer.json["code"]) == (400, "bad_cursor")


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("limit=0", "limit"),
        ("limit=10001", "limit"),
        ("limit=-1", "limit"),
        ("limit=%2B5", "limit"),
        ("limit=5_0", "limit"),
        ("limit=", "limit"),
        ("limit=5.0", "limit"),
        ("limit=%D9%A5", "limit"),
        ("limt=5", "limt"),
    ],
)
def test_queries_that_are_refused(client: FlaskClient, query: str, field: str) -> None:
    answer = client.get(f"/events?{query}")
    assert (answer.status_code, answer.json["code"]) == (422, "invalid")
    assert [fault["field"] for fault in answer.json["errors"]] == [field]


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("/events?limit=-1", "Must be a whole number from 1 to 10000."),
        ("/events?limit=99999999999", "Must be a whole number from 1 to 10000."),
        ("/audit?limit=x", "Must be a whole number from 1 to 10000."),
        ("/users?uid=-1", "Must be a whole number from 0 to 4294967294."),
        ("/events/stream?recent=true", "Must be 1 or 0."),
        ("/events?limt=5", "Unknown field. Did you mean limit? Known: probe, where, limit, after."),
        ("/events/stream?zzz=1", "Unknown field. Known: probe, where, recent."),
    ],
)
def test_a_refusal_says_what_would_be_taken(client: FlaskClient, path: str, message: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 422
    assert [fault["message"] for fault in answer.json["errors"]] == [message]
    assert answer.data.endswith(b"\n")


def test_an_unknown_probe(client: FlaskClient) -> None:
    for path in ("/events", "/events/stream"):
        answer = client.get(f"{path}?probe=nonesuch")
        assert (answer.status_code, answer.json["code"]) == (404, "unknown_probe")


def test_hostile_names_are_plain_ascii(client: FlaskClient, hub: Hub) -> None:
    hostile = "\x1b[2J\x00\u009b\u202e\U0001f600</script>\r\n\\"
    publish(hub, [hostile])
    answer = client.get("/events")
    assert answer.data.isascii()
    assert not [byte for byte in answer.data[:-1] if byte < 32]
    assert names(answer) == hostile


@pytest.mark.parametrize("query", ["limit=5&limit=6", "after=a&after=b", "recent=1&recent=1"])
def test_a_parameter_of_one_value_is_not_given_twice(client: FlaskClient, query: str) -> None:
    path = "/events/stream" if query.startswith("recent") else "/events"
    answer = client.get(f"{path}?{query}")
    assert answer.status_code == 422
    assert answer.json["errors"] == [
        {"field": query.partition("=")[0], "message": "Given more than once."}
    ]
    assert client.get("/events?probe=fexit&probe=kprobe").status_code == 200
