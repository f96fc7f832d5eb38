# SPDX-License-Identifier: Apache-2.0
"""Users by number and by name, from this machine's own list."""

from __future__ import annotations

import pwd

import pytest
from flask.testing import FlaskClient

USERS = [(entry.pw_uid, entry.pw_name) for entry in pwd.getpwall()]
NOBODY_HAS = next(uid for uid in range(54321, 2**31) if uid not in dict(USERS))


def test_by_number_and_by_name(client: FlaskClient) -> None:
    (first, _), *_, (_, last) = USERS
    answer = client.get(
        "/users", query_string={"uid": [first, NOBODY_HAS], "name": [last, "no one"]}
    )
    assert answer.status_code == 200
    expected = {uid: pwd.getpwuid(uid).pw_name for uid in (first, pwd.getpwnam(last).pw_uid)}
    assert answer.json["users"] == [{"uid": uid, "name": expected[uid]} for uid in sorted(expected)]


def test_none_is_asked_for(client: FlaskClient) -> None:
    assert client.get("/users").json == {"users": []}


def test_largest_number(client: FlaskClient) -> None:
    assert client.get("/users?uid=4294967294").status_code == 200


@pytest.mark.parametrize(
    "query",
    [
        "uid=-1",
        "uid=4294967295",
        "uid=99999999999",
        "uid=root",
        "uid=",
        "uid=+1",
        "name=",
        "name=a%00b",
        "name=a%0Ab",
        f"name={'x' * 257}",
        "&".join(f"uid={uid}" for uid in range(101)),
        "&".join(f"name=u{number}" for number in range(101)),
        "user=root",
    ],
)
def test_what_is_refused(client: FlaskClient, query: str) -> None:
    answer = client.get(f"/users?{query}")
    assert (answer.status_code, answer.json["code"]) == (422, "invalid")
