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
    assert answer.json["users"] == [
        {"uid": uid, "name": expected[uid], "aliases": []} for uid in sorted(expected)
    ]


def entry(name: str, uid: int) -> pwd.struct_passwd:
    return pwd.struct_passwd((name, "x", uid, uid, "", "/", "/bin/sh"))


@pytest.fixture
def two_names(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of uid 0, as on a machine with `toor`; and a name that the machine finds in any case."""
    known = {"root": 0, "toor": 0, "Remote": 5000, "remote": 5000, "one-way": 6000}
    first = {0: "root", 5000: "remote"}

    def by_number(uid: int) -> pwd.struct_passwd:
        return entry(first[uid], uid)

    def by_name(name: str) -> pwd.struct_passwd:
        return entry(first.get(known[name], name), known[name])

    monkeypatch.setattr("app.web.routes.users.pwd.getpwuid", by_number)
    monkeypatch.setattr("app.web.routes.users.pwd.getpwnam", by_name)


@pytest.mark.usefixtures("two_names")
@pytest.mark.parametrize(
    ("query", "users"),
    [
        ("name=toor", [(0, "root", ["toor"])]),
        ("name=toor&name=root&uid=0", [(0, "root", ["toor"])]),
        ("uid=0", [(0, "root", [])]),
        ("name=Remote", [(5000, "remote", ["Remote"])]),
        ("name=one-way", [(6000, "one-way", [])]),
        ("uid=6000", []),
        ("name=nobody-has-it", []),
    ],
)
def test_every_name_of_a_number_is_known(
    client: FlaskClient, query: str, users: list[tuple[int, str, list[str]]]
) -> None:
    assert client.get(f"/users?{query}").json["users"] == [
        {"uid": uid, "name": name, "aliases": aliases} for uid, name, aliases in users
    ]


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
