# SPDX-License-Identifier: Apache-2.0
"""Which probes there are: one for each mode, and those that callers named."""

from __future__ import annotations

import threading
from collections import OrderedDict

from app.errors import ProbedeckError
from app.probes.modes import MODES
from app.probes.probe import Probe

MAX_OWN_PROBES = 32
MAX_REMOVED = 64  # probes whose rows can still be filtered, if the log has any


class Registry:
    """The probes by name. Any thread may call any method.

    Its lock is taken while a probe's is held, so it never waits for a probe's.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._probes = {name: Probe(mode) for name, mode in MODES.items()}
        self._removed: OrderedDict[str, Probe] = OrderedDict()  # the last of each name

    def all(self) -> list[Probe]:
        """Return all probes: the modes first, then the others in the order of their start."""
        with self._lock:
            return list(self._probes.values())

    def removed(self) -> list[Probe]:
        """Return the probes removed last, unless there is another of that name."""
        with self._lock:
            return list(self._removed.values())

    def find_last(self, name: str) -> Probe | None:
        """Return a probe, or the one that had this name last, None if there was none."""
        with self._lock:
            return self._probes.get(name) or self._removed.get(name)

    def get(self, name: str) -> Probe:
        """Raises ProbedeckError 404 `unknown_probe`."""
        with self._lock:
            probe = self._probes.get(name)
            known = ", ".join(self._probes)
        if probe is None:
            raise ProbedeckError(
                404, "unknown_probe", f"unknown probe {name!r}: use one of {known}"
            )
        return probe

    def get_or_add(self, name: str, mode: str) -> Probe:
        """Return the probe of this name, which is made if there is none.

        The name is a valid one. Raises ProbedeckError 429 if there are too many.
        """
        with self._lock:
            probe = self._probes.get(name)
            if probe is not None:
                return probe
            if len(self._probes) - len(MODES) >= MAX_OWN_PROBES:
                raise ProbedeckError(
                    429,
                    "too_many_probes",
                    f"There are {MAX_OWN_PROBES} probes beside the modes, which is the most: "
                    "DELETE one, running or not.",
                )
            probe = self._probes[name] = Probe(MODES[mode], name)
            self._removed.pop(name, None)
            return probe

    def remove(self, probe: Probe) -> None:
        """Take away a probe with a name of its own; the name is free from now on."""
        with self._lock:
            self._removed[probe.id] = self._probes.pop(probe.id)
            while len(self._removed) > MAX_REMOVED:
                self._removed.popitem(last=False)
