# SPDX-License-Identifier: Apache-2.0
"""From runs to goals: who is compared with whom, and what counts as met."""

from __future__ import annotations

from dataclasses import replace

import pytest

from benchmarks import answers, options, starts, traced
from benchmarks.comparison import ORDER, OURS, PRINTK, TEXT, UNTRACED, rotated, summaries
from benchmarks.delays import Delays
from benchmarks.figures import spread
from benchmarks.footprint import Footprint
from benchmarks.found import Found
from benchmarks.goals import MIB, Goal, goal_table, goals
from benchmarks.guest_figures import Cost, GuestFigures
from benchmarks.processes import Memory
from benchmarks.report import report
from benchmarks.results import Run
from benchmarks.run_time import difference
from benchmarks.scale import points
from benchmarks.workload import Load, Took


def run(ns_a_call: int, reader_ns: int = 0, rows: int = 100, lost: int = 0) -> Run:
    took = Took(100, 100 * ns_a_call, 100 * ns_a_call)
    return Run(took, rows, lost, reader_ns=100 * reader_ns, bytes_=4400, start_ns=1)


def compared(**ours: int) -> Found:
    runs = {
        UNTRACED: [replace(run(1000), start_ns=0), replace(run(2000), start_ns=0)],
        OURS: [run(1250, **ours), run(2500, **ours)],
        TEXT: [run(10_000, 5000), run(20_000, 5000)],
    }
    return Found({}, compare={"tracepoint": summaries(runs)})


def by_name(found: Found) -> dict[str, Goal]:
    return {goal.what: goal for goal in goals(found)}


def memory(mib: float) -> Memory:
    return Memory(*(int(mib * MIB) for _ in range(4)))


def test_each_tracer_is_at_each_place_of_the_order() -> None:
    orders = [rotated(ORDER, number) for number in range(len(ORDER))]
    assert all({order[place] for order in orders} == set(ORDER) for place in range(len(ORDER)))


def test_slow_down_is_to_the_untraced_loop_of_the_same_round() -> None:
    it = compared(reader_ns=300).compare["tracepoint"][OURS]
    assert (it.slowdown.low, it.slowdown.high) == (1.25, 1.25)
    assert it.reader_us.median == it.call_us.median == pytest.approx(0.3)
    assert it.row_bytes.median == 44


def test_goals_of_the_loop() -> None:
    found = by_name(compared(reader_ns=300))
    assert found["tracepoint: loop, traced by untraced"].met
    assert found["tracepoint: slow-down by bpftrace's"].reached == pytest.approx(0.125)
    assert found["tracepoint: reader CPU by bpftrace's"].met
    assert found["tracepoint: lost, worst round"].met


@pytest.mark.parametrize("ours", [{"lost": 1}, {"rows": 99}], ids=["told", "untold"])
def test_one_lost_row_misses_the_goal(ours: dict[str, int]) -> None:
    assert not by_name(compared(**ours))["tracepoint: lost, worst round"].met


def test_a_lost_row_costs_its_reader_nothing() -> None:
    found = compared(reader_ns=300, rows=50).compare["tracepoint"][OURS]
    assert (found.reader_us.median, found.call_us.median) == pytest.approx((0.6, 0.3))


def test_parts_that_were_not_run_have_no_goals() -> None:
    assert goals(Found({})) == []


def test_start_is_measured_by_both_ways_of_bpftrace() -> None:
    start = {name: spread([100.0]) for name in (starts.SAME, starts.ONE)}
    found = by_name(Found({}, start={**start, starts.OURS: spread([95.0])}))
    assert [goal.met for goal in found.values()] == [False, False]


def test_memory_is_back_only_when_the_tracer_is_gone() -> None:
    before = {"worker": memory(30), "arbiter": memory(20)}
    loaded = {**before, "tracer": memory(90)}
    print_ = Footprint(before, loaded, loaded, {**before, "worker": memory(30.5)}, {})
    kept = "kept after stop, recent events included"
    assert by_name(Found({}, footprint=print_))[kept].reached == pytest.approx(0.5)
    left = replace(print_, after=loaded)
    assert not by_name(Found({}, footprint=left))[kept].met


