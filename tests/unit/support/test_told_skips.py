# SPDX-License-Identifier: Apache-2.0
"""When a kernel test is tried again; the service and its kernel are fakes."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

import pytest

from tests.support import told_skips
from tests.support.client import Answer, Client
from tests.support.told_skips import TRIES


class FakeClient(Client):
    """A service with one running probe, of whose calls the kernel has hidden so many."""

    def __init__(self) -> None:
        super().__init__(port=0)
        self.hidden = 0

    def request(self, method: str, path: str, body: Any = None, headers: Any = None) -> Answer:
        drops = {"recursion": self.hidden, "missed_return": 0}
        probe = {"id": "fexit", "started_at": "now", "state": "running", "drops": drops}
        return SimpleNamespace(  # type: ignore[return-value]
            status=200, json={"probes": [probe]} if path == "/probes" else probe
        )


def item(test: Callable[..., None], client: Client) -> pytest.Function:
    return cast(pytest.Function, SimpleNamespace(obj=test, funcargs={"tracing": client, "x": 1}))


@pytest.mark.parametrize("bad_tries", range(TRIES))
def test_what_the_kernel_hid_is_tried_again(bad_tries: int) -> None:
    tries = []

    def test(tracing: FakeClient) -> None:
        tries.append(tracing)
        if len(tries) <= bad_tries:
            tracing.hidden += 1
            raise AssertionError("a row is missing")

    client = FakeClient()
    told_skips.run(item(test, client))
    assert tries == [client] * (bad_tries + 1)


def test_any_other_failure_is_one() -> None:
    tries = []

    def test(tracing: FakeClient) -> None:
        tries.append(tracing)
        raise AssertionError("a row is missing")

    client = FakeClient()
    client.hidden = 7  # before the test
    with pytest.raises(AssertionError):
        told_skips.run(item(test, client))
    assert len(tries) == 1


def test_not_for_ever() -> None:
    tries = []

    def test(tracing: FakeClient) -> None:
        tries.append(tracing)
        tracing.hidden += 1
        raise AssertionError("a row is missing")

    with pytest.raises(AssertionError):
        told_skips.run(item(test, FakeClient()))
    assert len(tries) == TRIES


@pytest.mark.parametrize(("suite", "applies"), [("bookworm", False), ("trixie-backports", True)])
def test_only_where_the_kernel_preempts_itself(
    monkeypatch: pytest.MonkeyPatch, suite: str, *, applies: bool
) -> None:
    monkeypatch.setenv("PROBEDECK_KERNEL_SUITE", suite)
    assert told_skips.applies() is applies
