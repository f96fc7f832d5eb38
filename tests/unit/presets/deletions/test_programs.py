# SPDX-License-Identifier: Apache-2.0
"""What is read of the programs' runs."""

from __future__ import annotations

from app.linux.bpf import ProgInfo
from app.presets.deletions.programs import runs_at_entry


def test_a_rename_is_one_call() -> None:
    """In it `vfs_rename` runs too, on some file systems more than once."""
    runs = {
        "on_entry": 3,
        "on_rename": 5,
        "on_vfs_rename": 7,
        "on_rename_return": 5,
        "raw_tracepoint__sched_process_exit": 11,
    }
    infos = {name: ProgInfo(1, 2, name, "", 0, count, 0) for name, count in runs.items()}
    assert runs_at_entry(infos) == 8
