# SPDX-License-Identifier: Apache-2.0
"""What goes to the filter map, and what is read of the programs' runs."""

from __future__ import annotations

import pytest

from app.linux.bpf import ProgInfo
from app.probes.spec import Filter
from app.tracer.programs import filter_struct, runs_at_entry


@pytest.mark.parametrize(
    ("wanted", "tests"),
    [
        (Filter(), 0),
        (Filter(pid=1), 1),
        (Filter(uid=0), 2),  # root is user 0: asked for, not absent
        (Filter(comm="rm"), 4),
        (Filter(only_failures=True), 8),
        (Filter(process="rm"), 16),
        (Filter(5, 6, "x", True, "y"), 31),
    ],
)
def test_filter_asks_for_what_was_given(wanted: Filter, tests: int) -> None:
    assert filter_struct(wanted, True).tests == tests


def test_comm_is_its_bytes() -> None:
    assert filter_struct(Filter(comm="é"), True).comm == "é".encode()
    assert filter_struct(Filter(process="é"), True).process == "é".encode()


def test_a_rename_is_one_call() -> None:
    """In it `vfs_rename` runs too, on some file systems more than once."""
    runs = {
        "kfunc__do_unlinkat": 3,
        "kfunc__do_renameat2": 5,
        "kfunc__vfs_rename": 7,
        "kretfunc__do_renameat2": 5,
        "raw_tracepoint__sched_process_exit": 11,
    }
    infos = {name: ProgInfo(1, 2, name, "", 0, count, 0) for name, count in runs.items()}
    assert runs_at_entry(infos) == 8
