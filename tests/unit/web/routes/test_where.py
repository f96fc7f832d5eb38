# SPDX-License-Identifier: Apache-2.0
"""Events that pass a filter: of the recent ones, page by page, and in the stream."""

from __future__ import annotations

import json
import os
import pwd
from typing import Any
from urllib.parse import quote

import pytest
from flask.testing import FlaskClient

from app.filters import row_filter
from app.hub import Hub
from app.presets.deletions.columns import columns_of
from app.web.context import Service
from app.web.routes import events as events_route
from app.web.routes.stream import items
from app.web.routes.where import filter_of, vocabulary_of
from tests.support.web_fakes import FakeManager, publish


def names(answer: Any) -> str:
    assert answer.status_code == 200, answer.json
    return "".join(row["filename"] for row in answer.json["events"])


def ask(client: FlaskClient, where: str, more: str = "") -> Any:
    return client.get(f"/events?where={quote(where)}{more}")


@pytest.fixture
def published(hub: Hub) -> Hub:
    for batch in ("abc", "dabe", "", "af", "gha"):
        publish(hub, list(batch))
    return hub


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ("filename=a", "aaaa"),
        ("filename in (a, b)", "ababaa"),
        ("not filename=a", "bcdbefgh"),
        ("filename=A", ""),
        ("file~A pid=100", "aaaa"),
        ("pid!=100", ""),
        ("latency=1.5us", "abcdabeafgha"),
        ("", "abcdabeafgha"),
        ("probe=fexit filename=h", "h"),
        ("mode=kprobe", ""),
        ("g", "g"),
    ],
)
def test_only_what_passes(client: FlaskClient, published: Hub, where: str, expected: str) -> None:
    assert names(ask(client, where)) == expected
    assert names(ask(client, where, "&limit=2")) == expected[-2:]
    assert names(ask(client, where, "&probe=fexit")) == expected


def test_a_word_that_holds_a_test_is_hinted_at(client: FlaskClient, published: Hub) -> None:
    answer = ask(client, "a 101>pid")
    assert names(answer) == ""
    message = "“101>pid” is interpreted as a word and searched for in every text column"
    assert answer.json["hints"] == [{"message": message, "fixes": ["a pid<101", 'a "101>pid"']}]
    assert names(ask(client, answer.json["hints"][0]["fixes"][0])) == "aaaa"
    for other in ("/events", "/events?where=pid<101", "/events?where=a", "/events?where="):
        assert client.get(other).json["hints"] == []


@pytest.mark.parametrize("limit", range(1, 7))
def test_pages_lead_through_all_that_pass(client: FlaskClient, hub: Hub, limit: int) -> None:
    after = client.get("/events").json["next"]
    for batch in ("abc", "dabe", "", "af", "gha", "xyz"):
        publish(hub, list(batch))
    seen, examined = "", 0
    while True:
        answer = ask(client, "filename in (a, b)", f"&limit={limit}&after={after}")
        assert len(answer.json["events"]) <= limit
        seen += names(answer)
        after = answer.json["next"]
        examined += answer.json["examined"]
        if answer.json["examined"] == 0:
            break
    assert (seen, examined) == ("ababaa", 15)


@pytest.mark.parametrize("bound", [1, 2, 5])
def test_a_request_tests_so_many_rows(
    client: FlaskClient, hub: Hub, monkeypatch: pytest.MonkeyPatch, bound: int
) -> None:
    monkeypatch.setattr(events_route, "MAX_EXAMINED", bound)
    after = client.get("/events").json["next"]
    for batch in ("abc", "dabe", "gha"):
        publish(hub, list(batch))
    newest = ask(client, "filename in (a, b)")
    assert newest.json["examined"] == bound
    assert names(newest) == {1: "a", 2: "a", 5: "ba"}[bound]
    seen = ""
    while True:
        answer = ask(client, "filename in (a, b)", f"&after={after}")
        assert answer.json["examined"] <= bound
        if answer.json["examined"] == 0:
            break
        seen += names(answer)
        after = answer.json["next"]
    assert seen == "ababa"


