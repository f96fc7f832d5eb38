# SPDX-License-Identifier: Apache-2.0
"""What a preset traces on this kernel in each mode, as JSON: what a start gives."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from app.presets.deletions.columns import default_names
from app.presets.preset import ALL_MODES, Candidate, Preset
from app.presets.resolve import Has, resolve
from app.presets.table import PRESETS
from app.probes.kernel_check import KernelAnswer


def presets_json(kernel: KernelAnswer, has: Has) -> list[dict[str, Any]]:
    """Return all presets (docs/presets.md); `has` is that of `app.presets.resolve`."""
    working = kernel.working()
    return [_preset_json(preset, kernel, has, working) for preset in PRESETS.values()]


def _preset_json(
    preset: Preset, kernel: KernelAnswer, has: Has, working: Collection[str]
) -> dict[str, Any]:
    return {
        "name": preset.name,
        "title": preset.title,
        "help": preset.help,
        "mode": resolve(preset.name, None, has, working).mode,
        "modes": [_mode_json(preset, mode, kernel, has) for mode in ALL_MODES],
    }


def _mode_json(preset: Preset, mode: str, kernel: KernelAnswer, has: Has) -> dict[str, Any]:
    found, allowed = resolve(preset.name, mode, has), kernel.modes[mode]
    if found.candidate is None or not allowed.available:
        # What no kernel could do comes first.
        reason = found.reason or allowed.reason or "not available on this kernel"
        nothing: dict[str, Any] = {
            "kind": None,
            "target": None,
            "columns": [],
            "where": None,
            "not_seen": [],
        }
        return {"mode": mode, "available": False, "reason": reason, **nothing}
    traced = (_own if preset.has_own_programs else _target)(found.candidate, mode, kernel)
    return {"mode": mode, "available": True, "reason": None, **traced}


def _target(candidate: Candidate, mode: str, _kernel: KernelAnswer) -> dict[str, Any]:
    return {
        "kind": candidate.kind,
        "target": candidate.name,
        "columns": list(candidate.columns),
        "where": candidate.where,
        "not_seen": list(candidate.not_seen_in(mode)),
    }


def _own(candidate: Candidate, mode: str, kernel: KernelAnswer) -> dict[str, Any]:
    """Return what programs of its own trace, which is more than the candidate says."""
    return {
        "kind": candidate.kind,
        "target": kernel.modes[mode].function or candidate.name,
        "columns": default_names(mode),
        "where": None,
        "not_seen": list(kernel.not_seen.get(mode, ())),
    }
