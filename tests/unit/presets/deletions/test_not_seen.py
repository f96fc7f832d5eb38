# SPDX-License-Identifier: Apache-2.0
"""What modes do not show."""

from __future__ import annotations

import pytest

from app.presets.deletions.not_seen import ALL, FUNCTION_MODES, NO_RENAMES, not_seen
from app.probes.modes import MODES


def test_every_mode_is_covered() -> None:
    assert sorted(ALL) == sorted(MODES)


@pytest.mark.parametrize("mode", MODES)
def test_unknown_functions_for_renames(mode: str) -> None:
    assert NO_RENAMES not in not_seen(mode, sees_renames=True)
    assert (NO_RENAMES in not_seen(mode, sees_renames=False)) == (mode in FUNCTION_MODES)
