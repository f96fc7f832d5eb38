# SPDX-License-Identifier: Apache-2.0
"""Searching the index: `vfs_ takes:file returns:ssize_t`.

Terms are separated by spaces, and all of them must hold:

- a part of the name, or, with `*` or `?`, a pattern for all of it;
- `takes:TYPE`, `returns:TYPE`: a type by its name, without `struct` or `const`, behind any number
  of pointers; `takes:char*` behind exactly one; `takes:"unsigned long"` with spaces; after
  `takes:struct` the next word is the name;
- `module:NAME`: functions of a module, `vmlinux` for those of none.
"""

from __future__ import annotations

import difflib
import fnmatch
import re
from bisect import bisect_left
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

from app.kernel.functions import (
    INTEGERS,
    KINDS,
    OF_MODULE,
    RETURNS,
    TAKES,
    TRACEPOINT,
    Entry,
    FunctionIndex,
)
from app.kernel.one_edit import one_edit_away

MAX_QUERY = 200  # characters
MAX_TERMS = 8
MAX_STARS = 8  # in a pattern
MAX_NEAR = 5
_NEAR_TYPES = 3
_CANDIDATES = 200  # names that difflib compares; it takes 20 us for each
_KEYS = {"takes": TAKES, "returns": RETURNS, "module": OF_MODULE}
_TYPE_KEYS = ("takes", "returns")
_TERM = re.compile(r'(?:([a-z]+):)?"([^"]*)"|(\S+)')
_NAME = re.compile(r"[A-Za-z0-9_.$:*?-]+\Z")
_KEYED = re.compile(r"([a-z]+):(.*)\Z", re.DOTALL)
_QUALIFIERS = ("struct", "union", "enum", "const")  # before the name of a type


class QueryError(ValueError):
    """A query with a fault; the message says what is accepted, `near` what may have been meant."""

    def __init__(self, message: str, near: Iterable[str] = ()) -> None:
        self.near = list(near)
        guess = f" Did you mean {' or '.join(self.near)}?" if self.near else ""
        super().__init__(message + guess)


@dataclass(frozen=True)
class Hits:
    """The first `entries` of `total` that were found, the best first."""

    total: int
    entries: tuple[Entry, ...]


def search(index: FunctionIndex, query: str, kind: str | None, limit: int) -> Hits:
    """Return what the query finds: names that are equal, then those that begin so, then the rest.

    Raises QueryError.
    """
    names, keyed = _parse(query)
    numbers: Collection[int] = index.range_of(kind)
    for key, text in keyed:
        posted = _posted(index, key, text)
        numbers = sorted(posted.intersection(numbers))
    for term in names:
        numbers = _named(index, term, numbers)
    first = _first(index, names, numbers, limit)
    return Hits(len(numbers), tuple(index.entry(number) for number in first))


