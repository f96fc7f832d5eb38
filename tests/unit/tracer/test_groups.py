# SPDX-License-Identifier: Apache-2.0
"""Reading groups, against the same computed call by call."""

from __future__ import annotations

import mmap
import os
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.columns.aggregate import Aggregate, Histogram, Measure
from app.columns.column import Column
from app.columns.plan import ENTRY, RESULT, RETURN, STRING, Hook, Output, Plan, Read, Text
from app.linux import bpf
from app.tracer.group_layout import GroupLayout, flip_of
from app.tracer.groups import GroupEncoder, Groups
from app.web.api.rows import metadata_of, rows_of

CPUS = 3
BITS = 2**64
OUTPUTS = (
    Output(Column("comm", "text", "comm", ""), "head"),
    Output(Column("uid", "uint32", "uid", ""), "head"),
    Output(Column("errno", "text", "errno", "", nullable=True), "head"),
    Output(Column("count", "uint64", "count", "", nullable=True), "number", (0,)),
    Output(Column("ret", "int64", "ret", "", nullable=True), "number", (1,)),
    Output(Column("name", "text", "name", "", nullable=True), "text", (), (0,)),
)
COMM, UID, ERRNO, COUNT, RET, NAME = range(6)
PLAN = Plan(
    Hook("function", "f"),
    "fexit",
    True,
    (Read(ENTRY, 1), Read(RETURN, RESULT, size=0, signed=True)),
    (Text(STRING, Read(ENTRY, 0, size=0)),),
    OUTPUTS,
    {},
)
CALLS = st.lists(
    st.fixed_dictionaries(
        {
            "cpu": st.integers(0, CPUS - 1),
            "comm": st.sampled_from([b"rm", b"a-name-of-15-by"]),
            "uid": st.sampled_from([0, 1000, 2**32 - 1]),
            "count": st.none() | st.sampled_from([0, 1, 7, 2**63, BITS - 1]),
            "ret": st.none() | st.sampled_from([0, 5, -2, -(2**63), 2**63 - 1]),
            "name": st.none() | st.sampled_from([b"", b"x", b"y" * 127, b"z" * 300]),
        }
    ),
    max_size=30,
)
AGGREGATES = st.builds(
    Aggregate,
    by=st.lists(st.sampled_from([COMM, UID, COUNT, RET, NAME]), max_size=3, unique=True).map(tuple),
    measures=st.lists(
        st.tuples(st.sampled_from(["sum", "min", "max"]), st.sampled_from([COUNT, RET, UID])),
        max_size=4,
        unique=True,
    ).map(lambda found: tuple(Measure(kind, of, f"{kind}_{of}") for kind, of in found)),
    histogram=st.none()
    | st.builds(Histogram, st.sampled_from([COUNT, RET]))
    | st.builds(Histogram, st.just(RET), st.just(-3), st.just(4), st.just(2)),
    groups=st.just(64),
    top=st.just(64),
)


