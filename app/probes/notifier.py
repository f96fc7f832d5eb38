# SPDX-License-Identifier: Apache-2.0
"""Tells clients the states of probes, through the hub."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from app.hub import Hub
from app.probes.describe import MOVING, describe_probe
from app.probes.json_shapes import ProbeJson
from app.probes.kernel_check import KernelAnswer
from app.probes.probe import Probe


class Notifier:
    """Describes probes, and remembers what of each clients have been told."""

    def __init__(self, hub: Hub, kernel: Callable[[], KernelAnswer]) -> None:
        self._hub = hub
        self._kernel = kernel
        self._told: dict[str, dict[str, Any]] = {}

    def describe(self, probe: Probe) -> ProbeJson:
        """Return everything known of a probe. Needs its lock."""
        return describe_probe(probe, self._kernel(), self._hub)

    def tell(self, probe: Probe) -> ProbeJson:
        """Announce a probe's state and return its description. Needs its lock.

        Of a forgotten probe nothing more is announced.
        """
        name, described = probe.id, self.describe(probe)
        if probe.is_forgotten:
            return described
        state = {key: value for key, value in described.items() if key not in MOVING}
        is_change = state != self._told.get(name)
        self._told[name] = state
        self._hub.announce(
            f"state:{name}",
            {"type": "state", "state": described["state"], "probe": described},
            probe=name,
            is_change=is_change,
        )
        return described

    def forget(self, probe: Probe) -> None:
        """Announce that a probe no longer exists, and remember nothing of it. Needs its lock."""
        self._told.pop(probe.id, None)
        message = {"type": "forgotten", "probe": probe.id}
        self._hub.forget(f"state:{probe.id}", message, probe=probe.id)
