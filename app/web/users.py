# SPDX-License-Identifier: Apache-2.0
"""Users of this machine by number and by name, for those who read tables."""

from __future__ import annotations

import pwd
from collections.abc import Iterable
from typing import Any

from flask import Response, jsonify

from app.web.answers import UsersSchema
from app.web.blueprint import Blueprint
from app.web.schemas import UsersQuerySchema

blueprint = Blueprint("users", __name__, description="Users of the traced machine")


@blueprint.route("/users", methods=["GET"])
@blueprint.arguments(UsersQuerySchema, location="query")
@blueprint.response(200, UsersSchema)
def users(query: dict[str, Any]) -> Response:
    """The users asked for, each once, by number; those that do not exist are left out."""
    found = names_of(query["uid"]) | ids_of(query["name"])
    return jsonify({"users": [{"uid": uid, "name": found[uid]} for uid in sorted(found)]})


def names_of(uids: Iterable[int]) -> dict[int, str]:
    """Number -> name of those that exist, from wherever the machine keeps them (nsswitch.conf)."""
    found = {}
    for uid in uids:
        try:
            found[uid] = pwd.getpwuid(uid).pw_name
        except KeyError:
            continue  # a number nobody has: processes may run with any
    return found


def ids_of(names: Iterable[str]) -> dict[int, str]:
    """Number -> name of those that exist. A number has one name, also where several share it."""
    found = []
    for name in names:
        try:
            found.append(pwd.getpwnam(name).pw_uid)
        except KeyError:
            continue
    return names_of(found)
