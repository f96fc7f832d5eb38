# SPDX-License-Identifier: Apache-2.0
"""Packages that may not import app/probes/modes.py name modes themselves: all name the same."""

from __future__ import annotations

import re

from app import ROOT
from app.columns import starts, subject
from app.columns.trace_target import KINDS
from app.kernel import functions_reasons
from app.link.compiler import TEMPLATES_OF
from app.presets import preset
from app.presets.deletions import not_seen
from app.presets.deletions.columns import OF_CALL
from app.probes.modes import MODES, PREFERENCE
from app.probes.spec import FUNCTION, MODES_OF_KIND, PRESET
from app.server import announce
from app.tracer import plan_programs
from app.tracer.template_source import TEMPLATES

OF_FUNCTIONS = MODES_OF_KIND[FUNCTION]
AT_RETURN = tuple(mode for mode in OF_FUNCTIONS if MODES[mode].sees_return)


def test_all_modes() -> None:
    assert preset.ALL_MODES == MODES_OF_KIND[PRESET] == not_seen.ALL == tuple(MODES)
    assert set(PREFERENCE) == set(MODES)
    assert len(PREFERENCE) == len(MODES)


def test_modes_of_kinds() -> None:
    assert MODES_OF_KIND.keys() - {PRESET} == set(KINDS)
    assert {kind: MODES_OF_KIND[kind] for kind in KINDS} == subject.MODES_OF


def test_modes_of_functions() -> None:
    assert subject.FUNCTION_MODES == not_seen.FUNCTION_MODES == OF_FUNCTIONS
    assert set(functions_reasons.TRAMPOLINES + functions_reasons.KPROBES) == set(OF_FUNCTIONS)
    assert set(preset.AT_RETURN + preset.AT_ENTRY) == set(OF_FUNCTIONS)
    assert set(announce.TRACING) == set(OF_FUNCTIONS)


def test_modes_that_see_the_return() -> None:
    assert subject.RETURN_MODES == functions_reasons.AT_RETURN == preset.AT_RETURN == AT_RETURN


def test_trampolines() -> None:
    assert starts.TRAMPOLINES == plan_programs.TRAMPOLINES == functions_reasons.TRAMPOLINES


def test_templates_of_modes() -> None:
    assert TEMPLATES_OF.keys() == set(MODES)
    assert sorted(name for names in TEMPLATES_OF.values() for name in names) == sorted(TEMPLATES)


def test_columns_of_deletions_on_the_page() -> None:
    """`columnsWithPath` names the modes' own, in their order."""
    text = (ROOT / "static/js/probes/target.js").read_text()
    body = re.search(r"columnsWithPath\(mode\) \{(.*?)\n\}", text, re.S)
    assert body
    of_call, others = (re.findall(r'"(\w+)"', line) for line in re.findall(r"\[.*\]", body[1]))
    for mode in MODES.values():
        wanted = [*(of_call if mode.name == "tracepoint" else []), *others]
        assert wanted == [column.name for column in OF_CALL[mode.name]]


def test_the_page() -> None:
    """Its modes of functions are in the order of preference."""
    text = (ROOT / "static/js/probes/functions.js").read_text()
    listed = re.search(r"function: \[(.*?)\]", text)
    assert listed
    wanted = [mode for mode in PREFERENCE if mode in OF_FUNCTIONS]
    assert re.findall(r'"(\w+)"', listed[1]) == wanted
