# SPDX-License-Identifier: Apache-2.0
"""The grammar of columns: `path(file)`, `sk.__sk_common.skc_dport as port` (docs/columns.md).

    column   = [renderer "(" value ["," number] ")" | value] ["as" name]
    value    = start {("." | "->") name | "[" number "]"}
    start    = name | "cast" "(" type "," value ")" | "(" value ")"
    type     = ["struct" | "union" | "enum"] name {name} {"*"}

The parser is bounded: MAX_LENGTH characters, MAX_STEPS steps, MAX_NESTING brackets.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from app.columns.column import JOINING_WORDS

MAX_COLUMNS = 32
MAX_LENGTH = 256
MAX_STEPS = 24
MAX_NESTING = 8
MAX_NUMBER = 1 << 20
MAX_NAME = 64

# Renderers, and whether they take a number as well.
RENDERERS = {
    "path": False,
    "str": True,
    "bytes": True,
    "hex": False,
    "sock": False,
    "since": False,
}
# These are named after the renderer, the others after their value.
_NAMED_AFTER_RENDERER = ("path", "sock", "since")
_TOKEN = re.compile(
    r"\s*(?:(?P<name>[A-Za-z_]\w*)|(?P<number>[0-9]+)|(?P<mark>->|[.,()*\[\]]))", re.A
)
_KEYWORDS = ("struct", "union", "enum")
COLUMN_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}", re.A)


class ExpressionError(ValueError):
    """An expression that cannot be used: a sentence, where in the text, and near misses."""

    def __init__(self, message: str, position: int = 0, near: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.position = position
        self.near = near


@dataclass(frozen=True)
class Name:
    """Where a value begins: an argument, `ret` or a context name."""

    name: str
    position: int


@dataclass(frozen=True)
class Member:
    """A field of a struct or union, or of the one that a pointer points to."""

    of: Value
    name: str
    position: int


@dataclass(frozen=True)
class Element:
    """An element of an array, or of those that a pointer points to."""

    of: Value
    number: int
    position: int


@dataclass(frozen=True)
class Cast:
    """A value taken for one of another type; `keyword` is struct, union, enum or empty."""

    of: Value
    keyword: str
    type: str
    pointers: int
    position: int


Value = Name | Member | Element | Cast


@dataclass(frozen=True)
class Expression:
    """A column: what is read, and how it is rendered (None: by its type)."""

    text: str
    value: Value
    renderer: str | None = None
    size: int | None = None  # the renderer's number
    alias: str | None = None

    @property
    def name(self) -> str:
        """The column's name: the alias, the renderer (`path`), else the value's steps."""
        if self.alias:
            return self.alias
        if self.renderer in _NAMED_AFTER_RENDERER:
            return str(self.renderer)
        return short_name(self.value)


def short_name(value: Value) -> str:
    """Return a value's steps with dots between: `file.f_inode.i_ino`, `sk.snd_cwnd`."""
    steps: list[str] = []
    while not isinstance(value, Name):
        if isinstance(value, Member):
            steps.append(value.name)
        elif isinstance(value, Element):
            steps.append(str(value.number))
        value = value.of
    return ".".join([value.name, *reversed(steps)])


def start_of(value: Value) -> Name:
    """Return the name where a value begins."""
    while not isinstance(value, Name):
        value = value.of
    return value


def parse(text: str) -> Expression:
    """Parse a column; raises ExpressionError."""
    return _Parser(text).column()


def parse_value(text: str) -> Value:
    """Parse a value without renderer and name, such as `file->f_inode`; raises ExpressionError."""
    parser = _Parser(text)
    value = parser.value()
    parser.expect_end()
    return value


@dataclass(frozen=True)
class _Token:
    kind: str  # name, number, mark, end
    text: str
    position: int