def near_names(index: FunctionIndex, name: str, kind: str | None) -> list[str]:
    """Return up to MAX_NEAR names that resemble this one, the most similar first."""
    numbers, wanted = index.range_of(kind), name.encode(errors="replace")[:MAX_QUERY]
    names = index.names[numbers.start : numbers.stop]
    found: dict[bytes, None] = {}
    for part in (wanted[: max(4, len(wanted) * 2 // 3)], wanted[-6:], wanted[:4]):
        if part and len(found) < _CANDIDATES:
            found |= dict.fromkeys(each for each in names if part in each)
    if len(found) < _CANDIDATES and wanted:  # several letters that differ
        begin, size = wanted[:2], len(wanted)
        found |= dict.fromkeys(
            each for each in names if each.startswith(begin) and -3 < len(each) - size < 3
        )
    nearest = sorted(found, key=lambda each: abs(len(each) - len(wanted)))[:_CANDIDATES]
    texts = [each.decode(errors="replace") for each in nearest]
    known = {each.decode(errors="replace") for each in names}
    similar = difflib.get_close_matches(name, texts, n=MAX_NEAR, cutoff=0.5)
    return list(dict.fromkeys((*one_edit_away(name, known), *similar)))[:MAX_NEAR]


def _parse(query: str) -> tuple[list[str], list[tuple[str, str]]]:
    """Return the terms for names, and (key, text) of the others."""
    if len(query) > MAX_QUERY:
        raise QueryError(f"Too long: at most {MAX_QUERY} characters.")
    names, keyed = [], []
    for quoted_key, quoted, plain in _with_their_names(_TERM.findall(query)):
        match = _KEYED.match(plain)
        key, text = (match[1], match[2]) if match else (quoted_key, quoted)
        if key in _KEYS:
            if not text:
                raise QueryError(f"{key}: needs a name after the colon, such as takes:sock.")
            keyed.append((key, text))
            continue
        if close := difflib.get_close_matches(key, _KEYS, n=1, cutoff=0.8):
            raise QueryError(f"Unknown key {key}:.", [f"{close[0]}:{text}"])
        term = plain or quoted
        if not _NAME.match(term):
            raise QueryError(
                f"Not a part of a name: {term!r}. Names have letters, digits, `_`, `.` and `:`; "
                "`*` and `?` stand for others."
            )
        if term.count("*") > MAX_STARS:
            raise QueryError(f"Too many `*`: at most {MAX_STARS} in a pattern.")
        names.append(term)
    if len(names) + len(keyed) > MAX_TERMS:
        raise QueryError(f"Too many terms: at most {MAX_TERMS}.")
    return names, keyed


def _with_their_names(terms: Iterable[tuple[str, str, str]]) -> Iterator[tuple[str, str, str]]:
    """Yield the terms, with the name that follows `takes:struct` in that term.

    Raises QueryError where none does.
    """
    left = iter(terms)
    for quoted_key, quoted, plain in left:
        key, _, text = plain.partition(":")
        if key in _TYPE_KEYS and text in _QUALIFIERS:
            words = [text]
            while words[-1] in _QUALIFIERS:
                _, _, word = next(left, ("", "", ""))
                if not word or ":" in word:
                    example = f'{key}:"{text} NAME"'
                    raise QueryError(f"{plain} needs the name of a type: write {example}.")
                words.append(word)
            yield key, " ".join(words), ""
        else:
            yield quoted_key, quoted, plain


def _posted(index: FunctionIndex, key: str, text: str) -> set[int]:
    name = text.rstrip("*").strip()
    pointers = text.count("*") or None
    if key == "module":
        name, pointers = text, None
    else:
        words = [word for word in name.split() if word not in _QUALIFIERS]
        name = " ".join(words)
        name = INTEGERS.get(name, name)
    found = index.posted(_KEYS[key], name, pointers)
    if found is not None:
        return found
    if not name:
        raise QueryError(f"{key}: needs the name of a type, such as {key}:sock.")
    similar = _similar(name, index.terms(_KEYS[key]))
    near = [f'{key}:"{each}"' if " " in each else f"{key}:{each}" for each in similar]
    if key == "module":
        what = f"No function of a module {name!r}: is it loaded (modprobe {name})?"
    elif pointers and index.posted(_KEYS[key], name) is not None:
        what, near = f"No {key}:{text}; without `*` there are some.", [f"{key}:{name}"]
    else:
        what = f"Nothing {key} a type named {name!r}."
    raise QueryError(what, near)


def _similar(name: str, names: list[str]) -> list[str]:
    exact = [each for each in names if name in each]
    begin = [each for each in names if each[:3] == name[:3] or each[-4:] == name[-4:]]
    candidates = list(dict.fromkeys([*sorted(exact, key=len), *begin]))[:_CANDIDATES]
    similar = difflib.get_close_matches(name, candidates, n=_NEAR_TYPES, cutoff=0.5)
    near = (*one_edit_away(name, set(names)), *similar)
    return list(dict.fromkeys(near))[:_NEAR_TYPES]


def _named(index: FunctionIndex, term: str, numbers: Collection[int]) -> Collection[int]:
    """Return the numbers whose name has this part, or matches this pattern."""
    names = index.names
    is_pattern = "*" in term or "?" in term
    part = max(re.split(r"[*?]+", term), key=len).encode()  # rules out most names of a pattern
    if isinstance(numbers, range):
        candidates = [number for number in index.containing(part) if number in numbers]
    else:
        candidates = [number for number in numbers if part in names[number]]
    if not is_pattern:
        return candidates
    # Only `*` and `?` reach fnmatch (_NAME), whose expressions for `*` do not backtrack into one
    # another.
    pattern = re.compile(fnmatch.translate(term).encode())
    tracepoints = index.range_of(TRACEPOINT).start
    return [
        number
        for number in candidates
        if pattern.match(names[number])
        or (number >= tracepoints and pattern.match(names[number].partition(b":")[2]))
    ]


def _first(
    index: FunctionIndex, terms: list[str], numbers: Collection[int], limit: int
) -> list[int]:
    """Return the first numbers: equal to the first term, beginning with it, then the others."""
    if not terms or not numbers:
        return list(islice(numbers, limit))
    term, chosen = terms[0].encode(), set(numbers)
    equal: list[int] = []
    begin: list[int] = []
    for number in _beginning(index, term):
        if number in chosen:
            name = index.names[number]
            (equal if name == term or name.endswith(b":" + term) else begin).append(number)
    front = equal + begin
    rest = chosen.difference(front)
    others = islice((number for number in numbers if number in rest), max(0, limit - len(front)))
    return [*front, *others][:limit]


def _beginning(index: FunctionIndex, term: bytes) -> Iterator[int]:
    """Yield the names that begin with a term, of tracepoints also without their category."""
    names = index.names
    for kind in KINDS:
        numbers = index.range_of(kind)
        if kind == TRACEPOINT:
            start = b":" + term
            yield from (n for n in numbers if names[n].startswith(term) or start in names[n])
            return
        low = bisect_left(names, term, numbers.start, numbers.stop)
        high = bisect_left(names, term + b"\xff", low, numbers.stop)
        yield from range(low, high)


def find(index: FunctionIndex, name: str, kind: str | None, module: str | None) -> Entry | None:
    """Return the entry of this name: of this kind, else the first of KINDS that has it."""
    kinds = KINDS if kind is None else (kind,)
    entries = (index.lookup(each, name, module) for each in kinds)
    return next((entry for entry in entries if entry is not None), None)
