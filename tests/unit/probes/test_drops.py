# SPDX-License-Identifier: Apache-2.0
"""The causes of drops are those that the page explains."""

from __future__ import annotations

import re

from app import ROOT
from app.probes.drops import NO_DROPS


def test_every_cause_is_explained() -> None:
    banner = (ROOT / "static/js/ui/page/loss_banner.js").read_text()
    explained = re.findall(r"^  ([a-z_]+):\s", banner, re.MULTILINE)
    assert set(NO_DROPS) <= set(explained)


def test_every_cause_is_documented() -> None:
    protocol = (ROOT / "docs/protocol.md").read_text()
    assert all(f"`{name}`" in protocol for name in NO_DROPS)
