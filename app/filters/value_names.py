# SPDX-License-Identifier: Apache-2.0
"""Names of a column's values, as a filter may write them: in any case, by any alias."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from functools import cache

from app.columns.names import MAX_ERRNO, Name, error_name, errors

NUMBERED = re.compile(r"E(\d{1,4})\Z", re.IGNORECASE | re.ASCII)  # an error without a name: E600
DIGITS = re.compile(r"[-\u2212]?\d{1,4}\Z", re.ASCII)


class ValueNames:
    """Names of numbers, such as those of an enum."""

    def __init__(self, table: Mapping[int, str]) -> None:
        self._by_value = dict(table)
        self._by_name = {name.upper(): value for value, name in reversed([*table.items()])}

    def number_of(self, name: str) -> int | None:
        """Return the number of a name in any case, None for an unknown one."""
        return self._by_name.get(name.upper())

    def shown(self, text: str) -> str | None:
        """Return the name that rows have for what a filter calls `text`; None if unknown."""
        value = self.number_of(text)
        return None if value is None else self._by_value[value]

    def synonyms(self, name: str) -> tuple[str, ...]:
        """Return every name of the value that a row's name denotes."""
        return (name,)

    def values(self) -> Iterator[tuple[int, str]]:
        """Yield every number that has a name, with the name that rows have."""
        yield from self._by_value.items()

    def matching(self, matches: Callable[[str], bool]) -> list[int]:
        """Return the numbers of which a name passes."""
        return sorted(
            value for value, name in self.values() if any(map(matches, self.synonyms(name)))
        )


class ErrorNames(ValueNames):
    """Names of errors: of -2, as a call returns it, ENOENT."""

    def __init__(self) -> None:
        super().__init__({-error.value: error.name for error in errors()})

    def number_of(self, name: str) -> int | None:
        """Return -2 for ENOENT, enoent or -ENOENT, and -600 for E600; None for unknown names."""
        plain = re.sub(r"^[-\u2212]", "", name)
        error = _by_name().get(plain.upper())
        if error:
            return -error.value
        numbered = NUMBERED.match(plain)
        value = int(numbered[1]) if numbered else 0
        return -value if 0 < value <= MAX_ERRNO else None

    def shown(self, text: str) -> str | None:
        """Return `ENOTSUP` for EOPNOTSUPP, 95 or -95."""
        if DIGITS.match(text):
            return self._by_value.get(-abs(int(text.replace("\u2212", "-"))))
        value = self.number_of(text)
        return None if value is None else error_name(-value)

    def synonyms(self, name: str) -> tuple[str, ...]:
        error = _by_name().get(name.upper())
        return (error.name, *error.aliases) if error else (name,)

    def values(self) -> Iterator[tuple[int, str]]:
        """Yield every error, also those without a name."""
        for value in range(1, MAX_ERRNO + 1):
            yield -value, error_name(value)


@cache
def _by_name() -> dict[str, Name]:
    return {name.upper(): error for error in errors() for name in (error.name, *error.aliases)}
