# SPDX-License-Identifier: Apache-2.0
"""What a caller asks of a probe: its filter and how long it runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any


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
class ProbeSpec:
    """How a probe runs. Starting it again with an equal spec changes nothing."""

    filter: Filter = Filter()
    duration_s: float | None = None
    restart: bool = False  # automatically, when its tracer fails

    def as_json(self) -> dict[str, Any]:
        return asdict(self)
