# SPDX-License-Identifier: Apache-2.0
"""Clients of a hub, as the hub's tests use them."""

from __future__ import annotations

from typing import Any

from app.hub import Batch, Hub, Subscription


def take_all(subscription: Subscription) -> list[Any]:
    items: list[Any] = []
    while got := subscription.get(0):
        items += got
        for item in got:
            if isinstance(item, Batch):
                subscription.delivered(item)
    return items


def rows_of(items: list[Any]) -> list[bytes]:
    return [item.data for item in items if isinstance(item, Batch)]


def subscribe(
    hub: Hub, *, recent: bool = True, probes: frozenset[str] | None = None
) -> Subscription:
    return hub.subscribe(kind="test", peer="nobody", probes=probes, recent=recent)