def test_without_a_filter_what_is_sent_is_what_was_examined(
    client: FlaskClient, published: Hub
) -> None:
    assert client.get("/events").json["examined"] == 12
    assert client.get("/events?limit=5").json["examined"] == 5


@pytest.mark.parametrize("path", ["/events", "/events/stream"])
def test_an_invalid_filter_is_refused(client: FlaskClient, path: str) -> None:
    answer = client.get(f"{path}?where={quote('pid=1 filenam=x')}")
    assert (answer.status_code, answer.json["code"]) == (422, "invalid")
    assert answer.json["errors"] == [
        {
            "field": "where",
            "message": "no column “filenam”; did you mean filename?",
            "start": 6,
            "end": 13,
            "fixes": ["pid=1 filename=x"],
        }
    ]
    assert "Did you mean pid=1 filename=x?" in answer.json["detail"]
    too_long = client.get(f"{path}?where={'x' * 8193}")
    assert (too_long.status_code, too_long.json["errors"][0]["field"]) == (422, "where")


def test_columns_are_those_of_the_probes_asked_for(client: FlaskClient) -> None:
    assert ask(client, "ret<0", "&probe=fexit").status_code == 200
    assert ask(client, "ret<0", "&probe=fentry").status_code == 422
    assert ask(client, "ret<0").status_code == 200


def test_the_stream_carries_what_passes_and_counts_the_batch_as_delivered(hub: Hub) -> None:
    passes = row_filter("filename in (a, b)", _deletions())
    with hub.subscribe(kind="stream", peer="x", probes=None, recent=False) as subscription:
        publish(hub, list("abc"))
        publish(hub, list("xyz"))
        publish(hub, list("ca"))
        seen = []
        for lines, batch in items(subscription, lambda: len(seen) == 3, passes):
            if batch is not None:
                subscription.delivered(batch)
                seen.append([json.loads(line)["filename"] for line in lines.splitlines()])
        assert seen == [["a", "b"], [], ["a"]]
        assert hub.counters("fexit")["dropped_client"] == 0


def _deletions() -> Any:
    return vocabulary_of(
        [{"id": "fexit", "columns": [column.as_json() for column in columns_of("fexit")]}]
    )


def test_probes_have_names_of_their_own() -> None:
    """Two probes may call different tables the same."""
    state = {
        "name": "state",
        "type": "int32",
        "title": "State",
        "help": "",
        "names": "states",
    }
    first = {"id": "one", "columns": [state], "names": {"states": [{"value": 1, "name": "RUN"}]}}
    second = {"id": "two", "columns": [state], "names": {"states": [{"value": 2, "name": "WAIT"}]}}
    names = vocabulary_of([first, second])
    run, wait = row_filter("state=run", names), row_filter("state=wait", names)
    assert run is not None and wait is not None
    assert [run({"state": value}) for value in (1, 2)] == [True, False]
    assert [wait({"state": value}) for value in (1, 2)] == [False, True]


def test_users_by_name(client: FlaskClient, published: Hub) -> None:
    name = pwd.getpwuid(os.getuid()).pw_name
    assert ask(client, f"uid={name}").status_code == 200
    assert ask(client, 'uid="\\u{0}"').status_code == 422


def test_what_the_programs_do_not_test_is_tested_here(
    client: FlaskClient, published: Hub, manager: FakeManager
) -> None:
    manager.remainders["fexit"] = "filename in (a, b)"
    assert names(client.get("/events")) == "ababaa"
    assert names(ask(client, "filename!=b")) == "aaaa"
    manager.remainders["fexit"] = "filename=h"
    assert names(client.get("/events?limit=1")) == "h"
    del manager.remainders["fexit"]
    assert names(client.get("/events?limit=1")) == "a"


def test_a_stream_follows_what_the_programs_do_not_test(
    service: Service, hub: Hub, manager: FakeManager
) -> None:
    passes = filter_of(service, None, None, is_live=True)
    assert passes is not None
    row = {"probe": "fexit", "filename": "a"}
    assert passes(row)
    manager.remainders["fexit"] = "filename=b"
    assert not passes(row)
    manager.remainders["fexit"] = "filename=a"
    assert passes(row)
