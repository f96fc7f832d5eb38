# SPDX-License-Identifier: Apache-2.0
"""The BPF programs of one mode: loaded, attached, filtered, detached."""

from __future__ import annotations

from collections.abc import Mapping

from app.errors import ProbedeckError
from app.kernel.feature_probes import describe_error
from app.kernel.renames import INNER
from app.linux.bpf import ProgInfo
from app.probes.drops import PROGRAM_DROPS, RECURSION
from app.probes.spec import Filter
from app.tracer import canary
from app.tracer.attached_programs import AttachedPrograms, run_time_ns
from app.tracer.attachments import attach
from app.tracer.compiled_object import CompiledObject
from app.tracer.cost import RunTime
from app.tracer.filter_map import FilterSwitch
from app.tracer.loader import LoadedObject
from app.tracer.records import (
    CALLS_ENTERED,
    CALLS_LEFT,
    CANARIES,
    CANARY_MISSED_AT,
    NAME_BYTES,
)
from app.tracer.rings import slot_dtype


def _is_at_entry(program: str) -> bool:
    return program.startswith(("kfunc__", "kprobe__", "on_en"))  # on_entry, on_enter_*


def _misses_at_entry(infos: Mapping[str, ProgInfo]) -> int:
    return sum(info.recursion_misses or 0 for name, info in infos.items() if _is_at_entry(name))


def runs_at_entry(infos: Mapping[str, ProgInfo]) -> int:
    """Return how often a traced call entered; what runs inside a call is not another one."""
    return sum(
        info.run_cnt
        for name, info in infos.items()
        if _is_at_entry(name) and not name.endswith(f"__{INNER}")
    )


class Programs(AttachedPrograms):
    """A mode's programs in the kernel. A context manager: leaving it detaches and unloads.

    They are attached disabled, and `set_filter` lets events through: so every call seen at entry
    is also seen at return, and no event passes the wrong filter.
    """

    def __init__(self, mode: str, function: str, compiled: CompiledObject) -> None:
        self.mode = mode
        self._canaries = 0  # of ours that the programs saw
        self._canaries_ns = 0.0  # their share of the time that the kernel measured
        self._canary_ns: float | None = None  # the shortest, in all programs together
        try:
            self._object = LoadedObject(compiled)
            self._filter = FilterSwitch(self._object.maps)
            self._canary_calls = canary.calls_of(mode, self._object.program_names())
            try:
                attach(self._object, mode, function)
            except BaseException:
                self._object.__exit__()
                raise
        except OSError as error:
            raise ProbedeckError(
                502, "tracer_failed", f"the kernel refused the programs: {describe_error(error)}"
            ) from error

    def rings(self) -> dict[str, tuple[int, int]]:
        """Return descriptor and size in bytes of each ring, by name."""
        maps = self._object.maps
        return {name: (maps[name].fd, maps[name].spec.max_entries) for name in NAME_BYTES}

    def account(self) -> tuple[dict[str, object], list[int]]:
        """Return the message `maps` (docs/protocol.md) and its descriptors, in the order it says.

        With these the service reads the totals of this run after this process has died.
        """
        rings = [self._object.maps[name].fd for name in NAME_BYTES]
        message = {
            "type": "maps",
            "rings": [slot_dtype(size).itemsize for size in NAME_BYTES.values()],
            "drops": {kind: index for index, kind in enumerate(PROGRAM_DROPS)},
            "entered": CALLS_ENTERED,
            "left": CALLS_LEFT,
            "canary_missed_at": CANARY_MISSED_AT,
        }
        at_entry = [fd for name, fd in self._object.programs().items() if _is_at_entry(name)]
        maps = self._object.maps
        return message, [*rings, maps["counts"].fd, maps["canary"].fd, *at_entry]

    def set_filter(self, wanted: Filter, *, enabled: bool = True) -> None:
        """Switch to another filter; on return no program tests the old one any more.

        A call in progress at the switch is shown if it passes both filters: the old one at its
        entry and the new one at its return.
        """
        self._filter.set(wanted, enabled=enabled)

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
        misses = _misses_at_entry(self._object.infos())
        return misses - canary.missed(self._object.maps["canary"])

    def run_time(self) -> RunTime:
        """Return the time in all programs and the calls that entered, while the kernel measured.

        Only differences are meaningful, as canaries of all tracers are counted even when the
        kernel is not measuring.
        """
        infos = self._object.infos()
        canaries = self._count(CANARIES)
        return RunTime(
            round(run_time_ns(infos) - self._canaries_ns),
            runs_at_entry(infos) - canaries,
            canaries - self._canaries,
            self._canary_ns or 0.0,
        )

    def send_canaries(self) -> list[str]:
        """Call the traced functions, and return which programs did not run, in words.

        These calls are in no count. Raises OSError.
        """
        memory = self._object.maps["canary"]
        before = self._object.infos()
        seen = canary.send(self._canary_calls, memory)
        after = self._object.infos()
        unseen = sum(not each.entered for each in seen.values())
        if missed := min(unseen, _misses_at_entry(after) - _misses_at_entry(before)):
            canary.add_missed(memory, missed)
        self._measure_canaries(len(seen) - unseen, before, after)
        return canary.unseen(self.mode, seen, self.calls_in_progress())

    def _measure_canaries(
        self, count: int, before: Mapping[str, ProgInfo], after: Mapping[str, ProgInfo]
    ) -> None:
        self._canaries += count
        runs = runs_at_entry(after) - runs_at_entry(before)
        time_ns = run_time_ns(after) - run_time_ns(before)
        if 0 < runs == count:  # the kernel is measuring, and nothing else was called
            self._canaries_ns += time_ns
            self._canary_ns = min(time_ns / count, self._canary_ns or time_ns / count)
        elif runs:
            self._canaries_ns += count * (self._canary_ns or time_ns / runs)
