# SPDX-License-Identifier: Apache-2.0
"""The headers of every response."""

from __future__ import annotations

import pytest

from app.web.response_headers import ALWAYS, hardened, strict_transport


def test_ours_replace_an_applications_whatever_their_case() -> None:
    headers = hardened([("content-security-policy", "*"), ("X-Other", "1")])
    assert headers == [("X-Other", "1"), *ALWAYS, ("Cache-Control", "no-store")]


@pytest.mark.parametrize("name", ["Cache-Control", "cache-control"])
def test_a_response_may_say_that_it_can_be_cached(name: str) -> None:
    headers = hardened([(name, "private, max-age=5")])
    assert [value for key, value in headers if key.lower() == "cache-control"] == [
        "private, max-age=5"
    ]


def test_strict_transport_is_off_by_default() -> None:
    assert strict_transport(0) == ()
    assert strict_transport(86400) == (("Strict-Transport-Security", "max-age=86400"),)
