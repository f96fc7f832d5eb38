# SPDX-License-Identifier: Apache-2.0
"""axe-core run in a page (tests/vendor/README.md)."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import Page

AXE = (Path(__file__).resolve().parents[1] / "vendor/axe.min.js").read_text()
# `preload` would fetch stylesheets again, for rules that are not run.
RUN = """async () => {
    const { violations } = await axe.run(document, { preload: false });
    return violations.flatMap(({ id, impact, help, nodes }) =>
        nodes.map(({ target, failureSummary }) => ({
            impact, text: `${impact} ${id}: ${help}, at ${target}: ${failureSummary}`,
        })));
}"""
GRAVE = ("serious", "critical")


def grave_faults(page: Page) -> list[str]:
    """The serious and critical violations; the lesser ones are printed."""
    page.evaluate(AXE)
    faults = page.evaluate(RUN)
    for fault in faults:
        print(fault["text"])
    return [fault["text"] for fault in faults if fault["impact"] in GRAVE]
