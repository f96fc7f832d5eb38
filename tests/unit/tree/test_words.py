# SPDX-License-Identifier: Apache-2.0
"""Phrases that no document, no page and no text of the API may contain, and what to write."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from app import ROOT

TEMPLATES = sorted((ROOT / "templates").rglob("*.html"))
MODULES = sorted((ROOT / "static/js").rglob("*.js"))
SOURCES = sorted((ROOT / "app").rglob("*.py"))
ROUTES = ROOT / "app/web/routes"
DOCUMENTS = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").glob("*.md"))]

# A phrase -> what to write instead, and a sentence with the phrase.
PHRASES = {
    r"\blet(?:s|ting)? go\b": ("evict, release", "12 older let go"),
    r"\bby (?:itself|themselves)\b": ("automatically", "It starts again by itself."),
    r"\banew\b": ("again", "The page connects anew."),
    r"(?<!there )\b(?:is|are|was|were) none\b": ("is not a ...", "This is none."),
    r"(?<!there )\b(?:is|was) no (?!longer\b|more\b)": (
        "is not a ..., invalid ...",
        "It is no name.",
    ),
    r"\bwhat is no\b": ("malformed ...", "The tracer sent what is no frame."),
    r"\border of (?:their )?coming\b": ("arrival order", "Back to the order of coming"),
    r"\bgo on\b": ("continue, sign in", "Go on"),
    r"\bbrought? about\b": ("cause", "Each byte brought about a poll."),
    r"\b(?:whoever|whom)\b": ("client, caller, user", "of whoever asks"),
    r"\bthose who\b": ("clients, users", "for those who stay"),
    r"\bmeanwhile\b": ("while ..., in the meantime", "Rows are kept meanwhile."),
    r"\bstands? (?:in|behind|before|between)\b": ("is in, follows", "It stands behind the name."),
    r"\bquiet looks?\b": ("idle polls", "after a quiet look"),
    r"\blook(?:s|ed)? (?:again )?(?:at|for) (?:it|them|every|each)\b": (
        "poll, search",
        "looked at each",
    ),
    r"\bcleared away\b": ("cleared", "5 events cleared away"),
    r"\bmakes one\b": ("To create one, run ...", "`token add` makes one."),
    r"\bis an operator's\b": ("needs an operator token", "Stopping is an operator's."),
    r"\bwas not there\b": ("was not received, is missing", "The request was not there."),
    r"\bask the kernel again\b": ("re-check kernel support", "Ask the kernel again"),
    r"\btakes? the place of\b": ("replaces", "It takes the place of the other."),
    r"\bof the whole page\b": ("of the page", "Use the keys of the whole page"),
    r"\b\d+ different\b|\} different\b": ("distinct", "3 different"),
    r"\bin force\b": ("active", "Still in force: no filter"),
}
COMMENT = re.compile(r"^\s*(?://|/?\*).*$|(?<=[\s;{}(),]) ?// .*$", re.MULTILINE)


def found_in(text: str) -> list[str]:
    """Return each phrase found in `text`, with its context and what to write instead."""
    one_line = re.sub(r"\s+", " ", text)
    return [
        f"{one_line[max(0, found.start() - 30) : found.end() + 30]!r}: write {instead!r}"
        for phrase, (instead, _) in PHRASES.items()
        for found in re.finditer(phrase, one_line, re.IGNORECASE)
    ]


def texts(path: Path) -> Iterator[str]:
    """Yield the string literals of a Python module; docstrings only of routes, for OpenAPI."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    docstrings = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, documented) and node.body and isinstance(node.body[0], ast.Expr)
        if not (path.parent == ROUTES and isinstance(node, ast.FunctionDef) and node.decorator_list)
    }
    for node in ast.walk(tree):
        is_text = isinstance(node, ast.Constant) and isinstance(node.value, str)
        if is_text and id(node) not in docstrings:
            yield str(node.value)


@pytest.mark.parametrize("phrase", PHRASES)
def test_each_phrase_is_found(phrase: str) -> None:
    instead, sentence = PHRASES[phrase]
    assert re.search(phrase, sentence, re.IGNORECASE)
    assert not found_in(instead)


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_templates(path: Path) -> None:
    assert found_in(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_documents(path: Path) -> None:
    """But for code, and names of tests, in back-quotes."""
    text = re.sub(r"^```.*?^```|`[^`]*`", "x", path.read_text(), flags=re.MULTILINE | re.DOTALL)
    assert found_in(text) == []


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_modules_of_the_page(path: Path) -> None:
    assert found_in(COMMENT.sub("", path.read_text(encoding="utf-8"))) == []


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_texts_of_the_service(path: Path) -> None:
    found = [found for text in texts(path) for found in found_in(text)]
    assert found == []
