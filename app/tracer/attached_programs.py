# SPDX-License-Identifier: Apache-2.0
"""What all sets of programs have in common, from loading to the end."""

from __future__ import annotations

import struct
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import numpy as np

from app.errors import ProbedeckError
from app.filters.kernel_filter import KernelFilter
from app.kernel.feature_probes import describe_error
from app.linux.bpf import MAP_FLAG_MMAPABLE, ProgInfo
from app.linux.syscalls import wait_for_running_programs
from app.probes.drops import PROGRAM_DROPS, RECURSION
from app.probes.spec import Filter
from app.tracer.compiled_object import CompiledObject
from app.tracer.cost import RunTime
from app.tracer.group_layout import MAP as GROUPS
from app.tracer.loader import LoadedObject
from app.tracer.records import (
    CALLS_ENTERED,
    CALLS_LEFT,
    CALLS_UNGROUPED,
    CANARY_MISSED_AT,
)

_Self = TypeVar("_Self", bound="AttachedPrograms")


class SeesReturns(ABC):
    """Programs that see calls at entry and at return."""

    @abstractmethod
    def calls_in_progress(self) -> int:
        """Return how many calls were seen at entry but not yet at return; 0 in entry modes."""

    def wait_for_returns(self, timeout_s: float) -> None:
        """After disabling: let calls in progress return and be emitted."""
        deadline = time.monotonic() + timeout_s
        while self.calls_in_progress() and time.monotonic() < deadline:
            time.sleep(0.002)


class AttachedPrograms(SeesReturns):
    """Programs in the kernel. A context manager: leaving it detaches and unloads.

    They are attached disabled, and `set_filter` lets events through: so every call seen at entry is
    also seen at return, and no event passes the wrong filter.

    `slots` has the type of the records in each ring that is used, with their header. The object's
    map `counts` is that of bpf/counters.c; the map `canary` (bpf/presets/deletions/canary.c) is not
    in every object.
    """

    def __init__(
        self,
        compiled: CompiledObject,
        slots: Mapping[str, np.dtype[Any]],
        finish: Callable[[bytes], bytes] | None = None,
        module: str | None = None,
    ) -> None:
        self.slots = slots
        try:
            self._object = LoadedObject(compiled, finish, module)
            try:
                self._attach()
            except BaseException:
                self._object.__exit__()
                raise
        except OSError as error:
            raise ProbedeckError(
                502, "tracer_failed", f"the kernel refused the programs: {describe_error(error)}"
            ) from error

    def _attach(self) -> None:
        """Attach the programs of `_object`; raises OSError."""
        raise NotImplementedError

    def _entry_programs(self) -> list[str]:
        """Return the names of the programs that run at a call's entry."""
        raise NotImplementedError

    def set_filter(self, wanted: Filter, *, enabled: bool = True) -> None:
        """Switch to another filter; on return no program tests the old one any more.

        A call in progress at the switch is shown if it passes both filters: the old one at its
        entry and the new one at its return.
        """
        raise NotImplementedError

    def set_where(self, wanted: KernelFilter) -> None:
        """Switch to other tests beside those of the filter, as `set_filter` does."""
        raise NotImplementedError

    def run_time(self) -> RunTime:
        """Return the time in all programs and the calls that entered, while the kernel measured.

        Only differences are meaningful.
        """
        raise NotImplementedError

    def unseen(self) -> list[str]:
        """Return which programs do not run, in words. Raises OSError."""
        raise NotImplementedError

    def __enter__(self: _Self) -> _Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self._object.__exit__(*exc)

    def rings(self) -> dict[str, tuple[int, int]]:
        """Return descriptor and size in bytes of each ring that is used, by name."""
        maps = self._object.maps
        return {name: (maps[name].fd, maps[name].spec.max_entries) for name in self.slots}

    def account(self) -> tuple[dict[str, object], list[int]]:
        """Return the message `maps` (docs/protocol.md) and its descriptors, in the order it says.

        With these the service reads the totals of this run after this process has died.
        """
        maps, programs = self._object.maps, self._object.programs()
        has_canaries = "canary" in maps
        message = {
            "type": "maps",
            "rings": [slot.itemsize for slot in self.slots.values()],
            "drops": {kind: index for index, kind in enumerate(PROGRAM_DROPS)},
            "entered": CALLS_ENTERED,
            "left": CALLS_LEFT,
            "canary_missed_at": CANARY_MISSED_AT if has_canaries else None,
            "groups": self._counts_calls(),
            "programs": len(self._entry_programs()),
            "sees_both": False,
        }
        counts = [maps[name].fd for name in ("counts", "canary") if name in maps]
        if self._counts_calls():
            counts.append(self.groups_fd())
        rings = [fd for fd, _ in self.rings().values()]
        return message, [*rings, *counts, *(programs[name] for name in self._entry_programs())]

    def _counts_calls(self) -> bool:
        """Return whether calls are counted in groups: only then can their map be mapped."""
        groups = self._object.maps.get(GROUPS)
        return groups is not None and bool(groups.spec.flags & MAP_FLAG_MMAPABLE)

    def groups_fd(self) -> int:
        """Return the descriptor of the map in which calls are counted (app/tracer/groups.py)."""
        return self._object.maps[GROUPS].fd

    def ungrouped(self) -> int:
        """Return how many calls passed the filter and are in no group, as there was no room."""
        return self._count(CALLS_UNGROUPED)

    def drops(self) -> dict[str, int]:
        """Return how many events passed the filter and were lost in the kernel, by cause."""
        result = {kind: self._count(index) for index, kind in enumerate(PROGRAM_DROPS)}
        result[RECURSION] = self._recursion_misses()
        return result

    def _recursion_misses(self) -> int:
        """Return how many calls the kernel did not show our programs at entry.

        If a task preempts a running program and calls the same function on the same CPU, the
        kernel does not run the program again there (bpf_prog_enter, kernel/bpf/trampoline.c).
        Misses at return are not added: such a call is already counted as `missed_return` or
        `unfinished`.
        """
        infos = self._object.infos()
        return sum(infos[name].recursion_misses or 0 for name in self._entry_programs())

    def calls_in_progress(self) -> int:
        return self._count(CALLS_ENTERED) - self._count(CALLS_LEFT)

    def _count(self, index: int) -> int:
        return self._object.maps["counts"].sum(struct.pack("=I", index))

    def detach(self) -> None:
        """Detach the programs and wait for those running; the maps stay until the context exits."""
        self._object.detach()
        wait_for_running_programs()


def run_time_ns(infos: Mapping[str, ProgInfo]) -> int:
    """Return the time spent in all programs."""
    return sum(info.run_time_ns for info in infos.values())
