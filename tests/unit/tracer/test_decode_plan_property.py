# SPDX-License-Identifier: Apache-2.0
"""Records of random plans against a slow model that decodes each cell in plain Python."""

from __future__ import annotations

import errno
import io
import ipaddress
import itertools
import random
import struct
import warnings
from collections.abc import Callable
from typing import Any

import nanoarrow as na
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nanoarrow.ipc import InputStream

from app.columns.plan import ENTRY, Output, Plan, Read
from app.tracer.decode_plan import PlanEncoder
from app.tracer.decoders import DECODERS
from tests.support.plan_records import Record, column, parts_of, plan_of

OFFSET_NS = 1_000_000_000
WIDTHS = (0, 1, 63, 64, 65, 255, 256, 257, 1023, 1024, 1025, 4095, 4096)
# A byte that is repeated, or a piece: plain, of two and of four bytes, and what is not UTF-8.
PIECES = (
    b"n",
    "ż".encode(),
    "\U0001f600".encode(),
    b"\xff",
    b"a\xc3",
    b"\xa9b",
    b"\xed\xa0\x80",
    b"/./a//.b/.",
)
EDGES = (
    0, 1, 2, 9, 10, 99, 100, 2**7, 2**8 - 1, 2**15, 2**16 - 1, 2**31 - 1, 2**31, 2**32 - 1, 2**32,
    2**53 + 1, 2**63 - 1, 2**63, 2**63 + 1, 10**19, 2**64 - 1, 2**64 - 2, 2**64 - 4095,
    2**64 - 4096, 2**64 - 2**31, 2**64 - 2**7,
)  # fmt: skip
NAMES = ((-1, "MINUS_ONE"), (0, "ZERO"), (5, "FIVE"), (2**31, "HIGH"))
LABELS = NAMES[1:]
FLAGS = ((4, "FOUR"), (1 << 32 | 1, "ONE"), (1 << 32 | 2**31, "TOP"), (10 << 32 | 64, "OTHER"))
BITS = {"int32": 32, "uint32": 32, "int64": 64, "uint64": 64}
HEAD_TYPES = {
    "time": "timestamp_ns", "pid": "uint32", "tid": "uint32", "uid": "uint32", "process": "text",
    "comm": "text", "cpu": "uint32", "ret": "int64", "errno": "text", "latency_ns": "uint64",
}  # fmt: skip


def signed(value: int, bits: int = 64) -> int:
    value &= 2**bits - 1
    return value - 2**bits if value >> (bits - 1) else value


def utf8(raw: bytes) -> str:
    return raw.decode("utf-8", "backslashreplace")


def error(value: int) -> str | None:
    code = -signed(value)
    return errno.errorcode.get(code, f"E{code}") if 1 <= code <= 4095 else None


def device(value: int) -> str:
    return f"{(value & 0xFFFFFFFF) // 2**20}:{value % 2**20}"


def address(family: int, raw: bytes, port: int) -> str:
    if family == 2:
        return f"{ipaddress.IPv4Address(raw[:4])}:{port}"
    prefix, last = raw[:12], ipaddress.IPv4Address(raw[12:16])
    if prefix == bytes(10) + b"\xff\xff":  # RFC 5952, 5
        return f"[::ffff:{last}]:{port}"
    if prefix == bytes(12) and int(last) > 0xFFFF:  # RFC 4291, 2.5.5.1
        return f"[::{last}]:{port}"
    return f"[{ipaddress.IPv6Address(raw[:16])}]:{port}"


def sock(family: int, ports: int, ipv4: int, *ipv6: int) -> str:
    if family != 2 and not (family == 10 and ipv6):
        return f"family {family}"
    remote_port = int.from_bytes(struct.pack("<Q", ports)[:2], "big")
    local_port = struct.unpack("<H", struct.pack("<Q", ports)[2:4])[0]
    if family == 2:
        raw = struct.pack("<Q", ipv4)
        return f"{address(2, raw[4:], local_port)} -> {address(2, raw[:4], remote_port)}"
    raw = struct.pack("<4Q", *ipv6)
    return f"{address(10, raw[:16], local_port)} -> {address(10, raw[16:], remote_port)}"


def sockaddr(raw: bytes) -> str | None:
    raw = raw[:28]
    if len(raw) < 2:
        return None
    family = raw[0] + 256 * raw[1]
    if family == 2:
        return None if len(raw) < 8 else address(2, raw[4:], int.from_bytes(raw[2:4], "big"))
    if family == 10:
        return None if len(raw) < 24 else address(10, raw[8:], int.from_bytes(raw[2:4], "big"))
    return f"family {family}"


def head(name: str, record: Record) -> Any:
    if name == "time":
        return record.entry_ns + OFFSET_NS
    if name == "errno":
        return error(record.ret)
    found = getattr(record, name)
    return utf8(found) if isinstance(found, bytes) else found


def flags(names: dict[int, str], kind: int, bits: int) -> str | None:
    kind, bits = kind & 0xFFFFFFFF, bits & 0xFFFFFFFF
    words = []
    for bit, name in names.items():
        if bit >> 32 == kind and bits & bit & 0xFFFFFFFF:
            words.append(name)
            bits &= ~bit
    return "|".join([*words, *([hex(bits)] if bits else [])]) or None


