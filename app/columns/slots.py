# SPDX-License-Identifier: Apache-2.0
"""The values and texts of a plan under construction, each once, within the limits."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
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

    def fit(self, renderings: Iterable[Rendering], max_values: int) -> bool:
        """Return whether all that these read can be added, up to so many values in all."""
        renderings = list(renderings)
        values = {value for each in renderings for value in each.values} - set(self.values)
        texts = {text for each in renderings for text in each.texts} - set(self.texts)
        has_room = len(self.values) + len(values) <= max_values
        return has_room and len(self.texts) + len(texts) <= MAX_TEXTS


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
