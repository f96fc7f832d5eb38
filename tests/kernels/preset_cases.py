# SPDX-License-Identifier: Apache-2.0
"""What each preset must show of a workload of tests/support/any_workload.py: data only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tests.kernels.any_functions import (
    ANYTHING,
    fact,
    folder,
    here_to_there,
    inode,
    there_to_here,
)
from tests.support.any_workload import COMM, PROGRAM, SECTOR, VICTIM


@dataclass(frozen=True)
class PresetCase:
    """`events` are the rows that the workload causes: for each exactly one has these columns.

    Of all rows, as many as `events` have the value of `counted`. `needs_machine`: the workload
    changes settings of the whole system.
    """

    preset: str
    workload: str
    events: tuple[Mapping[str, Any], ...]
    counted: tuple[str, Any] | None = None
    needs_machine: bool = False


def below_mount(name: str) -> Any:
    """A path from the root of the file system at /dev/shm, whose mount is not known."""
    return lambda facts: "…" + folder(name)(facts).removeprefix("/dev/shm")


def comm_of(pid: str, name: bytes = COMM) -> Any:
    return lambda facts: f"{name.decode()} ({facts[pid]})"


BY_FUNCTION = (
    PresetCase(
        "renames",
        "names",
        ({"old": below_mount("second"), "new": below_mount("third"), "replaced": None},),
        counted=("pid", fact("pid")),
    ),
    PresetCase(
        "opens",
        "opens",
        (
            {"dfd": -100, "filename": fact("path"), "flags": 0o2100102, "permissions": 0o612},
            {"dfd": -100, "filename": "/dev/shm/missing-deck", "permissions": 0},
        ),
        counted=("pid", fact("pid")),
    ),
    PresetCase(
        "process-starts",
        "programs",
        ({"pid": fact("runs"), "filename": PROGRAM, "argc": 3, "comm": "true"},),
        counted=("pid", fact("runs")),
    ),
    PresetCase(
        "process-exits",
        "programs",
        (
            {"pid": fact("runs"), "status": 0},
            {"pid": fact("ends"), "status": 7 << 8},
            {"pid": fact("killed"), "status": 10},
        ),
    ),
    PresetCase(
        "tcp-connects",
        "connections",
        ({"connection": here_to_there, "family": 2, "sport": fact("here_port")},),
        counted=("pid", fact("pid")),
    ),
    PresetCase(
        "tcp-accepts",
        "connections",
        ({"connection": there_to_here, "family": 2},),
        counted=("pid", fact("pid")),
    ),
    PresetCase(
        "block-io",
        "disks",
        ({"disk": fact("disk"), "sector": SECTOR, "nr_bytes": 4096, "error": 0},),
        needs_machine=True,
    ),
    PresetCase(
        "page-cache-misses",
        "uncached",
        ({"pid": fact("pid"), "inode": inode(), "index": 0},),
    ),
    PresetCase(
        "oom-kills",
        "out_of_memory",
        ({"victim": comm_of("victim", VICTIM), "message": ANYTHING},),
        needs_machine=True,
    ),
    PresetCase(
        "signals",
        "signals",
        # Without `code`: kill(2) of newer kernels passes no siginfo on.
        ({"sig": 10, "target": comm_of("killed"), "pid": fact("pid")},),
    ),
)
BY_TRACEPOINT = (
    PresetCase("renames", "names", ({"old": folder("second"), "new": folder("third")},)),
    PresetCase(
        "opens",
        "opens",
        (
            {"dfd": -100, "filename": fact("path"), "ret": fact("fd"), "errno": None},
            {"filename": "/dev/shm/missing-deck", "ret": -2, "errno": "ENOENT"},
        ),
        counted=("pid", fact("pid")),
    ),
    PresetCase("process-starts", "programs", ({"pid": fact("runs"), "filename": PROGRAM},)),
    PresetCase(
        "process-exits",
        "programs",
        tuple({"pid": fact(name), "prio": 120} for name in ("runs", "ends", "killed")),
    ),
    PresetCase(
        "tcp-connects",
        "connections",
        ({"pid": fact("pid"), "dport": fact("port"), "family": 2, "daddr": "[127, 0, 0, 1]"},),
    ),
    PresetCase("tcp-accepts", "connections", ({"sport": fact("port"), "family": 2},)),
    PresetCase(
        "page-cache-misses", "uncached", ({"pid": fact("pid"), "i_ino": fact("ino"), "index": 0},)
    ),
    PresetCase("oom-kills", "out_of_memory", ({"victim_pid": fact("victim")},), needs_machine=True),
    PresetCase(
        "signals",
        "signals",
        ({"sig": 10, "target_pid": fact("killed"), "code": 0, "group": 1, "result": 0},),
    ),
)
