# SPDX-License-Identifier: Apache-2.0
"""What works on this kernel instead of a function, system call or tracepoint.

The list of functions and the refusal of a start offer the same.
"""

from __future__ import annotations

from collections.abc import Callable, Collection

from app.kernel.functions import Entry, FunctionIndex
from app.kernel.functions_instead import Instead, callers, same_calls
from app.kernel.functions_reasons import why_not
from app.presets.preset import Candidate, Preset
from app.presets.resolve import Has, resolve
from app.presets.table import PRESETS
from app.probes.planning import MAX_OTHERS, Other
from app.probes.spec import PRESET, Target

# Returns what can be traced instead of an entry.
InsteadOf = Callable[[Entry], list[Other]]


def works(entry: Entry, working: Collection[str]) -> bool:
    """Return whether nothing known prevents tracing it in one of the modes that are `working`."""
    return any(why_not(entry, mode) is None for mode in working)


def alternatives(
    entry: Entry, index: FunctionIndex, working: Collection[str], has: Has
) -> list[Other]:
    """Return what answers the same question as an entry and works here, at most MAX_OTHERS: first
    what traces the same calls, then presets, then the system calls that lead to it.

    `working` are the modes that this kernel allows; `has` is that of `app.presets.resolve`.
    """

    def found(each: Instead) -> bool:
        other = index.lookup(each.kind, each.name)
        return other is not None and works(other, working)

    offered = {Target(each.kind, each.name): each.note for each in same_calls(entry) if found(each)}
    for preset in PRESETS.values():
        if any(_is_of(candidate, entry) for candidate in preset.candidates) and _shows_more(
            preset, entry, index, working, has
        ):
            offered[Target(PRESET, preset.name)] = preset.help
    for each in callers(entry):
        if found(each):
            offered.setdefault(Target(each.kind, each.name), each.note)
    return [Other(target, note) for target, note in offered.items()][:MAX_OTHERS]


def _is_of(candidate: Candidate, entry: Entry) -> bool:
    names = (entry.full_name, entry.twin_of, *entry.twins)
    return candidate.kind == entry.kind and candidate.name in names


def _shows_more(
    preset: Preset, entry: Entry, index: FunctionIndex, working: Collection[str], has: Has
) -> bool:
    """Return whether a preset works here by anything else than the entry itself."""
    candidate = resolve(preset.name, None, has, working).candidate
    if candidate is None or preset.has_own_programs:
        return candidate is not None
    traced = index.lookup(candidate.kind, candidate.name)
    is_other = traced is not None and traced.full_name != entry.full_name
    return is_other and traced is not None and works(traced, working)
