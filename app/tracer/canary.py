# SPDX-License-Identifier: Apache-2.0
"""Canaries: calls by which a tracer checks that its programs run.

Programs that the kernel has attached may never run, for example while ftrace or all kprobes are
switched off. So the tracer regularly calls the traced functions, in a way that deletes nothing, and
checks whether its programs counted the calls (bpf/canary.c).
"""

from __future__ import annotations

import secrets
import struct
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from app.kernel.hints import why_silent
from app.linux.syscalls import fail_to
from app.presets.deletions import RENAME_SYSCALLS, SYSCALLS
from app.probes.modes import MODES
from app.timestamps import now
from app.tracer.records import CANARY

INTERVAL_S = 1.0
# A single call may go unseen: the kernel skips a program that is already running on this CPU, and
# programs of some types while another task changes a map there.
RETRY_S = 0.1
MISSES = 3
ATTACH_RETRY_S = 0.02

_VALUE = struct.Struct(CANARY)


class Memory(Protocol):
    """The map `canary`."""

    def set(self, key: bytes, value: bytes) -> None: ...

    def get(self, key: bytes) -> bytes: ...


@dataclass(frozen=True)
class Seen:
    """How often the programs saw one canary, at entry and at return."""

    entered: int
    left: int


def calls_of(mode: str, programs: Sequence[str]) -> Sequence[str]:
    """Return the system calls that reach a mode's programs, but for those that run only after a
    lookup: a canary fails before."""
    if mode == "tracepoint":
        return SYSCALLS + RENAME_SYSCALLS
    return ("unlinkat", "renameat2") if "on_rename" in programs else ("unlinkat",)


def send(calls: Sequence[str], memory: Memory) -> dict[str, Seen]:
    """Make one canary of each kind; return what the programs saw of each. Raises OSError."""
    result = {}
    for call in calls:
        token = secrets.randbits(32)
        memory.set(bytes(4), _VALUE.pack(0, token, 0, 0, missed(memory)))
        fail_to(call, token)
        _, _, entered, left, _ = _VALUE.unpack(memory.get(bytes(4)))
        result[call] = Seen(entered, left)
    return result


def missed(memory: Memory) -> int:
    """Return how many canaries the kernel counted as misses of the programs (`recursion`)."""
    count: int = _VALUE.unpack(memory.get(bytes(4)))[4]
    return count


def add_missed(memory: Memory, count: int) -> None:
    """Count more of them, in the map, which outlives this process. Raises OSError."""
    *rest, before = _VALUE.unpack(memory.get(bytes(4)))
    memory.set(bytes(4), _VALUE.pack(*rest, before + count))


def unseen(mode: str, seen: Mapping[str, Seen], in_progress: int) -> list[str]:
    """Return which programs did not run, in words.

    `in_progress` calls have entered and not returned. A kretprobe follows a limited number of
    concurrent calls, so a return may go unseen; that is counted as `missed_return`.
    """
    sees_return = MODES[mode].sees_return and not (mode == "kretprobe" and in_progress)
    return [
        f"the {side} of {call}"
        for side, count in (("entry", "entered"), ("return", "left"))
        if side == "entry" or sees_return
        for call, each in seen.items()
        if not getattr(each, count)
    ]


class Sight:
    """Checks regularly whether a probe's programs run.

    `unseen` returns which do not, in words; deletions' make canaries for that.
    """

    def __init__(self, mode: str, unseen: Callable[[], list[str]]) -> None:
        self._mode = mode
        self._unseen = unseen
        self._misses = 0
        self._seen_at = now()
        self.blind: dict[str, str] | None = None

    def check_attached(self) -> tuple[str, str] | None:
        """Check right after attaching; return why the programs do not run and a hint, or None."""
        for _ in range(MISSES):
            missing = self._unseen()
            if not missing:
                self._seen_at = now()
                return None
            time.sleep(ATTACH_RETRY_S)
        return why_silent(self._mode, missing)

    def check(self) -> bool:
        """Check once; return whether `blind` has changed."""
        was = self.blind
        checked_at = now()  # before the calls, which say nothing of what comes after them
        missing = self._unseen()
        if not missing:
            self._misses, self._seen_at, self.blind = 0, checked_at, None
        else:
            self._misses += 1
            if self._misses >= MISSES:
                # Each time, as a switch may have been turned on and off since.
                reason, hint = why_silent(self._mode, missing)
                self.blind = {"since": self._seen_at, "reason": reason, "hint": hint}
        return was != self.blind

    @property
    def interval_s(self) -> float:
        """How long to wait until the next check."""
        return RETRY_S if 0 < self._misses < MISSES else INTERVAL_S
