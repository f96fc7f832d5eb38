# SPDX-License-Identifier: Apache-2.0
"""The lists of packages: each with its hashes, and the tests' with the service's own."""

from __future__ import annotations

import re

import pytest

from app import ROOT


@pytest.mark.parametrize("name", ["requirements", "requirements-test"])
def test_every_requirement_has_hashes_and_is_the_one_asked_for(name: str) -> None:
    text = (ROOT / f"{name}.txt").read_text()
    found = {}
    for entry in re.split(r"\n(?=[a-z0-9])", text.split("\n", 2)[2]):
        pinned, *hashes = entry.split("\\\n")
        found[pinned.split(";")[0].strip()] = hashes
        assert hashes, pinned
        assert all(re.fullmatch(r"    --hash=sha256:[0-9a-f]{64} ?\n?", each) for each in hashes)
    wanted = (ROOT / f"{name}.in").read_text().splitlines()
    pins = [line.split(";")[0].strip() for line in wanted if line[:1] not in ("#", "-", "")]
    assert pins
    assert set(pins) <= set(found)
    assert "://" not in text  # how packages are reached is each machine's own affair


def test_the_tests_run_on_what_the_service_runs_on() -> None:
    service, tests = (
        re.findall(r"^[a-z0-9-]+==\S+|--hash=\S+", (ROOT / name).read_text(), re.MULTILINE)
        for name in ("requirements.txt", "requirements-test.txt")
    )
    assert set(service) <= set(tests)
