# SPDX-License-Identifier: Apache-2.0
"""What `./test` counts, and what it never takes for success."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.runner import junit, parts
from tests.runner.junit import Count
from tests.runner.node import count_tap
from tests.runner.results import Result, account, confirmed

REPORT = """<testsuites><testsuite>
<testcase classname="a" name="good"/>
<testcase classname="a" name="bad"><failure message="x"/></testcase>
<testcase classname="a" name="broken"><error message="x"/></testcase>
<testcase classname="a" name="left out"><skipped message="no kprobes"/></testcase>
</testsuite></testsuites>"""


@pytest.fixture
def report(tmp_path: Path) -> Path:
    path = tmp_path / "report.xml"
    path.write_text(REPORT)
    return path


def test_a_report_is_counted(report: Path) -> None:
    count = junit.read(report)
    assert count.passed == 1
    assert count.failures == ["a::bad", "a::broken"]
    assert count.skips == ["a::left out: no kprobes"]


def test_where_nothing_may_be_skipped_a_skip_is_a_failure(report: Path) -> None:
    strict = junit.strict(junit.read(report))
    assert (strict.passed, strict.failed, strict.skips) == (1, 3, [])


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (None, "pytest wrote no report"),
        ("", "not valid XML"),
        (REPORT[:100], "not valid XML"),
        ("<testsuites><testsuite/></testsuites>", "pytest collected no test"),
    ],
)
def test_a_report_that_shows_nothing_is_a_failure(
    tmp_path: Path, text: str | None, reason: str
) -> None:
    path = tmp_path / "report.xml"
    if text is not None:
        path.write_text(text)
    count = junit.read(path)
    assert (count.passed, count.failed) == (0, 1)
    assert reason in count.failures[0]


def test_a_status_adds_a_failure_only_where_the_report_has_none() -> None:
    assert confirmed(Count(passed=3), 0).failed == 0
    assert confirmed(Count(passed=3), 3).failures == ["pytest ended with status 3"]
    assert confirmed(Count(passed=3, failures=["a"]), 1).failures == ["a"]


def test_node_s_totals() -> None:
    report = "ok 1\n# tests 9\n# pass 5\n# fail 1\n# cancelled 1\n# skipped 1\n# todo 1\n"
    count = count_tap(report)
    assert (count.passed, count.failed, len(count.skips)) == (5, 2, 2)
    assert count_tap("# tests 0\n# pass 0\n").failed == 1
    assert count_tap("").failed == 1


def test_the_last_line_is_the_sum() -> None:
    results = [
        Result("unit", Count(passed=7, skips=["x"]), 1.0),
        Result("browser", Count(passed=2, failures=["a::b"]), 2.5),
    ]
    lines = account(results).splitlines()
    assert lines[-1] == "9 passed, 1 failed"
    assert "FAILED browser: a::b" in lines


def test_the_report_that_counts_is_the_one_this_run_wrote(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parts, "RESULTS", tmp_path)
    (tmp_path / "case").mkdir()
    (tmp_path / "case/test_case.py").write_text("def test_one(): pass\ndef test_two(): assert 0\n")
    count = parts.pytest("case", "--rootdir", str(tmp_path), str(tmp_path / "case"))
    assert (count.passed, count.failed) == (1, 1)
