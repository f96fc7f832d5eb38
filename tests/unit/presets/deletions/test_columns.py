# SPDX-License-Identifier: Apache-2.0
"""Deletions from records as the kernel writes them to Arrow, read back by another reader."""

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
from app.presets.deletions import hooks
from app.presets.deletions.columns import columns_of
from app.presets.deletions.own_plan import own_plan
from app.probes.drops import PROGRAM_DROPS
from app.probes.modes import MODES
from app.tracer.any_records import slot_dtype
from app.tracer.decode_plan import PlanEncoder
from app.tracer.records import CALLS_ENTERED, CALLS_LEFT, CANARIES

RECORD_C = (ROOT / "bpf/presets/deletions/record.c").read_text()
COUNTERS_C = (ROOT / "bpf/counters.c").read_text()
TEXT_CUT = 1
VALUES = {"dfd": hooks.DFD, "call": hooks.CALL, "call_flags": hooks.FLAGS}


def record(name_bytes: int = 64, **members: Any) -> np.ndarray[Any, np.dtype[np.void]]:
    slots = np.zeros(1, dtype=slot_dtype(len(VALUES), name_bytes))
    name = members.pop("filename", b"f")
    slots["text_size"] = -1
    slots["text_size"][0, hooks.NAME] = -1 if name is None else len(name)
    slots["texts"][0, : len(name or b"")] = np.frombuffer(name or b"", dtype=np.uint8)
    for name in ("comm", "process"):
        value = members.pop(name, b"rm")
        slots[name][0, : len(value)] = np.frombuffer(value, dtype=np.uint8)
    for name, place in VALUES.items():
        slots["values"][0, place] = np.uint64(members.pop(name, 0) & (1 << 64) - 1)
    for key, value in members.items():
        slots[key] = value
    return slots


def encoder(mode: str) -> PlanEncoder:
    return PlanEncoder(mode, 7, own_plan("deletions", mode))


def decode(data: bytes) -> tuple[list[dict[str, Any]], dict[bytes, bytes]]:
    stream = na.ArrayStream(InputStream.from_readable(io.BytesIO(data)))
    metadata = dict(stream.schema.metadata)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # datetime has no nanoseconds; the tests keep to µs
        return stream.read_all().to_pylist(), metadata


def encode(mode: str, *parts: Any, offset: int = 0) -> list[dict[str, Any]]:
    return decode(encoder(mode).encode(parts, lambda _: offset))[0]


@pytest.mark.parametrize("mode", MODES)
def test_columns_are_those_the_mode_declares(mode: str) -> None:
    (row,) = encode(mode, record())
    assert list(row) == [column.name for column in columns_of(mode)]


def test_all_values_of_a_call() -> None:
    (row,) = encode(
        "tracepoint",
        record(
            entry_ns=5_000, latency_ns=2**63, ret=-2, pid=2**32 - 2, tid=3, uid=65534, dfd=-100,
            call=2, call_flags=0x200, comm=b"fifteen-bytes-x", process=b"\xff",
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
        record(8192, entry_ns=4, filename=b"d" * 4095),
    )
    assert [row["filename"] for row in rows] == ["a", "b" * 256, "c", "d" * 4095]


def test_a_name_that_could_not_be_read_is_null_and_others_are_not() -> None:
    parts = np.concatenate([record(filename=None), record(filename=b""), record(filename=b"x")])
    assert [row["filename"] for row in encode("fentry", parts)] == [None, "", "x"]


def test_a_name_that_was_cut_is_marked() -> None:
    rows = encode("tracepoint", record(8192, filename=b"x" * 4095, flags=TEXT_CUT))
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
    ("call", "call_flags", "syscall", "words", "replaced"),
    [
        (1, 0, "unlink", None, None),
        (2, 0x201, "unlinkat", "AT_REMOVEDIR|0x1", None),
        (2, 2**32 - 1, "unlinkat", "AT_REMOVEDIR|0xfffffdff", None),
        (3, 0, "rmdir", None, None),
        (4, 0, "rename", None, "unknown"),
        (5, 0, "renameat", None, "unknown"),
        (6, 4, "renameat2", "RENAME_WHITEOUT", "unknown"),
        (6, 12, "renameat2", "RENAME_WHITEOUT|0x8", "unknown"),
        (6, 0x200, "renameat2", "0x200", "unknown"),
    ],
)
def test_flags_and_renames(
    call: int, call_flags: int, syscall: str, words: str | None, replaced: str | None
) -> None:
    (row,) = encode("tracepoint", record(call=call, call_flags=call_flags))
    assert (row["syscall"], row["flags"], row["replaced"]) == (syscall, words, replaced)


