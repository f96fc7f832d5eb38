# SPDX-License-Identifier: Apache-2.0
"""In which modes a function, system call or tracepoint can be traced on this kernel, as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from app.kernel.availability import Availability
from app.kernel.functions import Entry
from app.kernel.functions_reasons import Refusal, looked_at, notes, why_not
from app.kernel.hints import lockdown_mode
from app.probes.modes import MODES


def refusal_in(entry: Entry, mode: str, kernel: Mapping[str, Availability]) -> Refusal | None:
    """Return why an entry cannot be traced in a mode; None if it can, as far as is known.

    What is about the entry comes first. Then follows what is about the mode on this kernel:
    `lockdown`, or `mode_unavailable`.
    """
    refusal = why_not(entry, mode)
    if refusal is not None or kernel[mode].available:
        return refusal
    code = "mode_unavailable" if lockdown_mode() in (None, "none") else "lockdown"
    return Refusal(code, f"{mode} does not work on this kernel: {kernel[mode].reason}")


def entry_json(entry: Entry, kernel: Mapping[str, Availability]) -> dict[str, Any]:
    """Return an entry with its modes (docs/functions.md)."""
    return {
        "name": entry.name,
        "kind": entry.kind,
        "category": entry.category,
        "module": entry.module,
        "signature": entry.signature,
        "returns": entry.returns,
        "parameters": None
        if entry.parameters is None
        else [{"name": each.name, "type": each.type} for each in entry.parameters],
        "modes": {mode: _mode_json(entry, mode, kernel) for mode in MODES},
        "twins": list(entry.twins),
        "notes": list(notes(entry)),
        "looked_at": list(looked_at(entry)),
    }


def _mode_json(entry: Entry, mode: str, kernel: Mapping[str, Availability]) -> dict[str, Any]:
    refusal = refusal_in(entry, mode, kernel)
    if refusal is None:
        return {"available": True, "code": None, "reason": None, "hint": None, "instead": []}
    about_mode = refusal.code in ("mode_unavailable", "lockdown")
    return {
        "available": False,
        "code": refusal.code,
        "reason": refusal.reason,
        "hint": kernel[mode].hint if about_mode else None,
        "instead": [
            {"kind": each.kind, "name": each.name, "note": each.note} for each in refusal.instead
        ],
    }
