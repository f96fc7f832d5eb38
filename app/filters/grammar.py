# SPDX-License-Identifier: Apache-2.0
"""Parses a filter's text into a tree.

`not` binds tightest, then `and` (which may be omitted between two tests), then `or`.
"""

from __future__ import annotations

import re
from dataclasses import replace

from app.filters.fault import FilterFault, Fix, quoted
from app.filters.globs import has_wildcard
from app.filters.lexer import SPACE, Token, tokenize
from app.filters.literals import is_unit
from app.filters.operators import FOREIGN, TEXT, TIME, kind_of
from app.filters.tree import And, Node, Not, Or, Term, Word
from app.filters.vocabulary import Vocabulary

MAX_CHARACTERS = 8_192  # a path has at most 4,095 bytes
MAX_DEPTH = 64  # of nested parentheses and nots
MAX_TESTS = 256  # words and tests of a column

# latency>1 ms: the unit belongs to the number before it, if the column has a unit.
BARE_NUMBER = re.compile(r"(?:^|\.\.)[+\u2212-]?[\d.,]*\d\Z", re.ASCII)
DATE = re.compile(r"(?:^|\.\.)\d{4}-\d{2}-\d{2}\Z", re.ASCII)
ENDS_IN_CLOCK = re.compile(r":\d{2}(?:\.\d+)?\Z", re.ASCII)
CLOCK = re.compile(r"\d{1,2}:\d{2}", re.ASCII)
ZONE = re.compile(r"(?:Z|[+\u2212-]\d{2}:?\d{2})\Z", re.ASCII | re.IGNORECASE)
NUMBER_START = re.compile(r"[+\u2212-]?\d", re.ASCII)


def parse(source: str, names: Vocabulary) -> Node | None:
    """Return the tree of a filter, None for a blank text.

    What columns there are matters for units, lists and ranges with spaces; whether a test's
    column exists is not checked here. Raises FilterFault.
    """
    if len(source) > MAX_CHARACTERS:
        message = f"the filter is longer than {MAX_CHARACTERS} characters"
        raise FilterFault(message, MAX_CHARACTERS, len(source))
    return _Parser(source, names).read()


