# SPDX-License-Identifier: Apache-2.0
"""Each preset gives exactly its events, by its function and by its tracepoint."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.linux import tracefs
from app.presets.kernel_names import names_here
from app.presets.preset import FUNCTION, Candidate
from app.presets.resolve import names_needed, resolve
from app.presets.table import PRESETS
from tests.kernels.preset_cases import BY_FUNCTION, BY_TRACEPOINT, PresetCase
from tests.kernels.test_any_functions import expected_of, is_shown
from tests.kernels.test_any_names import ftrace_instance
from tests.support import kernel
from tests.support.any_calls import AnyCalls, any_calls
from tests.support.fixtures import skip
from tests.support.service import Service
from tests.support.suites import SHARING, in_turn

PROBE = "preset-case"
MODULES = Path("/run/vm/kernel")
FUNCTION_MODES = ("fentry", "fexit", "kprobe", "kretprobe")


@pytest.fixture(scope="module")
def calls() -> Iterator[AnyCalls]:
    if kernel.in_test_machine():
        subprocess.run(["modprobe", "-d", MODULES, "loop"], check=True)
    with any_calls() as process:
        yield process


@pytest.fixture(scope="module")
def names() -> frozenset[tuple[str, str]]:
    return names_here(names_needed(), btf_path=Path("/sys/kernel/btf/vmlinux"))


def candidate_in(
    preset: str, mode: str | None, names: frozenset[tuple[str, str]]
) -> Candidate | None:
    return resolve(preset, mode, lambda kind, name: (kind, name) in names).candidate


def test_every_preset_has_a_case() -> None:
    assert {case.preset for case in BY_FUNCTION} == set(PRESETS) - {"deletions"}


@pytest.mark.parametrize("case", BY_FUNCTION, ids=lambda case: case.preset)
def test_its_function_is_called(
    case: PresetCase, names: frozenset[tuple[str, str]], calls: AnyCalls
) -> None:
    candidate = candidate_in(case.preset, "fexit", names)
    assert candidate is not None
    assert candidate.kind == FUNCTION
    with tracefs.opened() as folder:
        try:
            (folder / "available_filter_functions").read_text()
        except PermissionError:
            pytest.skip("locked down: ftrace cannot be used")
        with ftrace_instance(folder) as instance:
            (instance / "set_ftrace_filter").write_text(candidate.name)
            (instance / "current_tracer").write_text("function")
            (instance / "trace").write_text("")
            calls.run(case.workload)
            lines = (instance / "trace").read_text()
    assert re.search(rf": {candidate.name} <-", lines)


def check(service: Service, case: PresetCase, mode: str, calls: AnyCalls) -> None:
    service.start(PROBE, mode=mode, preset=case.preset)
    cursor = service.cursor()
    facts = calls.run(case.workload)
    service.stop(PROBE)
    rows, _ = service.events_after(cursor)
    rows = [row for row in rows if row["probe"] == PROBE]
    for event in case.events:
        wanted = {name: expected_of(expected, facts) for name, expected in event.items()}
        found = [row for row in rows if all(is_shown(row[name], wanted[name]) for name in wanted)]
        assert len(found) == 1, f"{len(found)} rows are {wanted}: {rows[:20]}"
    if case.counted is not None:
        name, expected = case.counted
        value = expected_of(expected, facts)
        assert len([row for row in rows if row[name] == value]) == len(case.events)


@pytest.mark.parametrize(
    ("case", "mode"),
    [  # each preset on each kernel, in another mode
        pytest.param(case, mode, id=f"{case.preset}-{mode}", marks=in_turn(number + place))
        for number, case in enumerate(BY_FUNCTION)
        for place, mode in enumerate(FUNCTION_MODES)
    ],
)
def test_its_events_by_function(
    case: PresetCase, mode: str, idle: Service, modes: tuple[str, ...], calls: AnyCalls
) -> None:
    if mode not in modes:
        skip(f"this kernel does not allow {mode}")
    if not any(mode in one.modes for one in PRESETS[case.preset].candidates):
        answer = idle.request("POST", f"/probes/{PROBE}", {"mode": mode, "preset": case.preset})
        assert answer.status == 501
        assert f"cannot be seen in mode {mode}" in answer.json["reason"]
        return
    check(idle, case, mode, calls)


@pytest.mark.suites(*SHARING)
@pytest.mark.parametrize("case", BY_TRACEPOINT, ids=lambda case: case.preset)
def test_its_events_by_tracepoint(
    case: PresetCase, idle: Service, modes: tuple[str, ...], calls: AnyCalls
) -> None:
    if "tracepoint" not in modes:
        skip("this kernel does not allow tracepoints")
    if case.needs_machine and not kernel.in_test_machine():
        pytest.skip("changes what this machine's other processes share")
    check(idle, case, "tracepoint", calls)
