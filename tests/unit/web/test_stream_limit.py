# SPDX-License-Identifier: Apache-2.0
"""The stream limit: no token can use up the streams of other callers."""

from __future__ import annotations

import pytest
from flask import Flask

from app.access.caller import Caller
from app.access.tokens import OPERATOR, VIEWER, Token
from app.errors import ProbedeckError
from app.web.stream_limit import StreamLimit, limits


def of_token(name: str, role: str) -> Caller:
    return Caller(f"token {name}", role, Token(name, role, "", ""))


OWNER = Caller("uid 1000", OPERATOR)
ADMIN, OTHER_ADMIN = of_token("admin", OPERATOR), of_token("admin2", OPERATOR)


def taken_by(limit: StreamLimit, caller: Caller) -> int:
    """Return how many streams the caller can open."""
    count = 0
    with Flask(__name__).test_request_context():
        try:
            while count < 1000:
                limit.acquire_for_request(caller)
                count += 1
        except ProbedeckError as error:
            assert (error.status, error.code) == (503, "busy")
    return count


def test_one_viewer_leaves_some_to_another_and_all_of_them_some_to_operators() -> None:
    limit = StreamLimit(24)
    assert [taken_by(limit, of_token(f"v{n}", VIEWER)) for n in range(4)] == [8, 8, 2, 0]
    assert taken_by(limit, ADMIN) == 6


def test_an_operators_token_leaves_some_to_others_and_the_owner_may_have_all() -> None:
    limit = StreamLimit(24)
    assert taken_by(limit, ADMIN) == 16
    assert taken_by(limit, OTHER_ADMIN) == 8
    assert taken_by(StreamLimit(24), OWNER) == 24


def test_a_released_stream_can_be_opened_again_by_the_same_caller() -> None:
    limit = StreamLimit(6)
    viewer = of_token("v", VIEWER)
    for _ in range(10):
        assert taken_by(limit, viewer) == 2
        limit.release(viewer)
        limit.release(viewer)
    assert taken_by(limit, OWNER) == 6


@pytest.mark.parametrize("count", range(2, 500))
def test_whatever_the_number_each_kind_has_at_least_one(count: int) -> None:
    of_one_viewer, of_viewers, of_one_operator = limits(count)
    assert 1 <= of_one_viewer <= of_viewers < count
    assert 1 <= of_one_operator < count
    assert of_one_viewer <= count / 2
