# SPDX-License-Identifier: Apache-2.0
"""A manager on fakes."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.manager_stage import STOPPED, Stage


@pytest.fixture
def stage(monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    stage = Stage(monkeypatch)
    yield stage
    for run in stage.runs:
        run.report(end=run.end or STOPPED)  # so that no restart follows the test
    stage.pool.shutdown()
