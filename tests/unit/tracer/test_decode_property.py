# SPDX-License-Identifier: Apache-2.0
"""The encoder against a slow reference that makes row after row in plain Python.

Batches of one width, of one row, of nothing, in any order and of several rings at once: what is
done to all texts together must be what is done to each alone.
"""

from __future__ import annotations

import errno
import itertools
import re
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.columns.column import Column
from app.probes.modes import MODES
from app.tracer.decode import Encoder
from app.tracer.records import (
    CALLS,
    FIRST_RENAME,
    FOLDER_OPEN,
    NAME_BYTES,
    NAME_CUT,
    NAME_UNREADABLE,
    NO_FOLDER,
    REPLACES,
)
from app.tracer.rings import slot_dtype
from tests.unit.tracer.test_decode import decode

WIDTHS = (0, 1, 2, 3, 63, 64, 65, 255, 256, 257, 4094, 4095)
OFFSET_NS = 1_000_000_000
# A byte that is repeated, or a piece: plain, of two and of four bytes, and what is not UTF-8.
PIECES = (b"n", "ż".encode(), "\U0001f600".encode(), b"\xff", b"a\xc3", b"\xa9b", b"\xed\xa0\x80")


@dataclass(frozen=True)
class Call:
    """One record; `name` is None if the kernel could not read it."""

    entry_us: int
    name: bytes | None
    comm: bytes = b"rm"
    ret: int = 0
    call: int = 0
    pid: int = 1
    cut: bool = False
    replaces: bool = False
    call_flags: int = 0
    folder: bytes = b""
    is_open: bool = False
    has_no_folder: bool = False

    @property
    def text(self) -> bytes:
        return self.folder + (self.name or b"")

    @property
    def ring(self) -> str:
        size = len(self.text)
        return next(ring for ring, room in NAME_BYTES.items() if size <= room)


def records(calls: list[Call], ring: str) -> np.ndarray[Any, np.dtype[np.void]]:
    """As they are in a ring; the bytes after a name are left from other names."""
    slots = np.zeros(len(calls), dtype=slot_dtype(NAME_BYTES[ring]))
    slots["name"] = ord("#")
    for slot, call in zip(slots, calls, strict=True):
        slot["entry_ns"] = call.entry_us * 1000
        slot["latency_ns"] = call.entry_us + 1
        slot["ret"] = call.ret
        slot["pid"] = slot["tid"] = slot["uid"] = call.pid
        slot["dfd"] = -call.pid
        slot["flags"] = (
            call.call
            | NAME_CUT * call.cut
            | REPLACES * call.replaces
            | FOLDER_OPEN * call.is_open
            | NO_FOLDER * call.has_no_folder
        )
        slot["call_flags"] = call.call_flags
        slot["name_size"] = NAME_UNREADABLE if call.name is None else len(call.name)
        slot["folder_size"] = len(call.folder)
        slot["name"][: len(call.text)] = np.frombuffer(call.text, dtype=np.uint8)
        slot["comm"][: len(call.comm)] = np.frombuffer(call.comm, dtype=np.uint8)
        slot["process"][: len(call.comm)] = np.frombuffer(call.comm[::-1], dtype=np.uint8)
    return slots


def text(raw: bytes) -> str:
    return raw.decode("utf-8", "backslashreplace")


# As users know them; of others the number.
FLAGS = {
    ("unlinkat", 0): None,
    ("unlinkat", 0x200): "AT_REMOVEDIR",
    ("unlinkat", 0x201): "AT_REMOVEDIR|0x1",
    ("renameat2", 4): "RENAME_WHITEOUT",
    ("rename", 0): None,
    ("rmdir", 0x10): "0x10",
}


def expected(mode: str, call: Call) -> dict[str, Any]:
    error = -call.ret if -4095 <= call.ret < 0 else 0
    path = "…" * call.is_open + text(without_dots(call.text)) + "…" * call.cut
    row = {
        "time": call.entry_us + OFFSET_NS // 1000,
        **dict.fromkeys(("pid", "tid", "uid"), call.pid),
        "process": text(call.comm[::-1]),
        "comm": text(call.comm),
        "syscall": CALLS[call.call],
        "flags": FLAGS[CALLS[call.call], call.call_flags] if call.call_flags else None,
        "replaced": ("yes" if call.replaces else "unknown") if call.call >= FIRST_RENAME else None,
        "dfd": -call.pid,
        "filename": None if call.name is None else text(call.name) + "…" * call.cut,
        "path": None if call.name is None or call.has_no_folder else path,
        "ret": call.ret,
        "errno": errno.errorcode.get(error, f"E{error}") if error else None,
        "latency_ns": call.entry_us + 1,
    }
    return {column.name: row[column.name] for column in columns(mode)}


def without_dots(path: bytes) -> bytes:
    return re.sub(rb"/\.\Z", b"/", re.sub(rb"/(?:\.?/)+", b"/", path))


def columns(mode: str) -> tuple[Column, ...]:
    """All that a mode has."""
    return MODES[mode].chosen([column.name for column in MODES[mode].call])