def test_flags_of_many_rows_stay_with_their_rows() -> None:
    wanted = [(1 + n % 6, (n * 977) % 5 * 0x100) for n in range(50)]
    parts = [
        record(entry_ns=n, call=k, call_flags=c, filename=b"ff") for n, (k, c) in enumerate(wanted)
    ]
    rows = encode("tracepoint", np.concatenate(parts))
    alone = [encode("tracepoint", record(call=k, call_flags=c))[0] for k, c in wanted]
    assert [row["flags"] for row in rows] == [row["flags"] for row in alone]


@pytest.mark.parametrize("mode", MODES)
def test_a_deletion_by_rename_is_told(mode: str) -> None:
    parts = np.concatenate([record(call=4, filename=b"ff"), record(filename=b"gg")])
    known = "unknown" if mode == "tracepoint" else "yes"
    assert [row["replaced"] for row in encode(mode, parts)] == [known, None]


def test_a_path_has_no_step_that_leads_nowhere() -> None:
    plan = own_plan("deletions", "fexit", ("filename", "path"))
    made = record(256, filename=b"./a/home/./a")
    made["text_size"][0] = [3, 9, -1, -1]
    (row,) = decode(PlanEncoder("fexit", 7, plan).encode([made], lambda _: 0))[0]
    assert (row["filename"], row["path"]) == ("./a", "/home/a")


def test_fields_refer_to_the_table_of_their_names() -> None:
    data = encoder("fexit").encode([record()], lambda _: 0)
    stream = na.ArrayStream(InputStream.from_readable(io.BytesIO(data)))
    names = {field.name: dict(field.metadata or {}).get(b"names") for field in stream.schema.fields}
    assert {name: table for name, table in names.items() if table} == {
        "ret": b"errors",
        "errno": b"errors",
    }
    assert len(data) < 3000  # the table itself does not travel with each batch


def test_batches_carry_their_origin_and_number() -> None:
    made = encoder("fexit")
    numbers = [decode(made.encode([record()], lambda _: 0))[1] for _ in range(2)]
    assert numbers == [
        {b"probe": b"fexit", b"mode": b"fexit", b"run": b"7", b"batch": b"0"},
        {b"probe": b"fexit", b"mode": b"fexit", b"run": b"7", b"batch": b"1"},
    ]


def test_numbers_are_those_of_the_c_text() -> None:
    numbers = dict(re.findall(r"#define (\w+) (\d+)(?![x\d])", RECORD_C))
    places = {"DFD": "dfd", "CALL": "call", "CALL_FLAGS": "call_flags"}
    assert {name: int(numbers[name]) for name in places} == {
        name: VALUES[member] for name, member in places.items()
    }
    assert (int(numbers["NAME"]), int(numbers["PATH_AT"])) == hooks.TEXTS
    calls = {int(numbers[f"CALL_{name.upper()}"]): name for _, name in hooks.CALLS}
    assert calls == dict(hooks.CALLS)


def test_counters_are_those_of_the_c_text() -> None:
    counted = re.search(r"enum counter \{(.*?)\}", COUNTERS_C, re.S)
    assert counted
    names = [name.strip() for name in re.sub("//.*", "", counted[1]).split(",") if name.strip()]
    assert names[: len(PROGRAM_DROPS)] == [f"DROP_{kind.upper()}" for kind in PROGRAM_DROPS]
    assert names[CALLS_ENTERED] == "CALLS_ENTERED"
    assert names[CALLS_LEFT] == "CALLS_LEFT"
    assert names[CANARIES] == "CANARIES"
    assert names[-1] == "COUNTERS"
