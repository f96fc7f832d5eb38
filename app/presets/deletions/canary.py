# SPDX-License-Identifier: Apache-2.0
"""Canaries: calls by which a tracer checks that its programs run (app/tracer/sight.py).

It calls the traced functions, in a way that deletes nothing, and checks whether its programs
counted the calls (bpf/presets/deletions/canary.c).
"""

from __future__ import annotations

import secrets
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from app.linux.syscalls import fail_to
from app.presets.deletions.hooks import REACHED_BY, RENAME_SYSCALLS, SYSCALLS
from app.presets.preset import AT_ENTRY, BY_TRACEPOINT
from app.tracer.records import CANARY

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
    if mode in BY_TRACEPOINT:
        return SYSCALLS + RENAME_SYSCALLS
    return (REACHED_BY, "renameat2") if "on_rename" in programs else (REACHED_BY,)


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
    sees_return = mode not in AT_ENTRY and not (mode == "kretprobe" and in_progress)
    return [
        f"the {side} of {call}"
        for side, count in (("entry", "entered"), ("return", "left"))
        if side == "entry" or sees_return
        for call, each in seen.items()
        if not getattr(each, count)
    ]
