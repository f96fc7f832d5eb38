# SPDX-License-Identifier: Apache-2.0
"""Patterns for whole texts: `*` matches any number of characters, `?` matches one.

`\\*`, `\\?` and `\\\\` are literal characters; any other backslash is a backslash.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache

PIECES = re.compile(r"\\[*?\\]|.", re.DOTALL)
# Texts repeat, and a pattern costs more than a look-up.
REMEMBERED = 512

Matcher = Callable[[str], bool]


def pieces(pattern: str) -> list[str]:
    """Split a pattern into characters, `*`, `?`, and escaped characters with their backslash."""
    return PIECES.findall(pattern)


def has_wildcard(pattern: str) -> bool:
    """Whether a pattern has an unescaped `*` or `?`."""
    return any(piece in ("*", "?") for piece in pieces(pattern))


def plain(piece: str) -> str:
    """Return the character that a piece means literally."""
    return piece[1] if len(piece) == 2 else piece


def part_matcher(part: str) -> Matcher:
    """Return a test of whether a text contains this one, ignoring case."""
    return _matcher(re.compile(re.escape(part), re.IGNORECASE))


def glob_matcher(pattern: str, *, ignores_case: bool) -> Matcher:
    """Return a test of whether a whole text matches the pattern.

    The leftmost match of each part between two stars suffices, so each part is searched for once:
    a pattern with many stars cannot backtrack exponentially.
    """
    parts: list[list[str]] = [[]]
    for piece in pieces(pattern):
        if piece == "*":
            parts.append([])
        else:
            parts[-1].append("." if piece == "?" else re.escape(plain(piece)))
    flags = re.DOTALL | (re.IGNORECASE if ignores_case else 0)
    first, *others = (re.compile("".join(part), flags) for part in parts)
    if not others:
        return lru_cache(REMEMBERED)(lambda text: first.fullmatch(text) is not None)
    *middle, last = others
    last_length = len(parts[-1])  # each piece matches one character

    def matches(text: str) -> bool:
        found = first.match(text)
        for part in middle:
            if found is None:
                return False
            found = part.search(text, found.end())
        start = len(text) - last_length
        return found is not None and found.end() <= start and last.match(text, start) is not None

    return lru_cache(REMEMBERED)(matches)


def _matcher(compiled: re.Pattern[str]) -> Matcher:
    return lru_cache(REMEMBERED)(lambda text: compiled.search(text) is not None)
