# SPDX-License-Identifier: Apache-2.0
"""Which candidate of a preset answers on this kernel."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass

from app.presets.preset import ALL_MODES, SYSCALL, TRACEPOINT, Candidate, Preset
from app.presets.table import PRESETS

# Beside the kinds of candidates, a name may be of a member, as in `Candidate.needs`.
FIELD = "field"

_WORDS = {
    SYSCALL: "tracepoints of the system call",
    TRACEPOINT: "tracepoint",
    FIELD: "field",
}

Has = Callable[[str, str], bool]  # kind, name


@dataclass(frozen=True)
class Resolution:
    """The candidate, and the mode to start it in; or neither, and the reason in words."""

    candidate: Candidate | None
    mode: str | None
    reason: str | None = None


def resolve(
    name: str, mode: str | None, has: Has, allowed: Collection[str] = ALL_MODES
) -> Resolution:
    """Return the first candidate of a preset that exists here and suits the mode.

    Without a mode, it is started in the best of its own that are `allowed`. `has` says whether the
    kernel has a function, a system call's tracepoints, a tracepoint or a field (`Candidate.needs`).
    Raises KeyError for an unknown preset.
    """
    preset = PRESETS[name]
    wanted = ALL_MODES if mode is None else (mode,)
    missing = []
    suits = False
    for candidate in preset.candidates:
        usable = [each for each in candidate.modes if each in wanted]
        suits = suits or bool(usable)
        usable = [each for each in usable if each in allowed]
        if not usable:
            continue
        lacking = next(_lacking(candidate, has), None)
        if lacking is None:
            return Resolution(candidate, usable[0])
        if lacking not in missing:
            missing.append(lacking)
    return Resolution(None, None, _reason(preset, mode, suits, missing))


def names_needed() -> tuple[tuple[str, str], ...]:
    """Return every kind and name that `resolve` may ask for, each once."""
    pairs = (
        pair
        for preset in PRESETS.values()
        for candidate in preset.candidates
        for pair in _needed(candidate)
    )
    return tuple(dict.fromkeys(pairs))


def _needed(candidate: Candidate) -> Iterator[tuple[str, str]]:
    yield candidate.kind, candidate.name
    for name in candidate.needs:
        yield FIELD, name


def _lacking(candidate: Candidate, has: Has) -> Iterator[str]:
    for kind, name in _needed(candidate):
        if not has(kind, name):
            yield f"{_WORDS.get(kind, kind)} {name}"


def _reason(preset: Preset, mode: str | None, suits: bool, missing: list[str]) -> str:
    if not suits:
        modes = dict.fromkeys(each for one in preset.candidates for each in one.modes)
        return f"{preset.name} cannot be seen in mode {mode}, only in {', '.join(modes)}"
    if not missing:
        return "this kernel allows none of the modes that suit it"
    return f"this kernel has no {', no '.join(missing)}"
