# SPDX-License-Identifier: Apache-2.0
"""What goes to the filter maps, and in which order."""

from __future__ import annotations

import ctypes
import re
from collections.abc import Callable

import pytest

from app import ROOT
from app.probes.spec import Filter
from app.tracer import filter_map
from app.tracer.filter_map import FilterStruct, FilterSwitch, filter_struct

FILTER_C = (ROOT / "bpf/filter.c").read_text()


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


def test_layout_is_that_of_the_c_text() -> None:
    body = re.search(r"struct filter \{(.*?)\n\};", FILTER_C, re.S)
    assert body
    kinds = {ctypes.c_uint32: "u32", ctypes.c_char * 16: "char[16]"}
    assert [
        (name, kind + count)
        for kind, name, count in re.findall(r"^\s+(\w+) (\w+)(\[\d+\])?;", body[1], re.M)
    ] == [(name, kinds[kind]) for name, kind in FilterStruct._fields_]
    tests = dict(re.findall(r"#define (TEST_\w+) (\d+)", FILTER_C))
    assert len(tests) == 5
    for name, bit in tests.items():
        assert getattr(filter_map, name) == int(bit)


class Map:
    """Records what is written to it."""

    def __init__(self, written: list[tuple[str, bytes]], name: str) -> None:
        self._record: Callable[[bytes], None] = lambda what: written.append((name, what))

    def set(self, key: bytes, value: bytes) -> None:
        self._record(key if len(value) > 4 else value)


def test_fills_the_inactive_slot_then_flips(monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[tuple[str, bytes]] = []
    monkeypatch.setattr(filter_map, "wait_for_running_programs", lambda: done.append(("wait", b"")))
    maps = {name: Map(done, name) for name in ("filters", "active_filter")}
    switch = FilterSwitch(maps)  # type: ignore[arg-type]
    for _ in range(3):
        switch.set(Filter(pid=1), enabled=True)
    one, two, three, zero = (number.to_bytes(4, "little") for number in (1, 2, 3, 0))
    assert done == [
        *(("filters", one), ("active_filter", one)),  # nothing passed before: nothing to wait for
        *(("filters", zero), ("active_filter", two), ("wait", b"")),
        *(("filters", one), ("active_filter", three), ("wait", b"")),
    ]
