# SPDX-License-Identifier: Apache-2.0
"""What the kernel offers: each mode is either available or refused with a reason."""

from __future__ import annotations

import platform
from pathlib import Path

import pytest

from tests.support import kernel
from tests.support.calls import FUNCTION_MODES
from tests.support.fixtures import MODES
from tests.support.service import Service


def test_every_mode_is_a_probe(session_service: Service) -> None:
    answer = session_service.expect(200, "GET", "/probes")
    assert {probe["id"] for probe in answer["probes"]} == set(MODES)
    for probe in answer["probes"]:
        assert probe["mode"] == probe["id"]
    assert answer["kernel"] == {
        "release": platform.release(),
        "machine": platform.machine(),
        "hostname": platform.node(),
    }


@pytest.mark.suites("bullseye")
def test_the_kernel_can_be_asked_while_probes_run(tracing: Service, modes: tuple[str, ...]) -> None:
    """Before Linux 5.11, all maps count against the limit on locked memory of who makes one."""
    answer = tracing.expect(200, "POST", "/availability")
    assert {probe["id"] for probe in answer["probes"] if probe["available"]} == set(modes)


def test_function_is_the_running_kernels(session_service: Service, mode: str) -> None:
    function = session_service.probe(mode)["function"]
    if mode in FUNCTION_MODES:
        assert function == kernel.deletion_function()
    else:
        assert all(call in function for call in ("unlink", "unlinkat", "rmdir"))


def test_refused_mode_says_why_and_what_works_instead(
    session_service: Service, modes: tuple[str, ...]
) -> None:
    refused = [mode for mode in MODES if mode not in modes]
    if kernel.forced():
        assert not refused
    for mode in refused:
        probe = session_service.probe(mode)
        assert probe["state"] == "stopped"
        problem = session_service.expect(501, "POST", f"/probes/{mode}")
        assert problem["code"] == "unavailable"
        assert problem["reason"] == probe["reason"]
        assert problem["reason"].strip()
        assert set(problem["alternatives"]) == set(modes)
        assert session_service.probe(mode)["state"] == "stopped"


def test_available_mode_has_no_reason_against_it(session_service: Service, mode: str) -> None:
    probe = session_service.probe(mode)
    assert (probe["reason"], probe["hint"]) == (None, None)


def test_no_kernel_headers_are_needed() -> None:
    """In the test machines there are none: what is compiled there was made from BTF."""
    if not kernel.in_test_machine():
        pytest.skip("only the test machines are known to have no kernel headers")
    modules = Path("/lib/modules", platform.release())
    assert not (modules / "build").exists()
    assert not (modules / "source").exists()
