# SPDX-License-Identifier: Apache-2.0
"""Counting what pytest wrote down: `./test` believes JUnit XML rather than an exit status."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from xml.etree import ElementTree


@dataclass
class Count:
    """Tests of a part. `failures` names each that failed, `skips` each skipped with its reason."""

    passed: int = 0
    failures: list[str] = field(default_factory=list)
    skips: list[str] = field(default_factory=list)

    @property
    def failed(self) -> int:
        """How many failed."""
        return len(self.failures)


def read(path: Path) -> Count:
    """Count the tests in a report. No report, or none with tests, is a failure itself."""
    count = Count()
    try:
        cases = list(ElementTree.parse(path).iter("testcase"))
    except FileNotFoundError:
        return Count(failures=["no report of tests was written"])
    except ElementTree.ParseError as error:
        return Count(failures=[f"the report of tests is not whole: {error}"])
    for case in cases:
        name = f"{case.get('classname')}::{case.get('name')}"
        if case.find("failure") is not None or case.find("error") is not None:
            count.failures.append(name)
        elif (skipped := case.find("skipped")) is not None:
            count.skips.append(f"{name}: {skipped.get('message')}")
        else:
            count.passed += 1
    if not cases:
        count.failures.append("not one test was collected")
    return count


def strict(count: Count) -> Count:
    """The same where nothing may be skipped: a skip is a failure."""
    return Count(count.passed, [*count.failures, *(f"skipped: {skip}" for skip in count.skips)])
