# SPDX-License-Identifier: Apache-2.0
"""The operators of the filter language, and how they are spelled in other languages."""

from __future__ import annotations

from collections.abc import Callable

from app.columns.column import JOINING_WORDS, Column

TEXT, NUMBER, TIME, BOOL = "text", "number", "time", "bool"

# The kinds of columns that accept an operator.
KINDS = {
    "=": (TEXT, NUMBER, TIME, BOOL),
    "!=": (TEXT, NUMBER, TIME, BOOL),
    "~": (TEXT,),
    "!~": (TEXT,),
    "<": (NUMBER, TIME),
    "<=": (NUMBER, TIME),
    ">": (NUMBER, TIME),
    ">=": (NUMBER, TIME),
}
NEGATES = {"!=": "=", "!~": "~"}

SPELLINGS = {
    "==": "=",
    "===": "=",
    "!==": "!=",
    "<>": "!=",
    "=<": "<=",
    "=>": ">=",
    "≠": "!=",
    "≤": "<=",
    "≥": ">=",
}
# Longer ones first: `<=` is not `<` and `=`.
SYMBOLS = sorted(KINDS, key=len, reverse=True)
WRITTEN = sorted([*SYMBOLS, *SPELLINGS], key=len, reverse=True)

JOINING = {"&&": "and", "||": "or"}
KEYWORDS = JOINING_WORDS


def _pattern(text: str) -> str:
    return text.replace("%", "*").replace("_", "?")


# Operators of other languages -> the equivalent test.
FOREIGN: dict[str, Callable[[str], str]] = {
    "like": lambda value: f"~{_pattern(value)}",
    "ilike": lambda value: f"~{_pattern(value)}",
    "contains": lambda value: f"~*{value}*",
    "has": lambda value: f"~*{value}*",
    "startswith": lambda value: f"~{value}*",
    "endswith": lambda value: f"~*{value}",
    "matches": lambda value: f"~{value}",
    "is": lambda value: f"={value}",
    "eq": lambda value: f"={value}",
    "equals": lambda value: f"={value}",
    "ne": lambda value: f"!={value}",
    "neq": lambda value: f"!={value}",
    "lt": lambda value: f"<{value}",
    "le": lambda value: f"<={value}",
    "lte": lambda value: f"<={value}",
    "gt": lambda value: f">{value}",
    "ge": lambda value: f">={value}",
    "gte": lambda value: f">={value}",
}


def kind_of(column: Column) -> str:
    """Return which operators and values a column accepts."""
    if column.type in (TEXT, BOOL):
        return column.type
    return TIME if column.type == "timestamp_ns" else NUMBER
