# SPDX-License-Identifier: Apache-2.0
"""Counting tests in pytest's JUnit XML, which `./test` trusts more than an exit status."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from xml.etree import ElementTree


@dataclass
class Count:
    """The tests of a part. `failures` has names; `skips` has names and reasons."""

    passed: int = 0
    failures: list[str] = field(default_factory=list)
    skips: list[str] = field(default_factory=list)

    @property
    def failed(self) -> int:
        """Return the number of failures."""
        return len(self.failures)


def read(path: Path) -> Count:
    """Count the tests in a report; a missing, broken or empty report is a failure."""
    count = Count()
    try:
        cases = list(ElementTree.parse(path).iter("testcase"))
    except FileNotFoundError:
        return Count(failures=["pytest wrote no report"])
    except ElementTree.ParseError as error:
        return Count(failures=[f"pytest's report is not valid XML: {error}"])
    for case in cases:
        name = f"{case.get('classname')}::{case.get('name')}"
        if case.find("failure") is not None or case.find("error") is not None:
            count.failures.append(name)
        elif (skipped := case.find("skipped")) is not None:
            count.skips.append(f"{name}: {skipped.get('message')}")
        else:
            count.passed += 1
    if not cases:
        count.failures.append("pytest collected no test")
    return count


def strict(count: Count) -> Count:
    """Return the count with skips as failures, where nothing may be skipped."""
    return Count(count.passed, [*count.failures, *(f"skipped: {skip}" for skip in count.skips)])
