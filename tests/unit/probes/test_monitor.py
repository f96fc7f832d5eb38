# SPDX-License-Identifier: Apache-2.0
"""Polling probes: tracers that hang, and counters that moved."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from app.hub import Hub
from app.probes.modes import MODES
from app.probes.monitor import INTERVAL_S, Monitor
from app.probes.probe import Probe
from app.probes.run_end import End
from app.probes.spec import ProbeSpec

SILENCE_S = 5.0


class FakeRun:
    """A fake of app.probes.run.TracerRun, as far as the monitor reads it."""

    def __init__(self) -> None:
        self.silent_polls = 0
        self.attached = True
        self.end: End | None = None
        self.killed_for: End | None = None

    def kill(self, why: End) -> None:
        self.killed_for = why


class FakeNotifier:
    """A fake of app.probes.notifier.Notifier."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def tell(self, probe: Probe) -> None:
        self.told.append(probe.id)


class Stage:
    def __init__(self) -> None:
        self.hub, self.notifier = Hub(1 << 20, 1 << 20), FakeNotifier()
        self.probe, self.run = Probe(MODES["fexit"]), FakeRun()
        self.monitor = Monitor(
            lambda: [self.probe],
            self.hub,
            self.notifier,  # type: ignore[arg-type]
            threading.Event(),
            SILENCE_S,
        )
        with self.probe.changed:
            self.probe.start(self.run, ProbeSpec())  # type: ignore[arg-type]
            self.probe.follow_run()


def poll(stage: Stage, count: int) -> None:
    for _ in range(count):
        stage.monitor.poll()


def test_a_silent_tracer_is_killed() -> None:
    stage = Stage()
    poll(stage, int(SILENCE_S / INTERVAL_S))
    assert stage.run.killed_for is None
    poll(stage, 1)
    killed_for = stage.run.killed_for
    assert killed_for and killed_for.extra == {"reason": "no sign of life"}


def test_a_word_in_time_is_enough() -> None:
    stage = Stage()
    for _ in range(3):
        poll(stage, int(SILENCE_S / INTERVAL_S))
        stage.run.silent_polls = 0
    assert stage.run.killed_for is None


@pytest.mark.parametrize("spared", ["ended", "stopping", "not attached", "no run"])
def test_others_are_left_alone(spared: str) -> None:
    stage = Stage()
    if spared == "ended":
        stage.run.end = End("duration", "over")
    elif spared == "stopping":
        with stage.probe.changed:
            stage.probe.stop()
    elif spared == "not attached":
        stage.run.attached = False
    else:
        stage.probe.run = None
    poll(stage, 1000)
    assert stage.run.killed_for is None


def test_counters_are_told_when_they_moved() -> None:
    stage = Stage()
    told: Any = stage.notifier.told
    poll(stage, 1)
    ledger = stage.hub.begin_run("fexit")
    poll(stage, 2)
    assert told == ["fexit"]  # as at first, all are zero
    stage.hub.publish(ledger, 3, b"")
    poll(stage, 2)
    assert told == ["fexit"] * 2