def guest() -> GuestFigures:
    cost = Cost(1000, 1100, 50, 200, 100, 0)
    by_tracer = {
        UNTRACED: replace(cost, programs=0),
        OURS: replace(cost, loop=1500),
        PRINTK: replace(cost, loop=4000),
        TEXT: replace(cost, loop=1400),
    }
    together = {"fexit kretprobe": cost}
    return GuestFigures("6.12", 100, {"fexit": by_tracer}, {"kprobe, bpf_printk": "no"}, together)


def test_what_a_probe_adds_in_the_kernel() -> None:
    found = goals(Found({}, vm=guest()))
    assert [(goal.reached, goal.limit, goal.met) for goal in found] == [
        (500, 3000, True),
        (500, 400, False),
        (500, 1300, True),
    ]


def test_what_a_function_adds_by_what_bpftrace_adds() -> None:
    title = traced.VFS_READ.title
    costs = {title: guest().costs["fexit"]}
    costs[title][TEXT] = replace(costs[title][TEXT], loop=2250, reader=1000)
    found = by_name(Found({}, vm=replace(guest(), costs=costs)))
    assert found[f"{title}: instructions added by bpftrace's"].reached == pytest.approx(0.4)
    assert found[f"{title}: reader's instructions by bpftrace's"].reached == pytest.approx(0.05)


def test_goals_of_a_traced_function() -> None:
    found = by_name(Found({}, traced={"f": compared(reader_ns=300).compare["tracepoint"]}))
    assert found["f: CPU added to a call by bpftrace's"].reached == pytest.approx(0.25 / 9)
    assert found["f: reader CPU by bpftrace's"].met
    assert found["f: bytes a row to a viewer"].reached == 44
    assert found["f: lost, worst round"].met


def test_answers_have_a_limit_each() -> None:
    found = by_name(Found({}, answers={name: spread([1e4]) for name in answers.LIMITS_MS}))
    assert found.keys() == answers.LIMITS_MS.keys()
    assert not any(goal.met for goal in found.values())


def test_guest_figures_survive_the_way_out_of_the_machine() -> None:
    assert GuestFigures.from_json(guest().as_json()) == guest()


def test_report_has_each_part_that_was_run() -> None:
    found = compared()
    found.vm = guest()
    found.traced = {traced.OPENAT.title: found.compare["tracepoint"]}
    found.answers = {answers.NEVER_TRACED: spread([20.0])}
    found.delays = {"busy": Delays(10, 1, 2, 3), "quiet": Delays(10, 1, 2, 3)}
    text = "\n".join(report(found))
    for words in (
        "### The loop, tracepoint",
        "### The loop, openat, tracepoint",
        "### Starts of any function",
        "### Linux 6.12, fexit",
        "### Goals",
        "did not run",
        "2: fexit",
    ):
        assert words in text
    assert "### Memory" not in text


def test_goal_table_says_it_in_words() -> None:
    text = goal_table([Goal("a", 1.0, 2.0, "ms"), Goal("b", 3.0, 2.0)])
    assert "| a    | <= 2 ms |    1 ms | yes |" in text
    assert "| b    |    <= 2 |       3 |  NO |" in text


def test_run_time_is_of_programs_that_ran_meanwhile() -> None:
    before = {1: ("old", 500, 5), 2: ("idle", 70, 7)}
    after = {1: ("old", 900, 9), 2: ("idle", 70, 7), 3: ("new", 600, 2)}
    found = difference(before, after, calls=2)
    assert (found.run_time_ns, found.runs, found.ns_per_call) == (1000, 6, 500)
    assert found.by_name == {"old": 100, "new": 300}


def test_points_of_scale() -> None:
    found = list(points(1000, ["fexit", "kprobe"]))
    assert [p.value for p in found if p.axis == "probes"] == [1, 2]
    assert [p.load.total for p in found if p.axis == "threads"] == [1000, 1000, 1000]
    assert [p.load.passing for p in found if p.axis == "passing %"] == [0, 10, 0]
    assert Load(1001, pass_every=100).passing == 11


def test_options() -> None:
    native = options.read([])
    assert native.parts == options.NATIVE
    assert not native.quick
    assert options.read(["vm", "compare"]).parts == ("compare", "vm")
    quick = options.read(["quick"])
    assert (quick.rounds, quick.calls) == (1, native.calls // 10)
    assert options.read(["all"]).parts == tuple(options.PARTS)
    for wrong in (["no-such"], ["--calls", "0"]):
        with pytest.raises(SystemExit):
            options.read(wrong)
