# SPDX-License-Identifier: Apache-2.0
"""Nothing of the page is inline, so that the policy that forbids it holds for all of it; and no
text becomes markup or code. The policy is in app/web/response_headers.py."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from app import ROOT

TEMPLATES = sorted((ROOT / "templates").rglob("*.html"))
MODULES = sorted((ROOT / "static" / "js").rglob("*.js"))
VENDORED = sorted((ROOT / "static" / "vendor").glob("*.mjs"))
STYLES = sorted((ROOT / "static").rglob("*.css"))
IMAGES = sorted((ROOT / "static").rglob("*.svg"))

CODE_FROM_TEXT = re.compile(
    r"\beval\s*\(|\bFunction\s*\(|\bset(Timeout|Interval)\s*\(\s*[\"'`]|javascript:|\bimport\s*\(\s*[^\"')]"
)
MARKUP_FROM_TEXT = re.compile(
    r"\b(inner|outer)HTML\b|\binsertAdjacentHTML\b|\bdocument\.write|\bDOMParser\b|\bsrcdoc\b"
    r"|\bcreateContextualFragment\b|\bsetHTML|\"style\"|'style'|\bcssText\b"
)


class Inline(HTMLParser):
    """Collects what the policy would refuse: scripts and styles that stand in the document."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.elements = 0
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements += 1
        names = dict(attrs)
        if tag == "style" or (tag == "script" and "src" not in names):
            self.found.append(f"<{tag}>")
        for name, value in attrs:
            of_another_site = name in {"src", "href", "action"} and not re.match(
                r"[/#](?!/)", value or ""
            )
            if name == "style" or name.startswith("on") or of_another_site:
                self.found.append(f'<{tag} {name}="{value}">')


@pytest.mark.parametrize("path", TEMPLATES + IMAGES, ids=lambda path: path.name)
def test_documents_hold_no_script_and_no_style(path: Path) -> None:
    parsed = Inline(path.read_text(encoding="utf-8"))
    assert parsed.elements
    assert parsed.found == []


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_modules_make_neither_markup_nor_code_of_text(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert not CODE_FROM_TEXT.search(text)
    assert not MARKUP_FROM_TEXT.search(text)


@pytest.mark.parametrize("path", VENDORED, ids=lambda path: path.name)
def test_vendored_modules_make_no_code_of_text(path: Path) -> None:
    assert not CODE_FROM_TEXT.search(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("path", STYLES, ids=lambda path: path.name)
def test_style_sheets_fetch_nothing(path: Path) -> None:
    assert not re.search(r"@import|url\s*\(", path.read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    "text",
    [
        "<script>1</script>",
        "<p style='color:red'>",
        "<style>p{}</style>",
        "<a onclick='f()'>",
        "<a href='javascript:f()'>",
        "<script src='//evil.test/x.js'></script>",
        "<img src='https://evil.test/x'>",
    ],
)
def test_what_is_inline_is_found(text: str) -> None:
    assert Inline(text).found


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        (CODE_FROM_TEXT, "eval(x)"),
        (CODE_FROM_TEXT, "new Function('a')"),
        (CODE_FROM_TEXT, "setTimeout('f()', 1)"),
        (MARKUP_FROM_TEXT, "e.innerHTML = x"),
        (MARKUP_FROM_TEXT, 'e.setAttribute("style", x)'),
    ],
)
def test_what_is_made_of_text_is_found(pattern: re.Pattern[str], text: str) -> None:
    assert pattern.search(text)


def test_every_export_is_imported_by_another_module_or_a_test() -> None:
    readers = {
        path: path.read_text(encoding="utf-8")
        for path in [*MODULES, *(ROOT / "tests").rglob("*.mjs"), *(ROOT / "tests").rglob("*.js")]
        if "node_modules" not in path.parts
    }
    unused = [
        f"{path.name}: {name}"
        for path in MODULES
        for name in re.findall(
            r"^export (?:async )?(?:const|let|class|function\*?) (\w+)", readers[path], re.MULTILINE
        )
        if not any(
            re.search(rf"\b{name}\b", text) for other, text in readers.items() if other != path
        )
    ]
    assert unused == []
