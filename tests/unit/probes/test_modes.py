# SPDX-License-Identifier: Apache-2.0
"""The table of modes."""

from __future__ import annotations

import pytest

from app.presets.deletions.columns import columns_of
from app.probes.modes import MODES, PREFERENCE


def test_every_mode_has_its_place_in_the_preference() -> None:
    assert sorted(PREFERENCE) == sorted(MODES)
    results = [MODES[name].sees_return for name in PREFERENCE]
    assert results == sorted(results, reverse=True)


@pytest.mark.parametrize("mode", MODES.values(), ids=MODES)
def test_a_result_has_columns_in_modes_that_see_it(mode) -> None:  # type: ignore[no-untyped-def]
    names = [column.name for column in columns_of(mode.name)]
    assert len(names) == len(set(names))
    assert ("ret" in names) == mode.sees_return
