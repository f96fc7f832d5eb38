# SPDX-License-Identifier: Apache-2.0
"""A real systemd with the service installed in it: started once for all tests of this folder."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from app import ROOT
from app.presets.deletions.sources import TEMPLATE_OF
from tests.support import kernel
from tests.support.client import Client
from tests.support.fixtures import GIVEN_TEMPLATES, MODES, skip
from tests.support.kernel import Process
from tests.support.service import free_port
from tests.support.systemd import SYSTEMD, Systemd, running_systemd
from tests.support.waiting import START_PATIENCE_S, wait_until

# In a home, under a name with every character that is special in a unit file.
PROJECT = Path("/home/some body/100%n $HOME ${HOME} a;b:c @FILES@ #")
UNIT = "probedeck.service"


class Installed(Client):
    """The service under its unit."""

    def __init__(self, systemd: Systemd) -> None:
        super().__init__(free_port())
        self.systemd = systemd

    def command(self, *arguments: str, **environment: str) -> str:
        """Run `./run service`, as `run` hands over to it; return its output."""
        python = Path(sys.executable)
        if python.is_relative_to(ROOT):
            python = PROJECT / python.relative_to(ROOT)
        assigned = [f"{name}={value}" for name, value in environment.items()]
        return self.systemd.run(
            *("env", f"--chdir={PROJECT}", "PYTHONDONTWRITEBYTECODE=1", *assigned),
            *(str(python), "-m", "app", "service", *arguments),
        )

    def install(self, **environment: str) -> str:
        """Install the service with the time-outs that emulation needs; return the output."""
        options = [f"--start-timeout-s={START_PATIENCE_S}", "--stop-timeout-s=100"]
        options.append("--tracer-silence-s=200")
        return self.command("install", f"--port={self.port}", *options, **environment)

    def wait_until_ready(self) -> dict[str, str]:
        """Wait until it answers and knows its modes; return the unavailable ones with reasons."""

        def checked() -> dict[str, str | None] | None:
            try:
                probes = self.probes()
            except OSError:
                return None
            ready = all(probes[mode]["available"] is not None for mode in MODES)
            return {mode: probes[mode]["reason"] for mode in MODES} if ready else None

        reasons = wait_until(checked, "the service to know its modes")
        return {mode: reason for mode, reason in reasons.items() if reason}

    def show(self, name: str) -> str:
        """Return a property of the unit."""
        return self.systemd.run("systemctl", "show", "--value", f"--property={name}", UNIT).strip()

    def journal(self) -> str:
        """Return the messages of the service, and of systemd about it."""
        return self.systemd.run("journalctl", "--no-pager", f"--unit={UNIT}")

    def processes(self) -> list[Process]:
        """Return the unit's processes: gunicorn's arbiter, its worker, and that one's children."""
        (first,) = (
            process
            for process in kernel.processes()
            if process.parent == self.systemd.pid and "app" in process.command
        )
        return [first, *(p for p in kernel.descendants(first.pid) if p.alive)]

    def bpf_objects(self) -> set[kernel.BpfObject]:
        """Return the BPF objects that its processes hold."""
        return kernel.bpf_objects_held_by(p.pid for p in self.processes())


@pytest.fixture(scope="session")
def systemd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Systemd]:
    if os.geteuid() != 0:
        skip("systemd runs as root")
    if not SYSTEMD.exists():
        skip("systemd is not installed")
    with running_systemd(tmp_path_factory.mktemp("systemd") / "systemd.log") as running:
        running.run("mkdir", "--parents", str(PROJECT))
        running.run("mount", "--bind", str(ROOT), str(PROJECT))
        yield running


@pytest.fixture(scope="session")
def installed(systemd: Systemd) -> Installed:
    """The service, installed by its command. The tests end it, in their order."""
    service = Installed(systemd)
    if given := os.environ.get(GIVEN_TEMPLATES):
        # All but one, as compiling takes a minute in emulation.
        left_out = shutil.ignore_patterns(f"template-{TEMPLATE_OF[MODES[-1]]}-*")
        cache = Path(f"/proc/{systemd.pid}/root/var/cache/probedeck")
        shutil.copytree(given, cache, ignore=left_out)
        cache.chmod(0o700)
    said = service.install()
    assert f"Probedeck on http://localhost:{service.port}/" in said
    assert service.show("ActiveState") == "active"
    return service


@pytest.fixture(scope="session")
def offered(installed: Installed) -> tuple[str, ...]:
    """The modes that this kernel offers under the unit; where every test must run, all five."""
    refused = installed.wait_until_ready()
    if kernel.forced():
        assert not refused
    if len(refused) == len(MODES):
        pytest.skip(f"this kernel offers no mode: {refused}")
    return tuple(mode for mode in MODES if mode not in refused)
