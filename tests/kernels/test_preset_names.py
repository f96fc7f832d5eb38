# SPDX-License-Identifier: Apache-2.0
"""The names that presets need, on this kernel: as recorded, traceable, and enough for them."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from app import ROOT
from app.linux import tracefs
from app.presets.kernel_names import names_here
from app.presets.preset import ALL_MODES, FUNCTION
from app.presets.resolve import names_needed, resolve
from app.presets.table import PRESETS

BTF = Path("/sys/kernel/btf/vmlinux")


@pytest.fixture(scope="module")
def names() -> frozenset[tuple[str, str]]:
    return names_here(names_needed(), btf_path=BTF)


def test_the_recording_is_current(names: frozenset[tuple[str, str]]) -> None:
    """In tests/vectors/preset_names.json, which the unit tests go by."""
    suite = os.environ.get("PROBEDECK_KERNEL_SUITE")
    if suite is None:
        pytest.skip("not in a machine that ./test booted")
    recorded = json.loads((ROOT / "tests/vectors/preset_names.json").read_text())[suite]
    assert recorded == {
        kind: sorted(name for other, name in names if other == kind) for kind in recorded
    }


def test_every_function_has_an_ftrace_entry(names: frozenset[tuple[str, str]]) -> None:
    with tracefs.opened() as folder:
        try:
            text = (folder / "available_filter_functions").read_text()
        except PermissionError:
            pytest.skip("locked down: the list of traceable functions cannot be read")
    traceable = {line.split()[0] for line in text.splitlines()}
    assert {name for kind, name in names if kind == FUNCTION} <= traceable


@pytest.mark.parametrize("preset", PRESETS)
def test_each_preset_has_a_candidate_in_each_of_its_modes(
    preset: str, names: frozenset[tuple[str, str]]
) -> None:
    suited = {mode for one in PRESETS[preset].candidates for mode in one.modes}
    found = {
        mode
        for mode in ALL_MODES
        if resolve(preset, mode, lambda kind, name: (kind, name) in names).candidate
    }
    assert found == suited
