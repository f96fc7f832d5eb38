# SPDX-License-Identifier: Apache-2.0
"""In which modes a function, system call or tracepoint can be traced on this kernel, as JSON."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from app.kernel.availability import Availability
from app.kernel.functions import Entry
from app.kernel.functions_reasons import Refusal, looked_at, notes, why_not
from app.kernel.hints import lockdown_mode
from app.probes.alternatives import InsteadOf
from app.probes.modes import MODES
from app.probes.planning import Other


def unavailable(kernel: Mapping[str, Availability]) -> dict[str, Refusal]:
    """Return why modes do not work on this kernel at all: `lockdown`, or `mode_unavailable`."""
    code = "mode_unavailable" if lockdown_mode() in (None, "none") else "lockdown"
    return {
        mode: Refusal(code, f"{mode} does not work on this kernel: {found.reason}")
        for mode, found in kernel.items()
        if not found.available
    }


def refusal_in(entry: Entry, mode: str, kernel: Mapping[str, Availability]) -> Refusal | None:
    """Return why an entry cannot be traced in a mode; None if it can, as far as is known.

    What is about the entry comes before what is about the mode.
    """
    return why_not(entry, mode) or unavailable(kernel).get(mode)


def entries_json(
    entries: Iterable[Entry], kernel: Mapping[str, Availability], instead_of: InsteadOf
) -> list[dict[str, Any]]:
    """Return entries with their modes (docs/functions.md)."""
    off = unavailable(kernel)
    return [_entry_json(entry, kernel, off, instead_of(entry)) for entry in entries]


def _entry_json(
    entry: Entry,
    kernel: Mapping[str, Availability],
    off: Mapping[str, Refusal],
    others: list[Other],
) -> dict[str, Any]:
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
        "modes": {
            mode: _mode_json(why_not(entry, mode) or off.get(mode), kernel[mode], others)
            for mode in MODES
        },
        "twins": list(entry.twins),
        "notes": list(notes(entry)),
        "looked_at": list(looked_at(entry)),
    }


def _mode_json(
    refusal: Refusal | None, availability: Availability, others: list[Other]
) -> dict[str, Any]:
    if refusal is None:
        return {"available": True, "code": None, "reason": None, "hint": None, "instead": []}
    about_mode = refusal.code in ("mode_unavailable", "lockdown")
    return {
        "available": False,
        "code": refusal.code,
        "reason": refusal.reason,
        "hint": availability.hint if about_mode else None,
        "instead": [each.as_json() for each in others],
    }
