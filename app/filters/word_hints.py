# SPDX-License-Identifier: Apache-2.0
"""Hints about a valid filter that may have been meant differently: words that hold operators.

`0>ret` is a word, since a test begins with its column, and it is searched for in every text.
static/js/filter/hints.js has the same, and further ones about what the page shows.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from app.filters.fault import MAX_QUOTED, Fix, quoted
from app.filters.globs import has_wildcard
from app.filters.grammar import parse
from app.filters.operators import TEXT, kind_of
from app.filters.tree import Node, Not, Term, Word
from app.filters.vocabulary import Vocabulary

MAX_HINTS = 4
SIGNS = re.compile(r"[=<>~≠≤≥|&]|^!|!\Z")
FLIPPED = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "=": "=", "==": "=", "!=": "!="}
TURNED = re.compile(r"([^=<>!]+)(<=|>=|==|!=|<|>|=)([A-Za-z_]\w*)", re.ASCII)
TWO = re.compile(r"([^|&]+)([|&])([^|&]+)")
NAMED = re.compile(r"([A-Za-z_]\w*)[:!]+(.+)", re.ASCII | re.DOTALL)
NEEDS_QUOTES = re.compile(r"[\"\s()]|^[=~<>!'\u2018\u201c\u201e]|&&|\|\|")
# What texts of files are in: the column that a pattern alone is probably of.
OF_FILES = ("filename", "path")


@dataclass(frozen=True)
class Hint:
    """How a filter was interpreted, and whole filters that may have been meant."""

    message: str
    fixes: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """Return it as in docs/protocol.md."""
        return {"message": self.message, "fixes": list(self.fixes)}


def hints_of(text: str, names: Vocabulary) -> list[Hint]:
    """Return at most 4 hints about a filter without faults."""
    tree = parse(text, names)
    words = [word for word in _words(tree) if not word.is_quoted and SIGNS.search(word.text)]
    return [_hint(word, text, names) for word in words[:MAX_HINTS]]


def _words(node: Node | None) -> Iterator[Word]:
    if isinstance(node, Word):
        yield node
    elif isinstance(node, Not):
        yield from _words(node.part)
    elif node is not None and not isinstance(node, Term):
        for part in node.parts:
            yield from _words(part)


def _hint(word: Word, text: str, names: Vocabulary) -> Hint:
    escaped = re.sub(r'[\\"]', r"\\\g<0>", word.text)
    forms = [*_forms(word.text, names), f'"{escaped}"']
    fixes = dict.fromkeys(Fix(word.start, word.end, form).apply(text) for form in forms)
    return Hint(
        f"{quoted(word.text)} is interpreted as a word and searched for in every text column",
        tuple(fix for fix in fixes if len(fix) <= MAX_QUOTED),
    )


def _forms(text: str, names: Vocabulary) -> list[str]:
    """Return what a word may have been meant as, beside the word itself."""
    joining = {"|": "or", "&": "and"}
    if text in joining:
        return [joining[text]]
    turned, two = TURNED.fullmatch(text), TWO.fullmatch(text)
    if turned and names.find(turned[3]):
        form: str | None = f"{turned[3]}{FLIPPED[turned[2]]}{turned[1]}"
    elif two:
        form = f"{two[1]} {joining[two[2]]} {two[3]}"
    else:
        form = _named(text, names) or _several(text) or _of_files(text, names)
    return [form] if form else []


def _named(text: str, names: Vocabulary) -> str | None:
    """comn:rm, comm!rm"""
    named = NAMED.fullmatch(text)
    nearest = named and (named[1] if names.find(named[1]) else names.nearest(named[1]))
    if not named or not nearest:
        return None
    return f"{nearest}{'!=' if '!' in text else '='}{named[2]}"


def _several(text: str) -> str | None:
    """`rm,` or `rm,git`"""
    bare = text.rstrip(",;")
    if bare != text:
        return bare or None
    parts = [part for part in re.split("[,;]", text) if part]
    return " or ".join(parts) if len(parts) > 1 else None


def _of_files(text: str, names: Vocabulary) -> str | None:
    glob = _glob_of(text)
    texts = [column.name for column in names.columns if kind_of(column) == TEXT]
    column = next((name for name in texts if name in OF_FILES), next(iter(texts), None))
    return None if glob is None or column is None else f"{column}~{_pattern(glob)}"


def _pattern(glob: str) -> str:
    """Write a pattern after an operator, with characters escaped that cannot be seen."""
    if glob and not NEEDS_QUOTES.search(glob) and glob.isprintable():
        return glob
    escaped = re.sub(r'[\\"]', r"\\\g<0>", glob)
    seen = (each if each.isprintable() else f"\\u{{{ord(each):x}}}" for each in escaped)
    return f'"{"".join(seen)}"'


def _glob_of(text: str) -> str | None:
    """Return the pattern meant by `%.tmp|` or `/\\.tmp$/`, also of other languages."""
    inside = re.fullmatch(r"/(.+)/[a-z]*", text)
    if inside and re.search(r"[\\^$.|()\[\]]", inside[1]):
        return _regex_as_glob(inside[1])
    if has_wildcard(text):
        return text
    if text.startswith("%") or text.endswith("%"):
        return text.replace("%", "*")
    return _regex_as_glob(text) if re.search(r"^\^|\$\Z|\.[*+]|\\[.dsw]", text) else None


def _regex_as_glob(regex: str) -> str:
    start = "" if regex.startswith("^") else "*"
    end = "" if regex.endswith("$") else "*"
    inner = re.sub(r"^\^|\$\Z", "", regex)
    inner = re.sub(r"\.[*+]", "*", inner)
    inner = re.sub(r"\\[dsw]\+?", "*", inner)
    inner = re.sub(r"\\(.)", r"\1", inner)
    inner = re.sub(r"[\[\]()^$+]", "", inner)
    return re.sub(r"\*{2,}", "*", f"{start}{inner}{end}")
