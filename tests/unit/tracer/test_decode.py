# SPDX-License-Identifier: Apache-2.0
"""From records as the kernel writes them to Arrow, read back by another reader's rules."""

from __future__ import annotations

import io
import re
import warnings
from typing import Any

import nanoarrow as na
import numpy as np
import pytest
from nanoarrow.ipc import InputStream

from app import ROOT
from app.probes.drops import PROGRAM_DROPS
from app.probes.modes import MODES
from app.tracer.decode import Encoder
from app.tracer.records import (
    CALLS_ENTERED,
    CALLS_LEFT,
    CANARIES,
    HEAD_BYTES,
    NAME_BYTES,
)
from app.tracer.rings import slot_dtype

RECORD_C = (ROOT / "bpf/record.c").read_text()
COUNTERS_C = (ROOT / "bpf/counters.c").read_text()


def record(name_bytes: int = 64, **members: Any) -> np.ndarray[Any, np.dtype[np.void]]:
    slots = np.zeros(1, dtype=slot_dtype(name_bytes))
    name = members.pop("filename", b"f")
    slots["name_size"] = -1 if name is None else len(name)
    slots["name"][0, : len(name or b"")] = np.frombuffer(name or b"", dtype=np.uint8)
    for name in ("comm", "process"):
        value = members.pop(name, b"rm")
        slots[name][0, : len(value)] = np.frombuffer(value, dtype=np.uint8)
    for key, value in members.items():
        slots[key] = value
    return slots


def decode(data: bytes) -> tuple[list[dict[str, Any]], dict[bytes, bytes]]:
    stream = na.ArrayStream(InputStream.from_readable(io.BytesIO(data)))
    metadata = dict(stream.schema.metadata)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # datetime has no nanoseconds; the tests keep to µs
        return stream.read_all().to_pylist(), metadata


def encode(mode: str, *parts: Any, offset: int = 0) -> list[dict[str, Any]]:
    return decode(Encoder(mode, mode, 7, MODES[mode].columns).encode(parts, lambda _: offset))[0]


@pytest.mark.parametrize("mode", MODES)
def test_columns_are_those_the_mode_declares(mode: str) -> None:
    (row,) = encode(mode, record())
    assert list(row) == [column.name for column in MODES[mode].columns]


def test_all_values_of_a_call() -> None:
    (row,) = encode(
        "tracepoint",
        record(
            entry_ns=5_000, latency_ns=2**63, ret=-2, pid=2**32 - 2, tid=3, uid=65534, dfd=-100,
            flags=2, call_flags=0x200, comm=b"fifteen-bytes-x", process=b"\xff",
            filename=b"/tmp/\xff",
        ),
        offset=1_000_000,
    )  # fmt: skip
    assert row.pop("time").timestamp() == pytest.approx(0.001005, abs=1e-9)
    assert row == {
        "pid": 2**32 - 2, "tid": 3, "uid": 65534, "process": "\\xff", "comm": "fifteen-bytes-x",
        "syscall": "unlinkat", "flags": "AT_REMOVEDIR", "replaced": None,
        "dfd": -100, "filename": "/tmp/\\xff", "ret": -2, "errno": "ENOENT", "latency_ns": 2**63,
    }  # fmt: skip


def test_rows_of_all_sizes_come_in_order_of_entry() -> None:
    rows = encode(
        "fexit",
        np.concatenate([record(entry_ns=3, filename=b"c"), record(entry_ns=1, filename=b"a")]),
        record(256, entry_ns=2, filename=b"b" * 256),
        record(4096, entry_ns=4, filename=b"d" * 4095),
    )
    assert [row["filename"] for row in rows] == ["a", "b" * 256, "c", "d" * 4095]


def test_a_name_that_could_not_be_read_is_null_and_others_are_not() -> None:
    parts = np.concatenate([record(filename=None), record(filename=b""), record(filename=b"x")])
    assert [row["filename"] for row in encode("fentry", parts)] == [None, "", "x"]


def test_a_name_that_was_cut_is_marked() -> None:
    rows = encode("tracepoint", record(4096, filename=b"x" * 4095, flags=0x101))
    assert rows[0]["filename"] == "x" * 4095 + "…"


@pytest.mark.parametrize(
    ("ret", "name"),
    [
        (0, None),
        (5, None),
        (-1, "EPERM"),
        (-95, "ENOTSUP"),
        (-512, "ERESTARTSYS"),
        (-600, "E600"),
        (-5000, None),
        (2**62, None),
    ],
)
def test_errno_names(ret: int, name: str | None) -> None:
    (row,) = encode("kretprobe", record(ret=ret))
    assert (row["ret"], row["errno"]) == (ret, name)


