# SPDX-License-Identifier: Apache-2.0
"""What a caller asks of a probe: its target, its filter and how long it runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from app.columns.aggregate import AggregateSpec
from app.presets.preset import DEFAULT_PRESET

FUNCTION, SYSCALL, TRACEPOINT, PRESET = "function", "syscall", "tracepoint", "preset"
FUNCTIONS = "functions"
# The modes that can trace each kind of target. What a preset resolves to decides for a preset.
MODES_OF_KIND: Mapping[str, tuple[str, ...]] = {
    FUNCTION: ("fentry", "fexit", "kprobe", "kretprobe"),
    FUNCTIONS: ("kprobe", "kretprobe"),
    SYSCALL: ("tracepoint",),
    TRACEPOINT: ("tracepoint",),
    PRESET: ("fentry", "fexit", "kprobe", "kretprobe", "tracepoint"),
}


@dataclass(frozen=True)
class Filter:
    """Tested in the kernel before anything is copied. All members must match; None matches any.

    `comm` is the thread's name and `process` that of its thread group's leader. Both match the
    whole name as the kernel holds it: at most 15 bytes.
    """

    pid: int | None = None
    uid: int | None = None
    comm: str | None = None
    only_failures: bool = False
    process: str | None = None

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    def merged(self, changes: Mapping[str, Any] | None) -> Filter:
        """Return this filter with changes (RFC 7396): a value replaces, None removes.

        None instead of changes removes the whole filter.
        """
        if changes is None:
            return Filter()
        defaults = Filter().as_json()
        given = {
            name: defaults[name] if value is None else value for name, value in changes.items()
        }
        return replace(self, **given)


@dataclass(frozen=True)
class Target:
    """What to trace: a kernel function, a system call, a tracepoint, or a preset, by its name; or
    several functions, by patterns (app/kernel/function_sets.py).

    A preset may resolve to app.columns.plan.PROGRAMS instead, which nobody can ask for.
    """

    kind: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"


DEFAULT_TARGET = Target(PRESET, DEFAULT_PRESET)


@dataclass(frozen=True)
class Where:
    """A filter in the language of docs/filters.md, and how it is split.

    `kernel` is the part that the tracer's programs test, as JSON (app.filters), None if they test
    nothing. `in_service` is the text of what they do not test, None if that is nothing. `hints`
    tell how it was understood where that may surprise (docs/protocol.md).
    """

    text: str | None = None
    kernel: dict[str, Any] | None = None
    in_service: str | None = None
    hints: Sequence[Mapping[str, Any]] = ()


@dataclass(frozen=True)
class ProbeSpec:
    """How a probe runs. Starting it again with an equal spec changes nothing.

    Without a target it traces DEFAULT_TARGET. `mode` is None until it is chosen, or for the mode
    that the probe is named after. `columns` are expressions (docs/columns.md), None for all
    arguments and the result; of programs of their own, names of the mode's columns. `where` is a
    filter's text.
    """

    filter: Filter = Filter()
    duration_s: float | None = None
    restart: bool = False  # automatically, when its tracer fails
    target: Target | None = None
    mode: str | None = None
    columns: tuple[str, ...] | None = None
    where: str | None = None
    aggregate: AggregateSpec | None = None  # count calls instead of showing each

    def as_json(self) -> dict[str, Any]:
        aggregate = None if self.aggregate is None else self.aggregate.as_json()
        return {**asdict(self), "aggregate": aggregate}
