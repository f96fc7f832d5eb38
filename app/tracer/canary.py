# SPDX-License-Identifier: Apache-2.0
"""Calls of the tracer's own that show whether its programs run.

The kernel says that programs are attached also when they never run: while ftrace or all kprobes
are switched off, say. So the tracer calls the traced functions now and then, in a way that
deletes nothing, and sees whether its programs counted that (bpf/record.c, is_canary).
"""

from __future__ import annotations

import secrets
import struct
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Protocol

from app.kernel.hints import why_silent
from app.kernel.renames import INNER
from app.kernel.traced_calls import DELETION_SYSCALLS, RENAME_SYSCALLS
from app.linux.syscalls import fail_to
from app.probes.modes import MODES
from app.tracer.records import CANARY

INTERVAL_S = 1.0
# A single call may go unseen: the kernel leaves a program out that is running on this CPU
# already, and programs of some types while another task is changing a map there.
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
    """How often the programs saw one canary, at its entry and at its return."""

    entered: int
    left: int


def calls_of(mode: str, programs: Sequence[str]) -> Sequence[str]:
    """The system calls that reach all of a mode's programs, as far as they fail before anything is
    looked up."""
    if mode == "tracepoint":
        return DELETION_SYSCALLS + RENAME_SYSCALLS
    follows_renames = any(name.endswith(f"__{INNER}") for name in programs)
    return ("unlinkat", "renameat2") if follows_renames else ("unlinkat",)


def send(calls: Sequence[str], memory: Memory) -> dict[str, Seen]:
    """Make one canary of each kind; what the programs saw of each. Raises OSError."""
    result = {}
    for call in calls:
        token = secrets.randbits(32)
        memory.set(bytes(4), _VALUE.pack(0, token, 0, 0, missed(memory)))
        fail_to(call, token)
        _, _, entered, left, _ = _VALUE.unpack(memory.get(bytes(4)))
        result[call] = Seen(entered, left)
    return result


def missed(memory: Memory) -> int:
    """Canaries that the kernel counted as not shown to the programs (`recursion`)."""
    count: int = _VALUE.unpack(memory.get(bytes(4)))[4]
    return count


def add_missed(memory: Memory, count: int) -> None:
    """Keep that there were so many more, where it outlives this process. Raises OSError."""
    *rest, before = _VALUE.unpack(memory.get(bytes(4)))
    memory.set(bytes(4), _VALUE.pack(*rest, before + count))


def unseen(mode: str, seen: Mapping[str, Seen], in_progress: int) -> list[str]:
    """What did not run, in words; `in_progress` calls were entered and have not returned.

    A kretprobe follows a limited number of calls at once, so while others are in progress a
    return may go unseen; that is counted where it is lost (`missed_return`).
    """
    sees_return = MODES[mode].sees_return and not (mode == "kretprobe" and in_progress)
    return [
        f"the {place} of {call}"
        for place, count in (("entry", "entered"), ("return", "left"))
        if place == "entry" or sees_return
        for call, each in seen.items()
        if not getattr(each, count)
    ]


class Sight:
    """Whether a probe's programs run, looked at now and then.

    `look` makes the canaries and tells what was unseen of them, in words.
    """

    def __init__(self, mode: str, look: Callable[[], list[str]]) -> None:
        self._mode = mode
        self._look = look
        self._misses = 0
        self._seen_at = _now()
        self.blind: dict[str, str] | None = None

    def check_attached(self) -> tuple[str, str] | None:
        """Right after attaching: why the programs do not run, and what would help; else None."""
        for _ in range(MISSES):
            missing = self._look()
            if not missing:
                self._seen_at = _now()
                return None
            time.sleep(ATTACH_RETRY_S)
        return why_silent(self._mode, missing)

    def check(self) -> bool:
        """Look once; whether `blind` has changed."""
        was = self.blind
        looked_at = _now()  # before: what is silenced right after it is not covered
        missing = self._look()
        if not missing:
            self._misses, self._seen_at, self.blind = 0, looked_at, None
        else:
            self._misses += 1
            if self._misses >= MISSES and was is None:
                reason, hint = why_silent(self._mode, missing)
                self.blind = {"since": self._seen_at, "reason": reason, "hint": hint}
        return was != self.blind

    @property
    def interval_s(self) -> float:
        """How long to wait until the next check."""
        return RETRY_S if 0 < self._misses < MISSES else INTERVAL_S


def _now() -> str:
    """RFC 3339, in UTC."""
    wall = datetime.now(timezone.utc)
    return wall.isoformat(timespec="microseconds").replace("+00:00", "Z")