@pytest.mark.parametrize(
    ("flags", "call_flags", "syscall", "words", "replaced"),
    [
        (1, 0, "unlink", None, None),
        (2, 0x201, "unlinkat", "AT_REMOVEDIR|0x1", None),
        (2, 2**32 - 1, "unlinkat", "AT_REMOVEDIR|0xfffffdff", None),
        (3, 0, "rmdir", None, None),
        (4, 0, "rename", None, "unknown"),
        (5, 0, "renameat", None, "unknown"),
        (6, 4, "renameat2", "RENAME_WHITEOUT", "unknown"),
        (6 | 0x100, 12, "renameat2", "RENAME_WHITEOUT|0x8", "unknown"),
        (6 | 0x200, 0x200, "renameat2", "0x200", "yes"),
    ],
)
def test_flags_and_renames(
    flags: int, call_flags: int, syscall: str, words: str | None, replaced: str | None
) -> None:
    (row,) = encode("tracepoint", record(flags=flags, call_flags=call_flags))
    assert (row["syscall"], row["flags"], row["replaced"]) == (syscall, words, replaced)


def test_flags_of_many_rows_stay_with_their_rows() -> None:
    wanted = [(1 + n % 6, (n * 977) % 5 * 0x100) for n in range(50)]
    parts = [
        record(entry_ns=n, flags=f, call_flags=c, filename=b"ff") for n, (f, c) in enumerate(wanted)
    ]
    rows = encode("tracepoint", np.concatenate(parts))
    alone = [encode("tracepoint", record(flags=f, call_flags=c))[0] for f, c in wanted]
    assert [row["flags"] for row in rows] == [row["flags"] for row in alone]


def test_a_deletion_by_rename_is_told_in_every_mode() -> None:
    for mode in MODES:
        rows = encode(
            mode, np.concatenate([record(flags=4 | 0x200, filename=b"ff"), record(filename=b"gg")])
        )
        assert [row["replaced"] for row in rows] == ["yes", None]


def test_fields_refer_to_the_table_of_their_names() -> None:
    data = Encoder("fexit", "fexit", 7, MODES["fexit"].columns).encode([record()], lambda _: 0)
    stream = na.ArrayStream(InputStream.from_readable(io.BytesIO(data)))
    names = {field.name: dict(field.metadata or {}).get(b"names") for field in stream.schema.fields}
    assert {name: table for name, table in names.items() if table} == {
        "ret": b"errors",
        "errno": b"errors",
    }
    assert len(data) < 3000  # the table itself does not travel with each batch


def test_batches_carry_their_origin_and_number() -> None:
    encoder = Encoder("fexit", "fexit", 7, MODES["fexit"].columns)
    numbers = [decode(encoder.encode([record()], lambda _: 0))[1] for _ in range(2)]
    assert numbers == [
        {b"probe": b"fexit", b"mode": b"fexit", b"run": b"7", b"batch": b"0"},
        {b"probe": b"fexit", b"mode": b"fexit", b"run": b"7", b"batch": b"1"},
    ]


def test_layout_is_that_of_the_c_text() -> None:
    """Field order and sizes of `struct head`, and the constants, agree with the C text."""
    sizes = {"u64": 8, "s64": 8, "u32": 4, "s32": 4, "char": 1}
    body = re.search(r"struct head \{(.*?)\n\};", RECORD_C, re.S)
    assert body
    fields, offset = {}, 8  # after the ring buffer's header
    for kind, name, count in re.findall(r"^\s+(\w+) (\w+)(?:\[(\d*)\])?;", body[1], re.M):
        fields[name] = offset
        offset += sizes[kind] * int(count or 1)
    dtype = slot_dtype(64)
    assert {name: dtype.fields[name][1] for name in fields} == fields  # type: ignore[index]
    assert offset == 8 + HEAD_BYTES
    sizes_in_c = re.findall(r"#define NAME_([A-Z]+) (\d+)(?![x\d])", RECORD_C)
    assert {f"ring_{ring.lower()}": int(size) for ring, size in sizes_in_c} == NAME_BYTES
    counted = re.search(r"enum counter \{(.*?)\}", COUNTERS_C, re.S)
    assert counted
    names = [name.strip() for name in re.sub("//.*", "", counted[1]).split(",") if name.strip()]
    assert names[: len(PROGRAM_DROPS)] == [f"DROP_{kind.upper()}" for kind in PROGRAM_DROPS]
    assert names[CALLS_ENTERED] == "CALLS_ENTERED"
    assert names[CALLS_LEFT] == "CALLS_LEFT"
    assert names[CANARIES] == "CANARIES"
    assert names[-1] == "COUNTERS"
