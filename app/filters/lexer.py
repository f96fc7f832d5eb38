# SPDX-License-Identifier: Apache-2.0
"""Splits a filter's text into tokens. It never raises: an invalid token has a `fault`."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from app.filters.operators import JOINING, SPELLINGS, SYMBOLS, WRITTEN
from app.filters.vocabulary import Vocabulary

# White space as JavaScript has it: the page must read the same.
S = "\t\n\v\f\r \u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ufeff"
SPACES = re.compile(f"[{S}]+")
SPACE = re.compile(f"[{S}]")
_WRITTEN = "|".join(re.escape(symbol) for symbol in WRITTEN)
NAME = re.compile(rf"([A-Za-z_]\w*)(?=[{S}]*(?:{_WRITTEN}))", re.ASCII)
OPERATOR = re.compile(_WRITTEN)
SYMBOL = re.compile("|".join(re.escape(symbol) for symbol in SYMBOLS))
# Only for a known column: sk.num>5, comm:rm, comm in (rm, git).
_PATH = r"[A-Za-z_]\w*(?:\.\w+|\[\d+\])*"
KNOWN_NAMES = (
    re.compile(rf"({_PATH})(?=[{S}]*(?:{_WRITTEN}))", re.ASCII),
    re.compile(rf"({_PATH})(?=:[^{S}:])", re.ASCII),
    re.compile(
        rf'({_PATH})(?=[{S}]+(?:not[{S}]+)?in(?:\Z|[{S}("]))',
        re.ASCII | re.IGNORECASE,
    ),
)
IN = re.compile(rf'(not[{S}]+)?in(?=\Z|[{S}("])', re.IGNORECASE)
JOIN = re.compile(r"&&|\|\|")
NOT = re.compile("!(?![=~])")
BARE = re.compile(rf'(?:(?!&&|\|\|)[^{S}"()])+')
ITEM = re.compile(rf'(?:(?!&&|\|\|)[^{S}"(),])+')
SEPARATOR = re.compile(f"[{S}]*,[{S}]*")
AFTER_TEXT = re.compile(rf"[{S}()]|&&|\|\|")
AFTER_ITEM = re.compile(rf"[{S}(),]|&&|\|\|")
# Opening quotes, and what closes them. Word processors make the curved ones.
QUOTES = {'"': '"', "“": "”“", "„": "“”", "'": "'", "‘": "’'"}  # noqa: RUF001 - quotes
APOSTROPHES = "'‘"  # noqa: RUF001
ESCAPE = re.compile(r"""\\(?:(["\\nrt'’“”])|u\{([0-9a-f]{1,6})\})""", re.IGNORECASE)  # noqa: RUF001
ESCAPED = {"n": "\n", "r": "\r", "t": "\t"}
LAST_CODE_POINT = 0x10FFFF
KEYWORD = re.compile(r"(?:and|or|not)\Z", re.IGNORECASE)


@dataclass(frozen=True)
class Token:
    """`text` is the meaning, without quotes and escapes.

    Keywords are in lower case, operators in their standard spelling. `kind` is name, operator,
    text, list, keyword, open or close; a list of `items` follows an operator with `is_in`.
    `forms` may have been meant instead: operator and value.
    """

    kind: str
    text: str
    start: int
    end: int
    is_quoted: bool = False
    fault: str | None = None
    forms: tuple[str, ...] = ()
    is_in: bool = False
    items: tuple[Token, ...] = ()


def tokenize(source: str, names: Vocabulary) -> list[Token]:
    """Return the tokens of a filter's text."""
    tokens: list[Token] = []
    at = 0
    while at < len(source):
        space = SPACES.match(source, at)
        if space:
            at = space.end()
            continue
        token = _token_at(source, at, tokens[-1] if tokens else None, names)
        tokens.append(token)
        at = token.end
    return tokens


def _token_at(source: str, start: int, before: Token | None, names: Vocabulary) -> Token:
    kind = before.kind if before else None
    if before and before.is_in:
        return _list(source, start)
    if source[start] in "()":
        return Token("open" if source[start] == "(" else "close", source[start], start, start + 1)
    join = JOIN.match(source, start)
    if join:
        return Token("keyword", JOINING[join[0]], start, join.end())
    if _opens_quote(source, start):
        return _quoted(source, start, AFTER_TEXT)
    if kind == "name":
        return _operator(source, start)
    return _bare(source, start, before) if kind == "operator" else _test_at(source, start, names)


def _test_at(source: str, start: int, names: Vocabulary) -> Token:
    """Read what begins a test: `!`, a name or a word."""
    if NOT.match(source, start):
        return Token("keyword", "not", start, start + 1)
    name = _name_at(source, start, names)
    if name and not KEYWORD.match(name):
        return Token("name", name, start, start + len(name))
    return _bare(source, start, None)


def _name_at(source: str, start: int, names: Vocabulary) -> str | None:
    for pattern in KNOWN_NAMES:
        known = pattern.match(source, start)
        if known and names.find(known[1]):
            return known[1]
    name = NAME.match(source, start)
    return name[1] if name else None


def _operator(source: str, start: int) -> Token:
    """Read the operator after a name, which is a name because an operator follows."""
    written = OPERATOR.match(source, start)
    if written:
        return Token("operator", SPELLINGS.get(written[0], written[0]), start, written.end())
    if source[start] == ":":
        return Token("operator", "=", start, start + 1)
    found = IN.match(source, start)
    if found is None:
        raise AssertionError(f"no operator at {start} of {source!r}")
    return Token("operator", "not in" if found[1] else "in", start, found.end(), is_in=True)


def _bare(source: str, start: int, before: Token | None) -> Token:
    """Read a text without quotes; `before` is the operator, if this is its value."""
    match = BARE.match(source, start)
    text = match[0] if match else ""
    end = start + len(text)
    # Directly after an operator a keyword is a value: comm=and.
    if KEYWORD.match(text) and not (before and before.end == start):
        return Token("keyword", text.lower(), start, end)
    sign = re.match("[=~<>!]+", text)
    if before and sign and before.end == start:
        return _wrong_operator(before, text, sign[0], start, end)
    symbol = SYMBOL.match(source, start)
    if symbol and not before:
        fault = f"missing column before {symbol[0]}; quote it to search for the text"
        return Token("text", text, start, end, fault=fault)
    if source[end : end + 1] == '"':
        fault = "a quote inside a text: quote the whole text"
        return Token("text", text, start, end, fault=fault)
    return Token("text", text, start, end)


def _wrong_operator(before: Token, text: str, sign: str, start: int, end: int) -> Token:
    """comm=~rm, pid=!5: an operator of another language, or the beginning of a text."""
    value = text[len(sign) :]
    written = before.text + sign
    forms = []
    if value and re.fullmatch("[=~!]+", written):
        negation = "!" if "!" in written else ""
        glob = re.sub(r"^\^|\$$", "", value).replace(".*", "*")
        whole = glob if re.search("[*?]", glob) else f"*{glob}*"
        forms.append(f"{negation}~{whole}" if "~" in written else f"{negation}={value}")
    forms.append(f'{before.text}"{text}"')
    fault = f"{written} is not an operator; to include {sign} in the value, put the value in quotes"
    return Token("text", text, start, end, fault=fault, forms=tuple(forms))


def _list(source: str, start: int) -> Token:
    """Read the list after `in`: `rm,git` or `(rm, "my file", git)`."""
    is_open = source[start] == "("
    items: list[Token] = []
    at = start + is_open

    def done(end: int, fault: str | None = None) -> Token:
        inner = next((item.fault for item in items if item.fault), None)
        text = source[start:end]
        return Token("list", text, start, end, fault=fault or inner, items=tuple(items))

    is_wanted = True
    while True:
        space = SPACES.match(source, at)
        at = space.end() if space else at
        if is_open and source[at : at + 1] == ")":
            return done(at + 1, None if items else "the list is empty")
        if at >= len(source) and is_open:
            return done(at, "missing closing parenthesis")
        item = _item_at(source, at) if is_wanted or is_open else None
        if item is None:
            if items and not is_wanted and not is_open:
                return done(items[-1].end)
            fault = (
                "a list takes values separated by commas"
                if is_open
                else "missing value in the list"
            )
            return done(max(at, start + 1), fault)
        items.append(item)
        comma = SEPARATOR.match(source, item.end)
        at = comma.end() if comma else item.end
        is_wanted = comma is not None


def _item_at(source: str, at: int) -> Token | None:
    if at < len(source) and _opens_quote(source, at, ","):
        return _quoted(source, at, AFTER_ITEM)
    text = ITEM.match(source, at)
    return Token("text", text[0], at, text.end()) if text else None


def _opens_quote(source: str, start: int, also_ends: str = "") -> bool:
    """Whether a quote opens here. An apostrophe does only if another closes it: 'tis is a word."""
    character = source[start]
    closing = QUOTES.get(character)
    if closing is None:
        return False
    if character not in APOSTROPHES:
        return True
    ends = [end for end in (source.find(each, start + 1) for each in closing) if end >= 0]
    if not ends:
        return False
    end = min(ends)
    after = source[end + 1 : end + 3]
    return not after or after[0] in f"(){also_ends}" or bool(SPACE.match(after)) or after in JOINING


def _quoted(source: str, start: int, ending: re.Pattern[str]) -> Token:
    closing = QUOTES[source[start]]
    text = ""
    at = start + 1
    while at < len(source) and source[at] not in closing:
        if source[at] != "\\":
            text += source[at]
            at += 1
            continue
        escaped = ESCAPE.match(source, at)
        code = int(escaped[2], 16) if escaped and escaped[2] else 0
        if escaped is None or code > LAST_CODE_POINT:
            fault = 'inside quotes, write a backslash as \\\\ and a quote as \\"'
            end = min(at + 2, len(source))
            return Token("text", text, at, end, is_quoted=True, fault=fault)
        text += ESCAPED.get(escaped[1].lower(), escaped[1]) if escaped[1] is not None else chr(code)
        at = escaped.end()
    token = Token("text", text, start, min(at + 1, len(source)), is_quoted=True)
    if at >= len(source):
        return replace(token, fault="missing closing quote")
    if token.end < len(source) and not ending.match(source, token.end):
        return replace(token, fault="missing space after the closing quote")
    return token
