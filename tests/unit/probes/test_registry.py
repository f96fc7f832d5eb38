# SPDX-License-Identifier: Apache-2.0
"""Which probes there are, and how many there may be."""

from __future__ import annotations

import pytest

from app.errors import ProbedeckError
from app.probes.modes import MODES
from app.probes.registry import MAX_OWN_PROBES, MAX_REMOVED, Registry


def test_the_modes_are_there_and_a_name_is_added_once() -> None:
    registry = Registry()
    assert [probe.id for probe in registry.all()] == list(MODES)
    assert not registry.get("fexit").is_own
    assert registry.get_or_add("fexit", "kprobe") is registry.get("fexit")
    added = registry.get_or_add("reads", "kprobe")
    assert (added.id, added.mode.name, added.is_own) == ("reads", "kprobe", True)
    assert registry.get_or_add("reads", "fexit") is added
    assert [probe.id for probe in registry.all()] == [*MODES, "reads"]


def test_there_is_room_again_after_a_removal() -> None:
    registry = Registry()
    added = [registry.get_or_add(f"p{number}", "kprobe") for number in range(MAX_OWN_PROBES)]
    with pytest.raises(ProbedeckError) as refusal:
        registry.get_or_add("one-more", "kprobe")
    assert (refusal.value.status, refusal.value.code) == (429, "too_many_probes")
    assert registry.get_or_add("p3", "kprobe") is added[3]
    registry.remove(added[3])
    assert registry.get_or_add("one-more", "kprobe").id == "one-more"
    with pytest.raises(ProbedeckError) as unknown:
        registry.get("p3")
    assert (unknown.value.status, unknown.value.code) == (404, "unknown_probe")


def test_the_last_removed_are_known_until_there_is_another_of_the_name() -> None:
    registry = Registry()
    for number in range(MAX_REMOVED + 1):
        registry.remove(registry.get_or_add(f"p{number}", "kprobe"))
    assert [probe.id for probe in registry.removed()] == [
        f"p{number}" for number in range(1, MAX_REMOVED + 1)
    ]
    assert registry.find_last("p0") is None
    assert registry.find_last("p1") is registry.removed()[0]
    again = registry.get_or_add("p1", "fexit")
    assert registry.find_last("p1") is again
    assert "p1" not in [probe.id for probe in registry.removed()]
