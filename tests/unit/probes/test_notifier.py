# SPDX-License-Identifier: Apache-2.0
"""What clients are told as a change of state."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from app.hub import Hub
from app.kernel.availability import Availability
from app.probes.describe import MOVING
from app.probes.kernel_check import KernelAnswer
from app.probes.modes import MODES
from app.probes.notifier import Notifier
from app.probes.probe import Probe
from app.probes.spec import ProbeSpec

KERNEL = KernelAnswer("6.1", "x86_64", "lab", {name: Availability(True, "f") for name in MODES})


@pytest.mark.parametrize("is_moving", [True, False])
def test_a_change_of_what_always_moves_is_no_change_of_state(is_moving: bool) -> None:
    hub = Hub(1 << 20, 1 << 20)
    run = SimpleNamespace(
        function="g", attached=True, end=None, blind=None, drops={"ring_full": 3}, cost={"calls": 2}
    )
    probe = Probe(MODES["fexit"])
    with probe.changed:
        probe.start(run, ProbeSpec())  # type: ignore[arg-type]
    notifier = Notifier(hub, lambda: KERNEL)
    with hub.subscribe(
        kind="test", peer="-", probes=None, recent=False, states_in_order=True
    ) as client:
        notifier.tell(probe)
        client.get(0)
        if is_moving:
            run.cost, run.drops = None, {}
            hub.begin_run("fexit")
        else:
            run.function = "h"
        before, after = client.get(0), notifier.tell(probe)
        told = [message["probe"] for message in client.get(0)]  # type: ignore[index]
    assert before == []
    assert told == ([] if is_moving else [after])
    assert set(MOVING) <= after.keys()
