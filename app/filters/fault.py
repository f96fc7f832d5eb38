# SPDX-License-Identifier: Apache-2.0
"""Errors in a filter, and where they are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from app.errors import ProbedeckError

MAX_QUOTED = 200  # characters of a filter that a message or an alternative repeats


class ValueFault(Exception):
    """An invalid value; the message is for the user.

    `forms` are what may have been meant instead: an operator and a value.
    """

    def __init__(self, message: str, forms: Sequence[str] = ()) -> None:
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

    def with_good_fixes(self, text: str, check: Callable[[str], object]) -> FilterFault:
        """Return this fault of `text` with those fixes alone that put a faultless part in place.

        `check` raises the FilterFault of a filter.
        """
        good = [fix for fix in self.fixes if not _fails(fix, text, check)]
        return FilterFault(self.message, self.start, self.end, good)

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


def _fails(fix: Fix, text: str, check: Callable[[str], object]) -> bool:
    try:
        check(fix.apply(text))
    except FilterFault as fault:
        # A fault elsewhere was there before.
        return fault.start < fix.start + len(fix.insert) and fix.start < fault.end
    return False


def quoted(text: str) -> str:
    """Quote a part of the typed text for a message."""
    return f"“{text if len(text) <= MAX_QUOTED else text[:MAX_QUOTED] + '…'}”"
