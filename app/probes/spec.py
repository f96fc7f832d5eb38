# SPDX-License-Identifier: Apache-2.0
"""What a caller asks of a probe: its filter and how long it shall run."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Filter:
    """Tested in the kernel, before anything is copied; all parts must hold. None: any.

    `comm`, the thread's name, and `process`, its thread group leader's, are compared as the kernel
    holds them: at most 15 bytes of UTF-8, exactly equal.
    """

    pid: int | None = None
    uid: int | None = None
    comm: str | None = None
    only_failures: bool = False
    process: str | None = None

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class ProbeSpec:
    """How a probe is to run. Two starts with equal specs are the same start."""

    filter: Filter = Filter()
    duration_s: float | None = None
    restart: bool = False  # by itself, when its tracer fails

    def as_json(self) -> dict[str, Any]:
        return asdict(self)