def check(mode: str, calls: list[Call]) -> None:
    """Encode the calls, each in its ring, in their order there, and compare every row."""
    by_ring = {ring: [call for call in calls if call.ring == ring] for ring in NAME_BYTES}
    parts = [records(some, ring) for ring, some in by_ring.items() if some or not calls]
    data = Encoder(mode, mode, 1, columns(mode)).encode(parts, lambda _: OFFSET_NS)
    rows, _ = decode(data)
    for row in rows:
        row["time"] = round(row["time"].timestamp() * 1_000_000)
    in_parts = itertools.chain.from_iterable(by_ring.values())
    wanted = sorted(in_parts, key=lambda call: call.entry_us)  # stable: ties stay in their order
    assert rows == [expected(mode, call) for call in wanted]


def named(width: int, piece: bytes) -> bytes:
    """Exactly `width` bytes."""
    return (piece * (width // len(piece) + 1))[:width]


@pytest.mark.parametrize("order", ["ascending", "descending"])
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("width", WIDTHS)
def test_names_and_threads_of_one_width(width: int, mode: str, order: str) -> None:
    comms = itertools.cycle((b"r", b"", b"rm", b"c" * 15))
    for rows, piece in itertools.product((1, 2, 9), PIECES):
        comm = next(comms)
        numbers = range(rows) if order == "ascending" else range(rows, 0, -1)
        check(mode, [Call(i, named(width, piece), comm, -2 * (i % 2), i % 4) for i in numbers])


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("names", [[None], [b""], [None] * 9, [b""] * 9, [None, b""] * 8, []])
def test_nothing_to_show(mode: str, names: list[bytes | None]) -> None:
    check(mode, [Call(i, name, b"") for i, name in enumerate(names)])


@pytest.mark.parametrize("mode", MODES)
def test_one_letter_in_each_text(mode: str) -> None:
    """`touch a b c; ./r a b c`: every text of every column is one byte wide."""
    check(mode, [Call(i, name, b"r") for i, name in enumerate((b"a", b"b", b"c"))])


@pytest.mark.parametrize("mode", MODES)
def test_flags_and_what_a_rename_replaced(mode: str) -> None:
    calls = [
        Call(i, b"f", call=CALLS.index(call), call_flags=flags, replaces=bool(i % 2))
        for i, (call, flags) in enumerate(FLAGS)
    ]
    check(mode, calls)
    for call in calls:
        check(mode, [call])
        check(mode, [call] * 3)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("piece", PIECES)
def test_names_that_were_cut(mode: str, piece: bytes) -> None:
    check(mode, [Call(i, named(4095, piece), cut=bool(i % 2)) for i in range(4)])
    check(mode, [Call(0, named(4095, piece), cut=True)])


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("piece", PIECES)
def test_folders(mode: str, piece: bytes) -> None:
    """Of any width, with names of any width behind them, in all rows or in some."""
    folders = [b"", b"/", *(named(width, piece) + b"/" for width in (1, 62, 63, 254, 255, 2047))]
    calls = [
        Call(i, name, folder=folder, is_open=not i % 3, has_no_folder=not i % 5)
        for i, (folder, name) in enumerate(itertools.product(folders, (None, b"", b"f", piece * 9)))
    ]
    check(mode, calls)
    for call in calls:
        check(mode, [call])


@settings(deadline=None)
@given(st.lists(st.text("/.a", max_size=9), max_size=9), st.booleans())
def test_steps_that_lead_nowhere(steps: list[str], has_folders: bool) -> None:
    folder = b"/b/" if has_folders else b""
    check("fexit", [Call(i, name.encode(), folder=folder) for i, name in enumerate(steps)])


names = st.one_of(
    st.none(),
    st.binary(max_size=8).map(lambda raw: raw.replace(b"\0", b"0")),
    st.builds(named, st.sampled_from(WIDTHS), st.sampled_from(PIECES)),
)
some_calls = st.builds(
    Call,
    st.integers(0, 20),  # few, so that some are equal
    names,
    st.binary(max_size=15).map(lambda raw: raw.replace(b"\0", b"0")),
    st.sampled_from((0, 1, -1, -2, -36, -4095, -4096, 2**62, -(2**62))),
    st.integers(0, len(CALLS) - 1),
    st.integers(0, 2**31 - 1),
    folder=st.one_of(st.just(b""), st.builds(named, st.integers(1, 300), st.sampled_from(PIECES))),
    is_open=st.booleans(),
    has_no_folder=st.booleans(),
).filter(lambda call: len(call.text) <= NAME_BYTES["ring_long"])


@settings(deadline=None)
@given(st.sampled_from(list(MODES)), st.lists(some_calls, max_size=40))
def test_any_calls(mode: str, calls: list[Call]) -> None:
    check(mode, calls)


@settings(deadline=None)
@given(st.sampled_from(list(MODES)), some_calls, st.integers(1, 70))
def test_the_same_call_again_and_again(mode: str, call: Call, count: int) -> None:
    check(mode, [call] * count)