@pytest.fixture(autouse=True)
def cpus(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(bpf, "possible_cpus", lambda: CPUS)
    yield


def number(call: dict[str, Any], output: int) -> int | None:
    found: int | None = call[OUTPUTS[output].column.name]
    return found


def bucket(value: int | None, histogram: Histogram, *, signed: bool) -> int:
    if value is None:
        return 0
    if histogram.step:
        if value < histogram.low:
            return 1
        return 2 + min((value - histogram.low) // histogram.step, histogram.buckets)
    if value < 0 and signed:
        return 1
    return 2 if value == 0 else 2 + value.bit_length()


def key_of(layout: GroupLayout, call: dict[str, Any]) -> tuple[int, ...]:
    """The key as the programs make it (bpf/template/groups.c)."""
    words = [0] * layout.words
    for place, each in enumerate(layout.numbers):
        if each.value is not None:
            words[place] = (number(call, COUNT + each.value) or 0) % BITS
        elif each.size == 4:
            words[place] = call["uid"]
        else:
            part = 8 * ((each.offset - 64) // 8)
            words[place] = int.from_bytes(call["comm"].ljust(16, b"\0")[part : part + 8], "little")
    if layout.marks_at is not None:
        used = {each.value for each in layout.numbers}
        words[layout.marks_at] = sum(
            1 << value for value in (0, 1) if value in used and number(call, COUNT + value) is None
        )
    if layout.bucket_at is not None:
        histogram = layout.aggregate.histogram
        assert histogram is not None
        of = histogram.output
        words[layout.bucket_at] = bucket(number(call, of), histogram, signed=of == RET)
    if layout.texts:
        at, text = layout.text_at(0), call["name"]
        words[at] = BITS - 1 if text is None else len(text)
        raw = (text or b"")[:127].ljust(128, b"\0")
        words[at + 1 : at + 17] = np.frombuffer(raw, dtype="<u8").tolist()
    return tuple(words)


def counted(layout: GroupLayout, calls: list[dict[str, Any]]) -> np.ndarray[Any, Any]:
    """The map, as the programs of each processor leave it."""
    places = np.zeros(layout.places * CPUS, dtype=layout.dtype)
    taken: dict[tuple[int, tuple[int, ...]], int] = {}
    for call in calls:
        key = call["cpu"], key_of(layout, call)
        place = taken.setdefault(key, call["cpu"] * layout.places + len(taken))
        group = places[place]
        group["is_taken"], group["key"] = 1, key[1]
        group["calls"] += 1
        for slot, measure in enumerate(layout.aggregate.measures):
            value = number(call, measure.output)
            if value is None:
                continue
            group["measures"][slot]["known"] += 1
            total = int(group["measures"][slot]["total"])
            flipped = (value % BITS) ^ flip_of(measure.kind, layout.source(measure.output))
            new = (total + flipped) % BITS if measure.kind == "sum" else max(total, flipped)
            group["measures"][slot]["total"] = new
    return places


def shown(data: bytes, by: int) -> dict[Any, dict[str, Any]]:
    rows = list(rows_of(data))
    assert len({tuple(row.values())[:by] for row in rows}) == len(rows)
    found = {}
    for row in rows:
        items = list(row.items())
        found[tuple(value for _, value in items[:by])] = dict(items[by:])
    return found


def expected(calls: list[dict[str, Any]], aggregate: Aggregate) -> dict[Any, dict[str, Any]]:
    groups: dict[Any, list[dict[str, Any]]] = defaultdict(list)
    for call in calls:
        key = [rendered(call, output) for output in aggregate.by]
        if (histogram := aggregate.histogram) is not None:
            value, of = number(call, histogram.output), histogram.output
            key += bounds(bucket(value, histogram, signed=of == RET), histogram)
        groups[tuple(key)].append(call)
    return {
        key: {
            "calls": len(members),
            **{each.name: measured(members, each) for each in aggregate.measures},
        }
        for key, members in groups.items()
    }


def rendered(call: dict[str, Any], output: int) -> Any:
    value = call[OUTPUTS[output].column.name]
    if isinstance(value, bytes):
        text = value.decode()
        return text if len(text) <= 127 else text[:127] + "…"
    return value


def bounds(place: int, histogram: Histogram) -> list[int | None]:
    if place == 0:
        return [None, None]
    if not histogram.step:
        if place <= 2:
            return [None, -1] if place == 1 else [0, 0]
        return [1 << place - 3, (2 << place - 3) - 1]
    if place == 1:
        return [None, histogram.low - 1]
    low = histogram.low + (place - 2) * histogram.step
    return [low, None if place - 2 == histogram.buckets else low + histogram.step - 1]


def measured(members: list[dict[str, Any]], measure: Measure) -> int | None:
    values = [number(call, measure.output) for call in members]
    known = [value for value in values if value is not None]
    if not known:
        return None
    if measure.kind != "sum":
        return min(known) if measure.kind == "min" else max(known)
    total = sum(known) % BITS
    return total - BITS if measure.output == RET and total >= BITS // 2 else total


@settings(deadline=None, max_examples=150)
@given(calls=CALLS, aggregate=AGGREGATES)
def test_groups_are_those_of_the_calls(calls: list[dict[str, Any]], aggregate: Aggregate) -> None:
    encoder = GroupEncoder("p", 1, plan_with(aggregate))
    layout = encoder.layout
    places = counted(layout, calls)
    file = os.memfd_create("groups")
    try:
        size = -(-places.nbytes // mmap.PAGESIZE) * mmap.PAGESIZE
        os.truncate(file, size)
        os.pwrite(file, places.tobytes(), 0)
        with Groups(layout, file) as groups:
            table = groups.table()
    finally:
        os.close(file)
    rows, data = encoder.encode(table, {"time": "now"})
    wanted = expected(calls, aggregate)
    assert rows == len(wanted)
    width = len(aggregate.by) + 2 * (aggregate.histogram is not None)
    assert shown(data, width) == wanted
    about = metadata_of(data)
    assert (about["kind"], about["time"], about["probe"]) == ("aggregate", "now", "p")
    whole = {key[: len(aggregate.by)] for key in wanted}
    assert int(about["groups"]) == len(whole)


def plan_with(aggregate: Aggregate) -> Plan:
    return Plan(PLAN.hook, PLAN.mode, True, PLAN.values, PLAN.texts, PLAN.outputs, {}, aggregate)


def test_errors_are_one_key_for_all_that_did_not_fail() -> None:
    layout = GroupLayout(PLAN, Aggregate((ERRNO,), (), None, 4, 4))
    (only,) = layout.numbers
    assert only.is_error
    both = GroupLayout(PLAN, Aggregate((ERRNO, RET), (), None, 4, 4))
    assert [each.is_error for each in both.numbers] == [True, False]
