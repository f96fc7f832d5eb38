# SPDX-License-Identifier: Apache-2.0
"""The kernel check's result for one mode, as `python -m app.kernel` finds it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Availability:
    """Whether a mode works, and on which function or tracepoints.

    When it does not: `reason` says what was tried and what the kernel answered, `hint` what
    would help, `errno` is the error's name where a system call failed.
    """

    available: bool
    function: str | None
    reason: str | None = None
    hint: str | None = None
    errno: str | None = None
