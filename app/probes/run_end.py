# SPDX-License-Identifier: Apache-2.0
"""How a run of a probe ended, as its clients are told."""

from __future__ import annotations

import signal
from dataclasses import dataclass, field
from typing import Any

from app.errors import ProbedeckError


@dataclass(frozen=True)
class End:
    """The end of a run. `code` is `requested`, `duration` or the code of a failure.

    `status` and `extra` complete the problem document of a failure.
    """

    code: str
    detail: str
    status: int = 502
    extra: dict[str, Any] = field(default_factory=dict)

    @property
    def orderly(self) -> bool:
        """Whether the tracer detached and drained its rings as it was asked to."""
        return self.code in ("requested", "duration")

    def problem(self) -> ProbedeckError:
        """Return the error for a caller that expected the run to continue."""
        return ProbedeckError(self.status, self.code, self.detail, **self.extra)


REQUESTED = End("requested", "stopped on request")
# Nobody asked for that: a probe that the service stopped so should be watching.
SERVICE_STOPPED = End("stopping", "the service stopped", 503)


def end_of(status: int, *, fault: str | None, last_word: End | None, killed_for: End | None) -> End:
    """Return why a tracer ended that left with this exit status.

    `fault` is what was wrong with its frames, `last_word` what it reported itself, and
    `killed_for` why the service killed it. A report of an orderly end counts even if the tracer
    was killed afterwards.
    """
    if fault is None and last_word is not None and last_word.orderly:
        return last_word
    if fault is None and killed_for is not None and status == -signal.SIGKILL:
        return killed_for
    if fault is None and last_word is not None:
        return last_word
    if fault is None:
        fault = (
            f"the tracer was ended by {signal_name(-status)}"
            if status < 0
            else f"the tracer ended with status {status}"
        )
    return End("tracer_failed", fault, extra={"reason": fault})


def filter_not_confirmed(mode: str, end: End | None, timeout_s: float) -> ProbedeckError:
    """Return why a change of filter was not confirmed in time; `end` is that of its run, if any."""
    if end is None:
        return ProbedeckError(
            502,
            "tracer_failed",
            f"the tracer has not confirmed the filter within {timeout_s:g} s; if it does so "
            "later, the probe shows the new filter from then on",
        )
    if end.orderly:
        detail = f"{mode} ended before it confirmed the filter: {end.detail}"
        return ProbedeckError(404, "not_running", detail)
    detail = f"the tracer ended before it confirmed the filter: {end.detail}"
    return ProbedeckError(502, "tracer_failed", detail, **end.extra)


def stop_failed(mode: str, end: End, counters: dict[str, int]) -> ProbedeckError:
    """Return the error for a stop whose run did not end in order; its counters are final."""
    detail = f"{mode} did not stop in order: {end.detail}"
    return ProbedeckError(end.status, end.code, detail, **{**end.extra, "counters": counters})


def failure_text(end: End, counters: dict[str, int]) -> str:
    """Return how a run failed and what its probe lost in all of it, for the service's log."""
    kernel, pipe = counters["dropped_kernel"], counters["dropped_pipe"]
    return (
        f"{end.code}: {end.detail}; of {counters['produced']} rows, {kernel} were lost in the "
        f"kernel and {pipe} between tracer and service"
    )


def signal_name(number: int) -> str:
    """Return a name like `SIGKILL`, or the number of a real-time signal.

    Of the real-time signals Python names the first and the last only.
    """
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
