# SPDX-License-Identifier: Apache-2.0
"""Running a kernel test again when the kernel itself says that it hid calls from the programs.

Linux 7.3 preempts the kernel, and runs no program twice at once on a CPU, so now and then it leaves
a call out and counts it (`recording.skipped_calls`). A test that counts rows cannot pass then,
whatever Probedeck does. Such a failure, and no other, is tried again.
"""

from __future__ import annotations

import inspect
import os
from collections.abc import Iterable

import pytest

from tests.support.client import Client
from tests.support.recording import NEVER_PREEMPTED

TRIES = 3


def told(clients: Iterable[Client], *, ask: bool = False) -> int:
    """Return how many calls the kernel has said that it hid, in all runs of probes that these
    clients have seen: up to a moment ago, or up to now if the tracers are asked."""
    total = 0
    for client in clients:
        probes = client.probes()
        if ask:
            client.accounts(name for name, probe in probes.items() if probe["state"] == "running")
        total += sum(client.skips.values())
    return total


def run(item: pytest.Function) -> None:
    """Run the test once more for each time that it failed while the kernel hid calls."""
    names = inspect.signature(item.obj).parameters
    clients = [value for value in item.funcargs.values() if isinstance(value, Client)]
    for left in reversed(range(TRIES)):
        before = told(clients)
        try:
            item.obj(**{name: item.funcargs[name] for name in names})
        except AssertionError as error:
            skips = told(clients, ask=True) - before
            if not left or not skips:
                raise
            print(f"again, as the kernel left {skips} calls out, which it counted: {error}")
        else:
            return


def applies() -> bool:
    """Return whether this kernel may hide calls."""
    return os.environ.get("PROBEDECK_KERNEL_SUITE") not in NEVER_PREEMPTED
