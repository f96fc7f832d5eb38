# SPDX-License-Identifier: Apache-2.0
"""Whether modes have shown the same calls, whatever the order and whatever is near the ends."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from app.compare.agreement import EDGE_NS, Row, agreement
from app.web.api.rows import rfc3339

S = 1_000_000_000
BEGIN, END = 1_700_000_000 * S, 1_700_000_010 * S
MODES = ("fentry", "fexit", "kretprobe")
AT_RETURN = ("fexit", "kretprobe")
Call = tuple[int, int, str, int]  # time after BEGIN in ms, thread, name, result


def row(mode: str, call: Call, delay_ns: int = 0) -> dict[str, Any]:
    after_ms, tid, name, ret = call
    time_ns = BEGIN + after_ms * 1_000_000 + delay_ns
    shown = {"time": rfc3339([time_ns])[0], "probe": f"p-{mode}", "mode": mode}
    shown |= {"tid": tid, "filename": name}
    return {**shown, "ret": ret, "latency_ns": delay_ns + 1} if mode in AT_RETURN else shown


def shown(calls: Sequence[Call], delays: Mapping[str, int]) -> dict[str, list[Row]]:
    return {mode: [row(mode, call, delays[mode]) for call in calls] for mode in MODES}


NO_DELAY = dict.fromkeys(MODES, 0)
CALLS = st.lists(
    st.tuples(st.integers(0, 10_000), st.integers(1, 3), st.sampled_from("ab"), st.integers(-2, 0)),
    max_size=20,
)
DELAYS = st.fixed_dictionaries({mode: st.integers(0, EDGE_NS // 2) for mode in MODES})


@given(CALLS, DELAYS)
def test_the_same_calls_agree(calls: list[Call], delays: dict[str, int]) -> None:
    found = agreement(shown(calls, delays), BEGIN, END)
    assert found.missing == dict.fromkeys(MODES, 0)
    assert not found.examples


@given(CALLS, DELAYS, st.data())
def test_a_mode_that_lacks_calls_is_found(
    calls: list[Call], delays: dict[str, int], data: st.DataObject
) -> None:
    inside = [call for call in calls if 100 < call[0] < 9_900]
    rows = shown(inside, delays)
    if not inside:
        return
    mode = data.draw(st.sampled_from(MODES))
    gone = data.draw(st.sets(st.integers(0, len(inside) - 1), min_size=1))
    rows[mode] = [each for place, each in enumerate(rows[mode]) if place not in gone]
    found = agreement(rows, BEGIN, END)
    assert found.missing[mode] == len(gone)
    others = [other for other in MODES if other != mode]
    assert [found.missing[other] for other in others] == [0, 0]
    assert {example["mode"] for example in found.examples} <= set(others)
    assert found.examples


@given(st.sampled_from(MODES), st.integers(-EDGE_NS // 2_000_000, EDGE_NS // 2_000_000))
def test_at_the_ends_a_call_may_be_shown_by_some_only(mode: str, offset_ms: int) -> None:
    for end_ms in (0, 10_000):
        rows = shown([(5_000, 1, "a", 0)], NO_DELAY)
        rows[mode].append(row(mode, (end_ms + offset_ms, 1, "a", 0)))
        assert not any(agreement(rows, BEGIN, END).missing.values())


def test_another_value_is_another_call() -> None:
    rows = shown([(5_000, 1, "a", 0)], NO_DELAY)
    rows["fexit"] = [row("fexit", (5_000, 1, "b", 0))]
    found = agreement(rows, BEGIN, END)
    assert found.missing == dict.fromkeys(MODES, 1)
    assert found.compared == ("tid", "filename", "ret")
    assert {each["filename"] for each in found.examples} == {"a", "b"}


def test_results_are_compared_where_there_are_any() -> None:
    rows = shown([(5_000, 1, "a", 0)], NO_DELAY)
    rows["kretprobe"] = [row("kretprobe", (5_000, 1, "a", -2))]
    assert agreement(rows, BEGIN, END).missing == {"fentry": 0, "fexit": 1, "kretprobe": 1}


def test_a_mode_without_rows_lacks_all() -> None:
    rows = shown([(5_000, 1, "a", 0), (5_001, 2, "a", 0)], NO_DELAY)
    rows["fexit"] = []
    assert agreement(rows, BEGIN, END).missing == {"fentry": 0, "fexit": 2, "kretprobe": 0}


def test_without_calls_there_is_nothing_to_differ() -> None:
    found = agreement({mode: [] for mode in MODES}, BEGIN, END)
    assert (found.compared, found.examples) == ((), [])
    assert not any(found.missing.values())
