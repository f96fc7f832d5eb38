# SPDX-License-Identifier: Apache-2.0
"""The results of parts: adding them up, and the account that ends `./test`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tests.runner.junit import Count


@dataclass(frozen=True)
class Result:
    """The outcome of a part; `took_s` is in seconds."""

    part: str
    count: Count
    took_s: float


def confirmed(count: Count, status: int) -> Count:
    """Return the count, with a failure added when pytest failed and its report has none."""
    if status != 0 and not count.failures:
        count.failures.append(f"pytest ended with status {status}")
    return count


def together(*counts: Count) -> Count:
    """Return the sum of several counts."""
    return Count(
        sum(count.passed for count in counts),
        [failure for count in counts for failure in count.failures],
        [skip for count in counts for skip in count.skips],
    )


def account(results: Sequence[Result]) -> str:
    """Return a table of all parts, the failures, and the line that sums them up."""
    lines = [f"{'part':24} {'passed':>7} {'failed':>7} {'skipped':>8} {'seconds':>8}"]
    for result in results:
        count = result.count
        lines.append(
            f"{result.part:24} {count.passed:7} {count.failed:7} {len(count.skips):8}"
            f" {result.took_s:8.1f}"
        )
    for result in results:
        lines += [f"FAILED {result.part}: {failure}" for failure in result.count.failures]
    total = together(*(result.count for result in results))
    return "\n".join([*lines, f"{total.passed} passed, {total.failed} failed"])
