# SPDX-License-Identifier: Apache-2.0
"""The five modes, and which see results."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Mode:
    """One way to trace. With `sees_return` it emits one event per call, at the call's return."""

    name: str
    sees_return: bool


MODES: dict[str, Mode] = {
    mode.name: mode
    for mode in (
        Mode("fentry", sees_return=False),
        Mode("fexit", sees_return=True),
        Mode("kprobe", sees_return=False),
        Mode("kretprobe", sees_return=True),
        Mode("tracepoint", sees_return=True),
    )
}

# From the most to the least preferred: modes that see results first, then by lower cost.
PREFERENCE = ("fexit", "kretprobe", "tracepoint", "fentry", "kprobe")
