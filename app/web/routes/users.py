# SPDX-License-Identifier: Apache-2.0
"""Users of this machine, by number and by name."""

from __future__ import annotations

import pwd
from collections.abc import Iterable
from typing import Any

from flask import Response, jsonify

from app.web.api.blueprint import Blueprint
from app.web.api.requests import UsersQuerySchema
from app.web.api.responses import UsersSchema

blueprint = Blueprint("users", __name__, description="Users of the traced machine")


@blueprint.route("/users", methods=["GET"])
@blueprint.arguments(UsersQuerySchema, location="query")
@blueprint.response(200, UsersSchema)
def users(query: dict[str, Any]) -> Response:
    """The requested users, each once, by number; those that do not exist are omitted.

    Where several names share a number, the first that the machine finds is its name, and another
    that was requested is one of its `aliases`.
    """
    asked = numbers_of(query["name"])
    found = names_of([*query["uid"], *asked.values()])
    # A directory service may resolve a name but not its number.
    for name, uid in asked.items():
        found.setdefault(uid, name)
    return jsonify({"users": [describe(uid, found[uid], asked) for uid in sorted(found)]})


def describe(uid: int, name: str, asked: dict[str, int]) -> dict[str, Any]:
    aliases = [other for other, number in asked.items() if number == uid and other != name]
    return {"uid": uid, "name": name, "aliases": aliases}


def names_of(uids: Iterable[int]) -> dict[int, str]:
    """Return number -> name of those that exist, from the sources of nsswitch.conf(5)."""
    found = {}
    for uid in uids:
        try:
            found[uid] = pwd.getpwuid(uid).pw_name
        except KeyError:
            continue  # processes may run with a number that has no user
    return found


def numbers_of(names: Iterable[str]) -> dict[str, int]:
    """Return name -> number of those that exist."""
    found = {}
    for name in names:
        try:
            found[name] = pwd.getpwnam(name).pw_uid
        except KeyError:
            continue
    return found
