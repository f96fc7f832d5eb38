# SPDX-License-Identifier: Apache-2.0
"""The picture of imports in docs/architecture.md is current."""

from __future__ import annotations

import pytest

from tools.import_picture import BEGIN, DOCUMENT, END, edges, picture, reduced, with_picture


def test_the_picture_is_current() -> None:
    """Else run `python3 -m tools.import_picture`."""
    document = DOCUMENT.read_text(encoding="utf-8")
    assert document == with_picture(document)


def test_the_picture_has_the_packages() -> None:
    assert {"app.kernel", "app.tracer", "app.web.routes"} <= set(edges())
    assert "app.btf" in edges()["app.kernel"]


def test_arrows_that_a_longer_path_implies_are_left_out() -> None:
    graph = {"a": {"b", "c", "d"}, "b": {"c"}, "c": {"d"}, "d": set[str](), "e": {"d"}}
    assert reduced(graph) == {"a": {"b"}, "b": {"c"}, "c": {"d"}, "d": set(), "e": {"d"}}


def test_the_form_of_the_picture() -> None:
    assert picture({"app.web.api": {"app"}, "app": set()}).splitlines() == [
        "```mermaid",
        "flowchart TD",
        '    app_web_api["web/api"]',
        '    app["app/__init__"]',
        "    app_web_api --> app",
        "```",
    ]


def test_only_the_part_between_the_marks_is_replaced() -> None:
    made = with_picture(f"before\n{BEGIN}old\n{END}after\n")
    assert made.startswith(f"before\n{BEGIN}\n| package |")
    assert made.endswith(f"\n{END}after\n")
    assert "old\n" not in made
    with pytest.raises(ValueError, match="marks"):
        with_picture("no marks")