def without_dots(path: bytes) -> bytes:
    first, *steps = path.split(b"/")
    kept = [step for step in steps[:-1] if step not in (b"", b".")]
    last = [b"" if step == b"." else step for step in steps[-1:]]
    return b"/".join([first, *kept, *last])


Model = Callable[[Output, Plan, Record, list[int], list[bytes]], Any]
MODELS: dict[str, Model] = {
    "head": lambda out, _, record, v, t: head(out.column.name, record),
    "number": lambda out, _, record, v, t: number(out, v[0]),
    "hex": lambda out, _, record, v, t: number(out, v[0]),
    "name": lambda out, _, record, v, t: number(out, v[0]),
    "bool": lambda out, _, record, v, t: v[0] != 0,
    "error": lambda out, _, record, v, t: error(v[0]),
    "device": lambda out, _, record, v, t: device(v[0]),
    "inode": lambda out, _, record, v, t: f"{v[0]} on {device(v[1])}",
    "task": lambda out, _, record, v, t: f"{utf8(t[0])} ({signed(v[0])})",
    "sock": lambda out, _, record, v, t: sock(*v),
    "sockaddr": lambda out, _, record, v, t: sockaddr(t[0]),
    "since": lambda out, _, record, v, t: signed(record.entry_ns - v[0]),
    "list": lambda out, plan, record, v, t: str(
        [signed(n) if plan.values[i].signed else n for i, n in zip(out.values, v, strict=True)]
    ),
    "text": lambda out, _, record, v, t: marked(out, record, utf8(t[0])),
    "label": lambda out, _, record, v, t: dict(out.names).get(v[0]),
    "flags": lambda out, _, record, v, t: flags(dict(out.names), *v),
    "path_at": lambda out, _, record, v, t: marked(out, record, utf8(without_dots(t[0]))),
    "bytes": lambda out, _, record, v, t: marked(out, record, t[0].hex()),
}


def number(out: Output, value: int) -> int:
    kind = out.column.type
    return signed(value, BITS[kind]) if kind.startswith("int") else value & (2 ** BITS[kind] - 1)


def marked(out: Output, record: Record, text: str) -> str:
    (index,) = out.texts
    return "…" * (index in record.headless) + text + "…" * (index in record.cut)


def cell(out: Output, plan: Plan, record: Record) -> Any:
    values = [record.values[i] for i in out.values]
    texts = [record.texts[i] for i in out.texts]
    if None in values or None in texts:
        return None
    words = [value & (2**64 - 1) for value in values if value is not None]
    return MODELS[out.decoder](
        out, plan, record, words, [text for text in texts if text is not None]
    )


