# SPDX-License-Identifier: Apache-2.0
"""What each preset traces in each mode, or why it cannot: as a start gives it."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import pytest

from app.columns.column import CALLER, RESULT
from app.kernel.availability import Availability
from app.presets.deletions.own_plan import own_plan
from app.presets.preset import ALL_MODES, AT_ENTRY, BY_TRACEPOINT, RESULTS
from app.presets.resolve import names_needed
from app.presets.table import PRESETS
from app.probes.kernel_check import KernelAnswer
from app.probes.preset_modes import presets_json

NEEDED = frozenset(names_needed())
CALLS = "sys_enter/exit: one, another"


def kernel(refused: Collection[str] = ()) -> KernelAnswer:
    modes = {
        mode: Availability(False, None, "EPERM: not permitted")
        if mode in refused
        else Availability(True, CALLS if mode in BY_TRACEPOINT else "do_unlinkat")
        for mode in ALL_MODES
    }
    return KernelAnswer("6.1", "x86_64", "lab", modes, {mode: [f"{mode}."] for mode in ALL_MODES})


def described(
    refused: Collection[str] = (), names: Collection[tuple[str, str]] = NEEDED
) -> dict[str, Any]:
    found = presets_json(kernel(refused), lambda *pair: pair in names)
    return {preset["name"]: preset for preset in found}


def mode_of(preset: dict[str, Any], mode: str) -> dict[str, Any]:
    (found,) = (each for each in preset["modes"] if each["mode"] == mode)
    return found


def test_all_of_them_in_every_mode() -> None:
    found = described()
    assert list(found) == list(PRESETS)
    for name, preset in found.items():
        assert (preset["title"], preset["help"]) == (PRESETS[name].title, PRESETS[name].help)
        assert [each["mode"] for each in preset["modes"]] == list(ALL_MODES)
        assert mode_of(preset, preset["mode"])["available"]


def test_what_is_traced_in_a_mode() -> None:
    opens = described()["opens"]
    assert opens["mode"] == "fexit"
    by_call = mode_of(opens, "tracepoint")
    not_seen = by_call.pop("not_seen")
    assert by_call == {
        "mode": "tracepoint",
        "available": True,
        "reason": None,
        "kind": "syscall",
        "target": "openat",
        "columns": ["dfd", "filename", "hex(flags) as flags", "hex(mode) as permissions"],
        "where": None,
    }
    assert "Files opened by open, openat2 and creat." in not_seen


@pytest.mark.parametrize("mode", ALL_MODES)
def test_what_modes_at_entry_do_not_show(mode: str) -> None:
    found = described()
    assert (RESULTS in mode_of(found["opens"], mode)["not_seen"]) == (mode in AT_ENTRY)
    assert RESULTS not in mode_of(found["block-io"], mode)["not_seen"]  # its result says nothing


@pytest.mark.parametrize("mode", ALL_MODES)
def test_what_programs_of_its_own_trace(mode: str) -> None:
    """As a start shows it: what they are attached to, the columns, and what is not seen."""
    found = mode_of(described()["deletions"], mode)
    head = {column.name for column in (*CALLER, *RESULT)}
    columns = [output.column.name for output in own_plan("deletions", mode).outputs]
    assert found["columns"] == [name for name in columns if name not in head]
    is_call = mode in BY_TRACEPOINT
    assert (found["kind"], found["target"]) == (
        ("syscall", CALLS) if is_call else ("function", "do_unlinkat")
    )
    assert found["not_seen"] == [f"{mode}."]


def test_a_mode_that_the_kernel_refuses() -> None:
    found = described(set(ALL_MODES) - set(BY_TRACEPOINT))
    assert found["opens"]["mode"] == "tracepoint"
    fexit = mode_of(found["opens"], "fexit")
    assert (fexit["available"], fexit["reason"]) == (False, "EPERM: not permitted")
    assert (fexit["kind"], fexit["target"], fexit["columns"], fexit["not_seen"]) == (
        *(None, None),
        *([], []),
    )
    # No kernel could do this: that reason comes first.
    assert "cannot be seen in mode fentry" in mode_of(found["tcp-accepts"], "fentry")["reason"]
    assert found["block-io"]["mode"] is None


def test_a_function_that_the_kernel_lacks() -> None:
    preset = described(names=NEEDED - {("function", "tcp_connect")})["tcp-connects"]
    assert preset["mode"] == "tracepoint"
    assert mode_of(preset, "fexit")["reason"] == "this kernel has no function tcp_connect"
