# SPDX-License-Identifier: Apache-2.0
"""Fixtures of the tests that run the real service; imported by their conftest.py."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.support import kernel
from tests.support.calls import FUNCTION_MODES, Workload
from tests.support.service import Service, running_service
from tests.support.waiting import wait_until

MODES = (*FUNCTION_MODES, "tracepoint")
GIVEN_TEMPLATES = "PROBEDECK_TEST_TEMPLATES"  # of a machine (app/machine/templates.py)


def skip(reason: str) -> None:
    """Skip the test with its reason, or fail it where every kernel test must run."""
    if kernel.forced():
        pytest.fail(f"must run here, but: {reason}")
    pytest.skip(reason)


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache folder shared by all services of the session."""
    folder = tmp_path_factory.mktemp("cache")
    folder.chmod(0o700)
    if given := os.environ.get(GIVEN_TEMPLATES):
        shutil.copytree(given, folder, dirs_exist_ok=True)
    return folder


@pytest.fixture(scope="session")
def session_service(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Iterator[Service]:
    """One service for the whole session: its start takes long under emulation."""
    if os.geteuid() != 0:
        skip("tracing needs root")
    if not kernel.in_initial_pid_namespace():
        skip("rows have ids of the initial pid namespace, and this process is in another")
    with running_service(tmp_path_factory.mktemp("service"), cache) as service:
        yield service


@pytest.fixture(scope="module")
def strict(
    tmp_path_factory: pytest.TempPathFactory, cache: Path, modes: tuple[str, ...]
) -> Iterator[Service]:
    """A service that lets nobody in without a token."""
    with running_service(tmp_path_factory.mktemp("strict"), cache, "--require-token") as service:
        yield service


@pytest.fixture(scope="session")
def modes(session_service: Service) -> tuple[str, ...]:
    """The modes this kernel allows; all five where every test must run."""
    probes = session_service.probes()
    refused = {mode: probes[mode]["reason"] for mode in MODES if not probes[mode]["available"]}
    if kernel.forced():
        assert not refused
    if len(refused) == len(MODES):
        pytest.skip(f"this kernel offers no mode: {refused}")
    return tuple(mode for mode in MODES if mode not in refused)


@pytest.fixture(params=MODES)
def mode(request: pytest.FixtureRequest, session_service: Service) -> str:
    """Each mode in turn; skipped, with the service's reason, where the kernel refuses it."""
    name = str(request.param)
    probe = session_service.probes()[name]
    if not probe["available"]:
        skip(probe["reason"])
    return name


@pytest.fixture
def idle(session_service: Service) -> Service:
    """The service with no probe running and none of its objects in the kernel."""
    stop_all(session_service)
    session_service.wait_until_gone_from_kernel()
    return session_service


@pytest.fixture
def tracing(session_service: Service, modes: tuple[str, ...]) -> Service:
    """The service with every mode running, without a filter.

    Probes keep running for the next test that needs them: a start takes seconds under emulation.
    """
    trace_all(session_service, modes)
    return session_service


def trace_all(service: Service, modes: tuple[str, ...]) -> None:
    """Run every mode without a filter; start those that do not run yet, all at once."""
    probes = service.probes()
    waiting = [mode for mode in modes if probes[mode]["state"] != "running"]
    for mode in set(modes).difference(waiting):
        if probes[mode]["duration_s"] is None:
            service.expect(200, "PATCH", f"/probes/{mode}", {"filter": None})
        else:
            service.stop(mode)
            waiting.append(mode)
    start_all(service, waiting)


def start_all(service: Service, modes: Iterable[str], **spec: object) -> dict[str, Any]:
    """Start these modes at the same time and return their probes by mode."""
    modes = tuple(modes)
    with ThreadPoolExecutor(len(MODES)) as pool:
        return dict(zip(modes, pool.map(lambda m: service.start(m, **spec), modes), strict=True))


def stop_all(service: Service) -> None:
    """Stop every running probe, including those that a failed test left."""
    for name, probe in service.probes().items():
        if probe["state"] in {"starting", "running", "stopping"}:
            service.request("DELETE", f"/probes/{name}")
    wait_until(
        lambda: {p["state"] for p in service.probes().values()} <= {"stopped", "failed"},
        "all probes to stop",
    )


@pytest.fixture
def workload() -> Iterator[Workload]:
    with Workload() as running:
        yield running