class _Parser:
    def __init__(self, source: str, names: Vocabulary) -> None:
        self._source = source
        self._names = names
        self._tokens = tokenize(source, names)
        self._at = 0
        self._depth = 0
        self._tests = 0

    def read(self) -> Node | None:
        wrong = next((i for i, token in enumerate(self._tokens) if token.fault), None)
        if wrong is not None:
            raise self._fault_of(wrong)
        if not self._tokens:
            return None
        tree = self._or()
        rest = self._next()
        if rest:
            raise FilterFault("unmatched closing parenthesis", rest.start, rest.end)
        return tree

    def _fault_of(self, index: int) -> FilterFault:
        """Return the fault of a token; `forms` of a value replace its operator too."""
        token = self._tokens[index]
        start = self._tokens[index - 1].start if index else 0
        fixes = [Fix(start, token.end, insert) for insert in token.forms]
        return FilterFault(token.fault or "", token.start, token.end, fixes)

    def _next(self, after: int = 0) -> Token | None:
        index = self._at + after
        return self._tokens[index] if index < len(self._tokens) else None

    def _is_keyword(self, word: str) -> bool:
        token = self._next()
        return token is not None and token.kind == "keyword" and token.text == word

    def _or(self) -> Node:
        parts = [self._and()]
        while self._is_keyword("or"):
            self._at += 1
            parts.append(self._and())
        if len(parts) == 1:
            return parts[0]
        return Or(tuple(parts), parts[0].start, parts[-1].end)

    def _and(self) -> Node:
        parts = [self._not()]
        while not self._is_at_end_of_and():
            if self._is_keyword("and"):
                self._at += 1
            parts.append(self._not())
        if len(parts) == 1:
            return parts[0]
        return And(tuple(parts), parts[0].start, parts[-1].end)

    def _is_at_end_of_and(self) -> bool:
        token = self._next()
        return token is None or token.kind == "close" or self._is_keyword("or")

    def _not(self) -> Node:
        token = self._next()
        if token is None or not self._is_keyword("not"):
            return self._test()
        self._at += 1
        self._deeper(token)
        part = self._not()
        self._depth -= 1
        return Not(part, token.start, part.end)

    def _test(self) -> Node:
        token = self._next()
        if token is None or token.kind in ("keyword", "close"):
            raise self._missing_test(token)
        self._at += 1
        if token.kind == "open":
            return self._group(token)
        self._count_test(token)
        if token.kind == "name":
            return self._term(token)
        self._refuse_foreign(token)
        return Word(token.text, token.is_quoted, token.start, token.end)

    def _count_test(self, token: Token) -> None:
        self._tests += 1
        if self._tests > MAX_TESTS:
            message = f"the filter has more than {MAX_TESTS} tests"
            raise FilterFault(message, token.start, token.end)

    def _group(self, opening: Token) -> Node:
        self._deeper(opening)
        tree = self._or()
        self._depth -= 1
        closing = self._next()
        if closing is None or closing.kind != "close":
            raise FilterFault("missing closing parenthesis", opening.start, opening.end)
        self._at += 1
        return replace(tree, start=opening.start, end=closing.end)

    def _term(self, name: Token) -> Node:
        operator = self._tokens[self._at]
        self._at += 1
        value = self._next()
        if value and value.kind == "list":
            return self._list(name, operator, value)
        if value is None or value.kind != "text":
            raise self._missing_value(name, operator, value)
        self._at += 1
        text, end = (value.text, value.end) if value.is_quoted else self._whole(name, operator)
        return _term_of(name, operator.text, replace(value, text=text), name.start, end)

    def _list(self, name: Token, operator: Token, value: Token) -> Node:
        self._at += 1
        terms = []
        for item in value.items:
            self._count_test(item)
            terms.append(_term_of(name, "=", item, item.start, item.end))
        start, end = name.start, value.end
        if len(terms) == 1:
            part: Node = terms[0]
            if operator.text == "in":
                return replace(terms[0], start=start, end=end)
        else:
            part = Or(tuple(terms), start, end)
        return (
            part if operator.text == "in" else Not(replace(part, start=start, end=end), start, end)
        )

    def _whole(self, name: Token, operator: Token) -> tuple[str, int]:
        """Join a value with what belongs to it after spaces: a unit, a time after its date, a
        range."""
        value = self._tokens[self._at - 1]
        text, end = value.text, value.end
        columns = self._names.find(name.text)
        kinds = {kind_of(column) for column in columns}
        if not kinds or TEXT in kinds:
            return text, end
        is_measured = any(column.unit is not None for column in columns)
        takes_range = operator.text in ("=", "!=")
        while True:
            token = self._next()
            if token is None or token.kind != "text" or token.is_quoted:
                return text, end
            first = token.text.split("..", 1)[0]
            is_clock = TIME in kinds and DATE.search(text) and CLOCK.match(first)
            belongs = (
                (is_measured and BARE_NUMBER.search(text) and is_unit(first))
                or is_clock
                or (TIME in kinds and ENDS_IN_CLOCK.search(text) and ZONE.match(first))
                or (takes_range and ".." not in text and token.text.startswith(".."))
                or (takes_range and text.endswith("..") and NUMBER_START.match(token.text))
            )
            if not belongs:
                return text, end
            text += f" {token.text}" if is_clock else token.text
            end = token.end
            self._at += 1

    def _missing_value(self, name: Token, operator: Token, value: Token | None) -> FilterFault:
        message = f"missing value after {operator.text}"
        fixes: list[Fix] = []
        if value and value.kind in ("open", "close"):
            if value.start == operator.end:
                message += "; quote a text that contains parentheses"
            fixes = self._list_instead(operator, value)
        return FilterFault(message, name.start, operator.end, fixes)

    def _list_instead(self, operator: Token, opening: Token) -> list[Fix]:
        """comm=(rm or git), comm=(rm,git): a list."""
        found = re.match(r'\(([^()"]*)\)', self._source[opening.start :])
        if found is None or operator.text not in ("=", "!="):
            return []
        values = _separated(found[1])
        is_in = "in" if operator.text == "=" else "not in"
        insert = f" {is_in} ({', '.join(values)})"
        return [Fix(operator.start, opening.start + found.end(), insert)] if values else []

    def _refuse_foreign(self, token: Token) -> None:
        """Refuse operators of other languages, comm like '%rm%': three words are never meant."""
        word, value = self._next(), self._next(1)
        if token.is_quoted or word is None or value is None or value.kind != "text":
            return
        if word.is_quoted or word.kind != "text" or not self._names.find(token.text):
            return
        if word.text.lower() == "between":
            raise self._between(token, word, value)
        meant = FOREIGN.get(word.text.lower())
        if meant is None:
            return
        fixes = []
        if not value.is_quoted and value.text.lower() in ("null", "none", "nil"):
            fixes.append(Fix(token.start, value.end, f"not {token.text}~*"))
        elif not SPACE.search(value.text):
            fixes.append(Fix(token.start, value.end, token.text + meant(value.text)))
        fixes.append(Fix(token.start, token.end, f'"{token.text}"'))
        message = (
            f"{quoted(word.text)} is not an operator; "
            f"to search for the text {quoted(token.text)}, put it in quotes"
        )
        raise FilterFault(message, word.start, word.end, fixes)

    def _between(self, name: Token, word: Token, first: Token) -> FilterFault:
        """pid between 1 and 5"""
        joint, last = self._next(2), self._next(3)
        fixes = []
        if joint and joint.text == "and" and last and last.kind == "text":
            fixes.append(Fix(name.start, last.end, f"{name.text}={first.text}..{last.text}"))
        message = f"{quoted(word.text)} is not an operator: a range is written {name.text}=1..5"
        return FilterFault(message, word.start, word.end, fixes)

    def _missing_test(self, token: Token | None) -> FilterFault:
        before = self._tokens[self._at - 1] if self._at else None
        if token is not None and token.kind != "close":
            message = f"{self._typed(token)} joins two tests; quote it to search for the text"
            return FilterFault(message, token.start, token.end)
        if before is None:
            end = token.end if token else 0
            return FilterFault("unmatched closing parenthesis", end - 1, end)
        message = f"missing test after {self._typed(before)}"
        if before.kind == "open":
            message = "the parentheses are empty"
        end = token.end if token else self._tokens[-1].end
        return FilterFault(message, before.start, end)

    def _typed(self, token: Token) -> str:
        return quoted(self._source[token.start : token.end])

    def _deeper(self, token: Token) -> None:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise FilterFault("parentheses are nested too deeply", token.start, token.end)


def _separated(text: str) -> list[str]:
    """Split the text between parentheses by commas, bars, spaces and `or`."""
    words = re.split(r"[\s,|]+", text)
    return [word for word in words if word and word.lower() != "or"]


def _term_of(name: Token, operator: str, value: Token, start: int, end: int) -> Term:
    is_exact = operator in ("=", "!=")
    return Term(
        name=name.text,
        operator=operator,
        value=value.text,
        is_glob=is_exact and not value.is_quoted and has_wildcard(value.text),
        start=start,
        name_end=name.end,
        value_start=value.start,
        end=end,
    )
