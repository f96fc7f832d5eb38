# SPDX-License-Identifier: Apache-2.0
"""Errors in a filter, and where they are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from app.errors import ProbedeckError

MAX_QUOTED = 200  # characters of a filter that a message or an alternative repeats
Made = TypeVar("Made")


@dataclass(frozen=True)
class Form:
    """An operator and a value that may have been meant; `is_list`: one of several values."""

    text: str
    is_list: bool = False


class ValueFault(Exception):
    """An invalid value; the message is for the user.

    `forms` are what may have been meant instead.
    """

    def __init__(self, message: str, forms: Sequence[Form] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.forms = tuple(forms)


@dataclass(frozen=True)
class Fix:
    """A replacement for the part of a filter from `start` up to but not including `end`."""

    start: int
    end: int
    insert: str

    def apply(self, text: str) -> str:
        return text[: self.start] + self.insert + text[self.end :]


class FilterFault(Exception):
    """An error with its position in the filter's text, in characters, and alternatives."""

    def __init__(self, message: str, start: int, end: int, fixes: Sequence[Fix] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.start = start
        self.end = end
        self.fixes = tuple(fixes)

    def error(self, field: str, text: str) -> ProbedeckError:
        """Return the error of a request whose `field` has this text: 422 `invalid`.

        Its `errors` are as those of every invalid request; the entry also has `start` and `end`,
        the part of the text that is wrong, and `fixes`, whole filters that may have been meant.
        """
        fixes = [fix.apply(text) for fix in self.fixes]
        fixes = [fix for fix in fixes if len(fix) <= MAX_QUOTED]
        meant = f" Did you mean {' or '.join(fixes)}?" if fixes else ""
        entry = {
            "field": field,
            "message": self.message,
            "start": self.start,
            "end": self.end,
            "fixes": fixes,
        }
        detail = f"{field}: {self.message}.{meant}"
        return ProbedeckError(422, "invalid", detail, errors=[entry])


def with_good_fixes(text: str, make: Callable[[str], Made]) -> Made:
    """Return what `make` makes of a filter.

    Of a FilterFault that it raises, those fixes stay that put a faultless part in place.
    """
    try:
        return make(text)
    except FilterFault as fault:
        good = [fix for fix in fault.fixes if not _fails(fix, text, make)]
        raise FilterFault(fault.message, fault.start, fault.end, good) from None


def _fails(fix: Fix, text: str, make: Callable[[str], object]) -> bool:
    try:
        make(fix.apply(text))
    except FilterFault as fault:
        # A fault elsewhere was there before.
        return fault.start < fix.start + len(fix.insert) and fix.start < fault.end
    return False


def quoted(text: str) -> str:
    """Quote a part of the typed text for a message."""
    return f"“{text if len(text) <= MAX_QUOTED else text[:MAX_QUOTED] + '…'}”"
