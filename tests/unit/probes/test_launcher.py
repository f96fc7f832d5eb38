# SPDX-License-Identifier: Apache-2.0
"""What a tracer and the compiler are asked for."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from app.columns.plan import Plan
from app.config import Settings
from app.errors import ProbedeckError
from app.hub import Hub
from app.kernel.availability import Availability
from app.link.frames import TracerRequest
from app.presets.deletions.own_plan import own_plan
from app.probes import launcher as launcher_module
from app.probes.kernel_check import KernelAnswer
from app.probes.launcher import Launcher
from app.probes.modes import MODES
from app.probes.planning import prepare
from app.probes.probe import Probe
from app.probes.spec import Filter, ProbeSpec, Target
from tests.support.fake_planner import FakePlanner

SETTINGS = replace(Settings(owner_uid=0), ring_mib=2, btf_path=Path("/b"), cache_dir=Path("/c"))


class FakeSpawner:
    """A fake of app.probes.spawner.Spawner that has no process left."""

    def take(self) -> None:
        raise OSError(11, "Resource temporarily unavailable")

    def close(self) -> None:
        pass


class FakePrecompiler:
    """A fake of app.probes.precompile.Precompiler, which remembers its calls."""

    def __init__(
        self, _spawner: object, commands: dict[str, list[str]], missing: list[str]
    ) -> None:
        self.commands, self.missing = commands, missing
        self.calls: list[Any] = []

    def cancel(self, mode: str) -> None:
        self.calls.append(mode)

    def close(self) -> None:
        self.calls.append("close")


@pytest.fixture
def launcher() -> Launcher:
    return Launcher(SETTINGS, Hub(1 << 20, 1 << 20), FakeSpawner())  # type: ignore[arg-type]


def test_the_request(launcher: Launcher) -> None:
    spec = ProbeSpec(Filter(uid=7), 60.0)
    probe = Probe(MODES["fexit"])
    probe.spec = spec
    lines = [launcher.request(probe, "f", 12.5), launcher.request(probe, None, None)]
    first, second = map(TracerRequest.decode, lines)
    assert (first.probe, first.mode, first.function, first.filter) == (
        "fexit",
        "fexit",
        "f",
        spec.filter,
    )
    assert (first.duration_s, first.ring_bytes) == (12.5, 2 << 20)
    assert (first.btf_path, first.cache_dir, first.parent_pid) == ("/b", "/c", os.getpid())
    assert (second.function, second.duration_s) == ("", None)
    assert second.run == first.run + 1
    assert json.loads(lines[0])["filter"]["uid"] == 7
    assert Plan.from_json(first.plan) == own_plan("deletions", "fexit")
    assert first.where is None


def test_the_request_of_a_target(launcher: Launcher) -> None:
    spec = ProbeSpec(target=Target("function", "vfs_read"), columns=("count",), where="count>1")
    probe = Probe(MODES["kprobe"], "reads")
    probe.prepare(prepare(FakePlanner(), "reads", spec, ["fexit"]))
    request = TracerRequest.decode(launcher.request(probe, "do_unlinkat", None))
    assert (request.probe, request.mode, request.function) == ("reads", "fexit", "vfs_read")
    assert Plan.from_json(request.plan) == probe.plan
    assert (
        request.where
        == probe.where.kernel
        == {
            "tests": [{"text": "count>1"}],
            "clauses": [[1, 1]],
        }
    )


def test_what_works_is_precompiled_until_it_is_started(
    launcher: Launcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[FakePrecompiler] = []

    def make(*arguments: Any) -> FakePrecompiler:
        made.append(FakePrecompiler(*arguments))
        return made[-1]

    monkeypatch.setattr(launcher_module, "Precompiler", make)
    modes = {name: Availability(name in ("fexit", "kprobe"), "f") for name in MODES}
    launcher.precompile(KernelAnswer("6.1", "x86_64", "lab", modes))
    (precompiler,) = made
    templates = ["deletions-fexit", "fexit", "deletions-kprobe", "kprobe"]  # the preferred first
    assert list(precompiler.commands) == templates
    assert precompiler.missing[-len(templates) :] == templates
    for template, command in zip(templates, precompiler.commands.values(), strict=True):
        assert command[-3:] == [template, "/b", "/c"]
    with pytest.raises(ProbedeckError, match="Resource temporarily unavailable") as caught:
        launcher.make_run("deleted", own_plan("deletions", "kprobe"), lambda _: None)
    assert (caught.value.status, caught.value.code) == (502, "tracer_failed")
    launcher.close()
    assert precompiler.calls == ["deletions-kprobe", "close"]
