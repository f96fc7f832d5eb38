# SPDX-License-Identifier: Apache-2.0
"""Property tests take the time that the machine takes: Hypothesis's deadline of 200 ms is off."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("patient", deadline=None)
settings.load_profile("patient")
