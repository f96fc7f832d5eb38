# SPDX-License-Identifier: Apache-2.0
"""The presets as data: names that can be used, columns that do not collide."""

from __future__ import annotations

import re
from itertools import combinations

import pytest

from app import ROOT
from app.presets.deletions.hooks import FUNCTIONS, SYSCALLS
from app.presets.preset import (
    ALL_MODES,
    BY_TRACEPOINT,
    FUNCTION,
    SYSCALL,
    TRACEPOINT,
    Candidate,
    Preset,
)
from app.presets.table import PRESETS

CANDIDATES = [
    pytest.param(preset, candidate, id=f"{preset.name}-{candidate.name}-{index}")
    for preset in PRESETS.values()
    for index, candidate in enumerate(preset.candidates)
]
# What every row has (app/columns/column.py, app/web/api/rows.py) beside the columns asked for.
ALWAYS = {"time", "probe", "mode", "pid", "tid", "uid", "process", "comm"}
ALWAYS |= {"ret", "errno", "latency_ns"}


def column_names(candidate: Candidate) -> list[str]:
    return [re.split(r"\s+as\s+", column)[-1] for column in candidate.columns]


def test_the_questions_of_the_design_have_presets() -> None:
    assert list(PRESETS) == [
        "deletions",
        "renames",
        "opens",
        "process-starts",
        "process-exits",
        "tcp-connects",
        "tcp-accepts",
        "block-io",
        "page-cache-misses",
        "oom-kills",
        "signals",
    ]
    assert [name for name, preset in PRESETS.items() if preset.has_own_programs] == ["deletions"]


def test_deletions_are_what_their_own_programs_trace() -> None:
    candidates = PRESETS["deletions"].candidates
    functions = [each.name for each in candidates if each.kind == FUNCTION]
    assert functions == list(FUNCTIONS)
    assert {each.name for each in candidates if each.kind == SYSCALL} <= set(SYSCALLS)


@pytest.mark.parametrize("preset", PRESETS.values(), ids=lambda preset: preset.name)
def test_a_preset_can_be_named_and_explained(preset: Preset) -> None:
    assert re.fullmatch(r"[a-z0-9][a-z0-9._-]{0,31}", preset.name)
    assert preset.title
    assert not re.search(r"[.!?]", preset.help), "one sentence without the full stop"
    assert len(set(preset.candidates)) == len(preset.candidates)


@pytest.mark.parametrize(("preset", "candidate"), CANDIDATES)
def test_a_candidate_s_name_fits_its_kind_and_modes(preset: Preset, candidate: Candidate) -> None:
    patterns = {FUNCTION: r"\w+", SYSCALL: r"[a-z0-9_]+", TRACEPOINT: r"\w+:\w+"}
    assert re.fullmatch(patterns[candidate.kind], candidate.name)
    if candidate.kind == FUNCTION:
        assert set(candidate.modes) <= set(ALL_MODES) - set(BY_TRACEPOINT)
    else:
        assert candidate.modes == BY_TRACEPOINT
    assert len(set(candidate.modes)) == len(candidate.modes) > 0
    for member in candidate.needs:
        assert re.fullmatch(r"(\w+|\w+:\w+)\.\w+", member)


@pytest.mark.parametrize(("preset", "candidate"), CANDIDATES)
def test_columns_have_short_names_of_their_own(preset: Preset, candidate: Candidate) -> None:
    names = column_names(candidate)
    assert all(re.fullmatch(r"[a-z][a-z0-9_]*", name) for name in names), names
    assert len(set(names)) == len(names)
    assert not set(names) & ALWAYS


@pytest.mark.parametrize(("preset", "candidate"), CANDIDATES)
def test_the_condition_is_about_its_columns(preset: Preset, candidate: Candidate) -> None:
    if candidate.where is not None:
        tested = set(re.findall(r"([a-z_]+)\s*[!<>=]", candidate.where))
        assert tested
        assert tested <= set(column_names(candidate))


@pytest.mark.parametrize("preset", PRESETS.values(), ids=lambda preset: preset.name)
def test_no_candidate_hides_a_later_one(preset: Preset) -> None:
    """A later candidate has another name, or the earlier one needs more."""
    for first, later in combinations(preset.candidates, 2):
        same = (first.kind, first.name) == (later.kind, later.name)
        assert not same or set(first.needs) - set(later.needs)


@pytest.mark.parametrize("preset", PRESETS.values(), ids=lambda preset: preset.name)
def test_each_is_documented_with_what_it_traces(preset: Preset) -> None:
    page = (ROOT / "docs/presets.md").read_text()
    _, _, rest = page.partition(f"\n## `{preset.name}`: {preset.title}\n")
    section = rest.partition("\n## ")[0]
    assert section, f"docs/presets.md has no section on {preset.name}"
    for candidate in preset.candidates:
        assert f"`{candidate.name}`" in section
    known = dict.fromkeys(text for each in preset.candidates for text in each.not_seen)
    rows = section.partition("| not seen | by |")[2].partition("\n\n")[0]
    assert re.findall(r"^\| ([^|-][^|]*) \|", rows, re.MULTILINE) == list(known)
    assert all(text.endswith(".") for text in known)
