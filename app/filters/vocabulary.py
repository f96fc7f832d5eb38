# SPDX-License-Identifier: Apache-2.0
"""What a filter may name: columns, by several names, and names of numbers."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from app.columns.column import Column
from app.columns.names import ERRORS
from app.filters.literals import NumberOf
from app.filters.operators import KEYWORDS
from app.filters.value_names import ErrorNames, ValueNames

NAME = re.compile(r"[a-z_]\w*\Z", re.ASCII)
INDEX = re.compile(r"\[(\d+)\]", re.ASCII)
AT_FDCWD = -100  # include/uapi/linux/fcntl.h
CWD = {"cwd": AT_FDCWD, "at_fdcwd": AT_FDCWD}
# The same for all rows of a batch (app/web/api/rows.py).
CONSTANTS = (
    Column("probe", "text", "Probe", "The probe that recorded this event"),
    Column("mode", "text", "Mode", "How the probe is attached"),
)
MAX_COMPARED = 64  # characters of a name that is compared with the known ones

UserNumber = Callable[[str], "int | None"]


def no_users(_name: str) -> int | None:
    """Know no user by name."""
    return None


@dataclass
class Vocabulary:
    """The columns that a filter may name: a name, it without its unit, or a title, in any case.

    Several columns may share a name if types, units or names of values differ. `tables` are the
    names of the values of columns, by `Column.names`, besides those of errors. `user_number` finds
    a user by name.
    """

    columns: Sequence[Column]
    tables: Mapping[str, Mapping[int, str]]
    user_number: UserNumber = no_users

    def __post_init__(self) -> None:
        self._by_name: dict[str, list[Column]] = {}
        self._by_alias: dict[str, str | None] = {}  # -> the name, None if ambiguous
        for column in self.columns:
            known = self._by_name.setdefault(column.name.lower(), [])
            if all(_meaning(each) != _meaning(column) for each in known):
                known.append(column)
        for column in self.columns:
            for alias in _aliases(column):
                self._add_alias(alias, column.name.lower())

    @classmethod
    def of(
        cls,
        columns: Iterable[Column],
        tables: Mapping[str, Mapping[int, str]],
        user_number: UserNumber = no_users,
    ) -> Vocabulary:
        """Return the vocabulary of rows with these columns, which also have `probe` and `mode`."""
        return cls([*columns, *CONSTANTS], tables, user_number)

    def find(self, name: str) -> list[Column]:
        """Return the columns with this name, several if types differ; none if it is unknown.

        An index may be written as in the column's expression: `args[0]` is `args.0`.
        """
        name = INDEX.sub(r".\1", name)
        lower = name.lower()
        alias = self._by_alias.get(lower)
        columns = self._by_name.get(lower) or (self._by_name[alias] if alias else [])
        return [column for column in columns if column.name == name] or columns

    def nearest(self, name: str) -> str | None:
        """Return the known name most similar to this one, None if none is similar."""
        lower = name.lower()
        if len(lower) > MAX_COMPARED:
            return None
        best, least = None, max(1, len(lower) // 3) + 1
        for known in [*self._by_alias, *self._by_name]:
            if known in self._by_alias and self._by_alias[known] is None:
                continue
            is_start = len(lower) >= 2 and known.startswith(lower)
            distance = 1 if is_start else edit_distance(lower, known)
            if distance < least:
                best, least = known, distance
        return best

    def names_of(self, column: Column) -> ValueNames | None:
        """Return the names of a column's values, None if they have none."""
        if column.names == ERRORS:
            return ErrorNames()
        table = self.tables.get(column.names) if column.names else None
        return None if table is None else ValueNames(table)

    def number_of(self, column: Column) -> NumberOf | None:
        """Return what finds the number of a name in a number column; None if it has no names."""
        names = self.names_of(column)
        if names is not None:
            return names.number_of
        if column.name == "uid":
            return self._user_number
        if column.name == "dfd":
            return lambda name: CWD.get(name.lower())
        return None

    def _user_number(self, name: str) -> int | None:
        found = self.user_number(name)
        return found if found is not None else self.user_number(name.upper())

    def _add_alias(self, alias: str, name: str) -> None:
        if alias in self._by_name or alias in KEYWORDS or not NAME.match(alias):
            return
        known = self._by_alias.get(alias, name)
        self._by_alias[alias] = name if known == name else None


def _meaning(column: Column) -> tuple[str, str, str | None, str | None]:
    return column.name, column.type, column.unit, column.names


def _aliases(column: Column) -> list[str]:
    unit = f"_{column.unit}" if column.unit else ""
    short = column.name.removesuffix(unit) if unit else column.name
    return [short.lower(), re.sub(r"\s+", "", column.title).lower()]


def edit_distance(first: str, second: str) -> int:
    """Return the Levenshtein distance."""
    row = list(range(len(second) + 1))
    for i, one in enumerate(first, 1):
        following = [i]
        for j, other in enumerate(second, 1):
            changed = row[j - 1] + (one != other)
            following.append(min(changed, row[j] + 1, following[j - 1] + 1))
        row = following
    return row[-1]
