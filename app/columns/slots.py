# SPDX-License-Identifier: Apache-2.0
"""The values and texts of a plan under construction, each once, within the limits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import TypeVar

from app.columns.plan import ENTRY, MAX_DEREFS, MAX_TEXTS, MAX_VALUES, Output, Read, Text
from app.columns.rendering import Rendering


class FullError(Exception):
    """A plan has no place for a further value or text, or a value needs too many steps."""


@dataclass
class Slots:
    """What the programs of a plan read."""

    values: list[Read] = field(default_factory=list)
    texts: list[Text] = field(default_factory=list)

    def value(self, read: Read) -> int:
        """Return the number of a value, which is added if it is new; raises FullError."""
        return _index(self.values, _within(read), MAX_VALUES, "values")

    def text(self, text: Text) -> int:
        """Return the number of a text, which is added if it is new; raises FullError."""
        _within(text.address)
        return _index(self.texts, text, MAX_TEXTS, "texts")

    def best(self, ways: Sequence[Sequence[Sequence[Rendering]]]) -> list[int | None]:
        """Return which of its ways to show each of several things; None to leave it out.

        As many as can be are shown, and of the choices that show so many, the first things in
        their first ways.
        """
        costs = [[self._cost(renderings) for renderings in each] for each in ways]

        @cache
        def best(number: int, values: int, texts: int) -> tuple[int, tuple[int, ...]]:
            """Return how many are shown from this one on, and the negated numbers of the ways."""
            if number == len(costs):
                return 0, ()
            count, rest = best(number + 1, values, texts)
            found = [(count, (-len(costs[number]), *rest))]  # left out
            for way, (more_values, more_texts) in enumerate(costs[number]):
                if more_values <= values and more_texts <= texts:
                    count, rest = best(number + 1, values - more_values, texts - more_texts)
                    found.append((count + 1, (-way, *rest)))
            return max(found)

        _, chosen = best(0, MAX_VALUES - len(self.values), MAX_TEXTS - len(self.texts))
        return [-way if -way < len(each) else None for way, each in zip(chosen, costs, strict=True)]

    def _cost(self, renderings: Sequence[Rendering]) -> tuple[int, int]:
        """Return how many values and texts these read that are not read yet."""
        values = {value for each in renderings for value in each.values} - set(self.values)
        texts = {text for each in renderings for text in each.texts} - set(self.texts)
        return len(values), len(texts)


def at_entry_first(
    texts: Sequence[Text], outputs: Sequence[Output]
) -> tuple[tuple[Text, ...], list[Output]]:
    """Return the texts that are read at entry before those read at return, as programs add them
    to a record, and the outputs with the texts' new numbers."""
    order = sorted(range(len(texts)), key=lambda number: texts[number].address.at != ENTRY)
    places = {number: place for place, number in enumerate(order)}
    moved = [
        replace(output, texts=tuple(places[number] for number in output.texts))
        for output in outputs
    ]
    return tuple(texts[number] for number in order), moved


_Item = TypeVar("_Item", Read, Text)


def _index(items: list[_Item], item: _Item, limit: int, what: str) -> int:
    if item not in items:
        if len(items) == limit:
            raise FullError(f"a probe reads at most {limit} {what}")
        items.append(item)
    return items.index(item)


def _within(read: Read) -> Read:
    if len(read.derefs) > MAX_DEREFS:
        raise FullError(f"it follows {len(read.derefs)} pointers; the limit is {MAX_DEREFS}")
    return read