def decode(data: bytes) -> list[dict[str, Any]]:
    """Read a batch by the library's own rules, with times as nanoseconds."""
    stream = na.ArrayStream(InputStream.from_readable(io.BytesIO(data)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # datetime has no nanoseconds; records keep to µs
        rows = stream.read_all().to_pylist()
    for row in rows:
        row["time"] = round(row["time"].timestamp() * 1_000_000) * 1000
    return rows


def check(plan: Plan, records: list[Record]) -> None:
    """Encode the records, each in its ring, in their order there, and compare every cell."""
    parts, in_parts = parts_of(plan, records)
    rows = decode(PlanEncoder("reads", 1, plan).encode(parts, lambda _: OFFSET_NS))
    wanted = sorted(in_parts, key=lambda record: record.entry_ns)  # stable
    assert rows == [
        {out.column.name: cell(out, plan, record) for out in plan.outputs} for record in wanted
    ]


def random_plan(rng: random.Random, values: int, texts: int) -> Plan:
    """Return a plan with each decoder that so many values and texts allow, and each number type."""
    reads = [Read(ENTRY, 0, signed=bool(i % 2)) for i in range(values)]
    outputs = [
        Output(column(name, kind, nullable=name == "errno"), "head")
        for name, kind in HEAD_TYPES.items()
    ]

    def add(decoder: str, kind: str, takes: int = 0, reads_texts: int = 0, **members: Any) -> None:
        if (takes and not values) or reads_texts > texts:
            return
        outputs.append(
            Output(
                column(f"{decoder}{len(outputs)}", kind),
                decoder,
                tuple(rng.randrange(values) for _ in range(takes)),
                tuple(rng.randrange(texts) for _ in range(reads_texts)),
                **members,
            )
        )

    for kind in BITS:
        for decoder in ("number", "hex"):
            add(decoder, kind, 1)
        add("name", kind, 1, names=NAMES)
    for decoder in ("error", "device"):
        add(decoder, "text", 1)
    add("bool", "bool", 1)
    add("label", "text", 1, names=LABELS)
    add("flags", "text", 2, names=FLAGS)
    add("since", "int64", 1)
    add("inode", "text", 2)
    add("task", "text", 1, 1)
    add("list", "text", rng.randint(1, 16))
    add("sockaddr", "text", 0, 1)
    for _ in range(texts):
        add("text", "text", 0, 1)
        add("path_at", "text", 0, 1)
    add("bytes", "text", 0, 1)
    if values >= 3:
        add("sock", "text", 3)
        add("sock", "text", 7)
    return plan_of(outputs, reads=reads, texts=texts)


def named(width: int, piece: bytes) -> bytes:
    """Exactly `width` bytes."""
    return (piece * (width // len(piece) + 1))[:width]


def random_record(rng: random.Random, plan: Plan, widths: tuple[int, ...] = WIDTHS) -> Record:
    """Return a record with edges of numbers and texts that fit in a ring together."""
    texts: list[bytes | None] = []
    for _ in plan.texts:
        room = 8192 - sum(len(text or b"") for text in texts)
        width = rng.choice([width for width in widths if width <= room])
        text = named(width, rng.choice(PIECES))
        texts.append(rng.choice([None, text, text, text, rng.randbytes(width)]))
    return Record(
        values=tuple(rng.choice([None, *EDGES, rng.getrandbits(64)]) for _ in plan.values),
        texts=tuple(texts),
        entry_ns=rng.randrange(30) * 1000,
        latency_ns=rng.choice(EDGES),
        ret=signed(rng.choice(EDGES)),
        pid=rng.getrandbits(32),
        tid=rng.getrandbits(32),
        uid=rng.getrandbits(32),
        cpu=rng.randrange(512),
        comm=rng.choice([b"", b"r", b"rm", b"c" * 15, b"\xff\xc3"]),
        process=rng.choice([b"", b"r", b"\xc5", b"p" * 15]),
        cut=frozenset(i for i in range(len(texts)) if rng.random() < 0.2),
        headless=frozenset(i for i in range(len(texts)) if rng.random() < 0.2),
    )


@pytest.mark.parametrize("texts", range(5))
@pytest.mark.parametrize("values", [0, 1, 3, 16])
@pytest.mark.parametrize("count", [0, 1, 2, 40])
def test_random_plans_and_records(values: int, texts: int, count: int) -> None:
    for seed in range(2):
        rng = random.Random(f"{values} {texts} {count} {seed}")
        plan = random_plan(rng, values, texts)
        check(plan, [random_record(rng, plan) for _ in range(count)])


def test_many_rows() -> None:
    rng = random.Random(11)
    plan = random_plan(rng, 7, 2)
    check(plan, [random_record(rng, plan, (0, 3, 12, 30)) for _ in range(800)])


@pytest.mark.parametrize("piece", PIECES)
@pytest.mark.parametrize("width", WIDTHS)
def test_texts_of_one_width(width: int, piece: bytes) -> None:
    """Halves of characters meet at the borders between texts."""
    plan = random_plan(random.Random(width), 0, 2)
    for count in (1, 5):
        check(plan, [Record((), (named(width, piece), b"x"), i * 1000) for i in range(count)])
        check(
            plan,
            [Record((), (piece, named(width, piece)), (count - i) * 1000) for i in range(count)],
        )


@pytest.mark.parametrize("sizes", [*itertools.permutations((0, 63, 65, 4095))])
def test_four_texts_in_every_order(sizes: tuple[int, ...]) -> None:
    plan = random_plan(random.Random(4), 0, 4)
    texts = tuple(named(size, piece) for size, piece in zip(sizes, PIECES, strict=False))
    short = tuple(text[:16] for text in texts)
    check(plan, [Record((), texts), Record((), short), Record((), (None, *texts[1:]))])


@pytest.mark.parametrize("kind", BITS)
def test_numbers_at_the_ends_of_their_type(kind: str) -> None:
    plan = plan_of(
        [Output(column("time", "timestamp_ns"), "head"), Output(column("n", kind), "number", (0,))],
        reads=[Read(ENTRY, 0)],
    )
    bits = BITS[kind]
    ends = {"i": (-(2 ** (bits - 1)), -1, 0, 1, 2 ** (bits - 1) - 1), "u": (0, 1, 2**bits - 1)}
    records = [Record((value,), (), i * 1000) for i, value in enumerate(ends[kind[0]])]
    parts, _ = parts_of(plan, records)
    rows = decode(PlanEncoder("n", 1, plan).encode(parts, lambda _: 0))
    assert [row["n"] for row in rows] == list(ends[kind[0]])


def test_the_model_knows_every_decoder() -> None:
    assert MODELS.keys() == DECODERS.keys()


words = st.one_of(st.none(), st.sampled_from(EDGES), st.integers(0, 2**64 - 1))
texts = st.one_of(
    st.none(),
    st.binary(max_size=40),
    st.builds(named, st.sampled_from(WIDTHS[:10]), st.sampled_from(PIECES)),
)
subsets = st.frozensets(st.integers(0, 3), max_size=4)
some_records = st.builds(
    Record,
    st.tuples(*[words] * 8),
    st.tuples(*[texts] * 4),
    st.integers(0, 20).map(lambda us: us * 1000),  # few, so that some are equal
    cut=subsets,
    headless=subsets,
)


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 2**32), st.lists(some_records, max_size=20))
def test_any_records(seed: int, records: list[Record]) -> None:
    check(random_plan(random.Random(seed), 8, 4), records)