class _Parser:
    def __init__(self, text: str) -> None:
        if len(text) > MAX_LENGTH:
            raise ExpressionError(f"{len(text)} characters; at most {MAX_LENGTH} are accepted")
        self._text = text
        self._tokens = list(_tokens(text))
        self._at = 0
        self._nesting = 0
        self._steps = 0

    def column(self) -> Expression:
        token, after = (
            self._tokens[self._at],
            self._tokens[min(self._at + 1, len(self._tokens) - 1)],
        )
        if token.text in RENDERERS and after.text == "(":
            found = self._rendered(token.text)
        else:
            found = Expression(self._text, self.value())
        if self._peek().text == "as":
            self._next()
            alias = self._next()
            if alias.kind != "name" or not COLUMN_NAME.fullmatch(alias.text):
                raise ExpressionError(
                    f"`as` needs a name of 1 to {MAX_NAME} letters, digits or '_'", alias.position
                )
            if alias.text.lower() in JOINING_WORDS:
                raise ExpressionError(
                    f"`{alias.text}` joins the tests of a filter, so no test could name the "
                    f"column; write `... as {alias.text}_2`, for instance",
                    alias.position,
                )
            found = replace(found, alias=alias.text)
        self.expect_end()
        return found

    def _rendered(self, renderer: str) -> Expression:
        self._next()
        self._expect("(")
        value, size = self.value(), None
        if self._peek().text == ",":
            comma = self._next()
            if not RENDERERS[renderer]:
                raise ExpressionError(f"{renderer}() takes one value only", comma.position)
            size = self._number()
        self._expect(")")
        return Expression(self._text, value, renderer, size)

    def value(self) -> Value:
        value = self._start()
        while True:
            token = self._peek()
            if token.text in (".", "->"):
                self._next()
                name = self._next()
                if name.kind != "name":
                    raise ExpressionError(
                        f"a field's name must follow {token.text!r}", name.position
                    )
                value = Member(value, name.text, name.position)
            elif token.text == "[":
                self._next()
                value = Element(value, self._number(), token.position)
                self._expect("]")
            else:
                return value
            self._steps += 1
            if self._steps > MAX_STEPS:
                raise ExpressionError(f"more than {MAX_STEPS} steps", token.position)

    def _start(self) -> Value:
        token = self._next()
        self._nesting += 1
        if self._nesting > MAX_NESTING:
            raise ExpressionError(f"more than {MAX_NESTING} nested brackets", token.position)
        value: Value
        if token.text == "(":
            value = self.value()
            self._expect(")")
        elif token.text == "cast" and self._peek().text == "(":
            self._next()
            keyword, name, pointers = self._type()
            self._expect(",")
            value = Cast(self.value(), keyword, name, pointers, token.position)
            self._expect(")")
        elif token.kind == "name":
            if token.text in RENDERERS and self._peek().text == "(":
                raise ExpressionError(
                    f"{token.text}() can only be the outermost part", token.position
                )
            value = Name(token.text, token.position)
        else:
            raise ExpressionError(f"a name is expected here, not {_shown(token)}", token.position)
        self._nesting -= 1
        return value

    def _type(self) -> tuple[str, str, int]:
        keyword = self._next().text if self._peek().text in _KEYWORDS else ""
        words = []
        while self._peek().kind == "name":
            words.append(self._next().text)
        if not words or (keyword and len(words) > 1):
            raise ExpressionError(
                "cast() needs a type, such as `struct tcp_sock`", self._peek().position
            )
        pointers = 0
        while self._peek().text == "*":
            self._next()
            pointers += 1
        return keyword, " ".join(words), pointers

    def _number(self) -> int:
        token = self._next()
        if token.kind != "number":
            raise ExpressionError(f"a number is expected here, not {_shown(token)}", token.position)
        if len(token.text) > len(str(MAX_NUMBER)) or int(token.text) > MAX_NUMBER:
            raise ExpressionError(f"the number is above {MAX_NUMBER}", token.position)
        return int(token.text)

    def _peek(self) -> _Token:
        return self._tokens[self._at]

    def _next(self) -> _Token:
        token = self._tokens[self._at]
        if token.kind != "end":
            self._at += 1
        return token

    def _expect(self, mark: str) -> None:
        token = self._next()
        if token.text != mark:
            raise ExpressionError(f"{mark!r} is expected here, not {_shown(token)}", token.position)

    def expect_end(self) -> None:
        token = self._peek()
        if token.kind != "end":
            raise ExpressionError(f"unexpected {_shown(token)}", token.position)


def _tokens(text: str) -> list[_Token]:
    found, at = [], 0
    end = len(text.rstrip())
    while at < end:
        match = _TOKEN.match(text, at)
        if match is None:
            at += len(text[at:]) - len(text[at:].lstrip())
            raise ExpressionError(f"unexpected character {text[at]!r}", at)
        kind = str(match.lastgroup)
        found.append(_Token(kind, match[kind], match.start(kind)))
        at = match.end()
    return [*found, _Token("end", "", end)]


def _shown(token: _Token) -> str:
    return "the end" if token.kind == "end" else repr(token.text)
