# SPDX-License-Identifier: Apache-2.0
"""Why a run ended: its last word, the reason it was killed, or its exit status."""

from __future__ import annotations

import signal

import pytest

from app.probes.run_end import End, end_of, filter_not_confirmed, signal_name, stop_failed


@pytest.mark.parametrize("number", range(1, signal.NSIG))
def test_every_signal_has_a_name(number: int) -> None:
    """Python names the first and last real-time signal only."""
    name = signal_name(number)
    assert name.startswith("SIG") or name == f"signal {number}"


def test_usual_signals_are_named() -> None:
    assert signal_name(9) == "SIGKILL"
    assert signal_name(40) == "signal 40"


ORDERLY = End("requested", "stopped on request")
REFUSED = End("unavailable", "no such function", 501, {"reason": "no such function"})
LATE = End("stop_timeout", "not drained in time", 504)


@pytest.mark.parametrize(
    ("status", "fault", "last_word", "killed_for", "expected"),
    [
        (0, None, ORDERLY, None, ORDERLY),
        (-9, None, ORDERLY, LATE, ORDERLY),  # it had ended before it was killed
        (-9, None, None, LATE, LATE),
        (-9, None, REFUSED, LATE, LATE),
        (1, None, REFUSED, LATE, REFUSED),
        (1, None, REFUSED, None, REFUSED),
        (1, None, None, LATE, "the tracer ended with status 1"),
        (-11, None, None, None, "the tracer was ended by SIGSEGV"),
        (-9, "malformed", ORDERLY, LATE, "malformed"),
    ],
)
def test_the_reason(
    status: int,
    fault: str | None,
    last_word: End | None,
    killed_for: End | None,
    expected: End | str,
) -> None:
    end = end_of(status, fault=fault, last_word=last_word, killed_for=killed_for)
    if isinstance(expected, str):
        expected = End("tracer_failed", expected, extra={"reason": expected})
    assert end == expected


def test_the_problem_of_a_failure() -> None:
    problem = REFUSED.problem()
    assert (problem.status, problem.code, problem.detail) == (501, "unavailable", REFUSED.detail)
    assert problem.extra == {"reason": "no such function"}


@pytest.mark.parametrize(
    ("end", "expected"),
    [
        (None, (502, "tracer_failed")),
        (ORDERLY, (404, "not_running")),
        (LATE, (502, "tracer_failed")),
    ],
)
def test_a_filter_that_is_not_confirmed(end: End | None, expected: tuple[int, str]) -> None:
    problem = filter_not_confirmed("fexit", end, 10.0)
    assert (problem.status, problem.code) == expected
    assert (end.detail if end else "within 10 s") in problem.detail


@pytest.mark.parametrize("end", [REFUSED, LATE])
def test_a_stop_that_failed(end: End) -> None:
    counters = {"produced": 7}
    problem = stop_failed("fexit", end, counters)
    assert (problem.status, problem.code) == (end.status, end.code)
    assert problem.detail == f"fexit did not stop in order: {end.detail}"
    assert problem.extra == {**end.extra, "counters": counters}
