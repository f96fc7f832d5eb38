# SPDX-License-Identifier: Apache-2.0
"""Which way each of several things is shown, within the room of a plan."""

from __future__ import annotations

from itertools import product

from hypothesis import given
from hypothesis import strategies as st

from app.columns.plan import ENTRY, MAX_TEXTS, MAX_VALUES, STRING, Read, Text
from app.columns.rendering import Rendering
from app.columns.slots import Slots

Costs = list[list[tuple[int, int]]]


def shown(costs: Costs, values: int = 0, texts: int = 0) -> list[int | None]:
    """Return the ways that are chosen, of costs in values and texts, with so much room."""
    reads = (Read(ENTRY, 0, offset=offset) for offset in range(1 << 20))
    slots = Slots()
    for _ in range(MAX_VALUES - values):
        slots.value(next(reads))
    for _ in range(MAX_TEXTS - texts):
        slots.text(Text(STRING, next(reads)))
    ways = [
        [
            [
                Rendering(
                    "list",
                    values=tuple(next(reads) for _ in range(more_values)),
                    texts=tuple(Text(STRING, next(reads)) for _ in range(more_texts)),
                )
            ]
            for more_values, more_texts in each
        ]
        for each in costs
    ]
    return slots.best(ways)


def test_a_text_leaves_values_to_others() -> None:
    """What the addresses of sockets need: two lists of four, and two texts after them."""
    costs = [*[[(1, 0)]] * 7, *[[(4, 0), (0, 1)]] * 2, *[[(0, 1)]] * 2]
    assert shown(costs, 15, 2) == [0] * 11
    assert shown(costs, 14, 3) == [*[0] * 8, 1, 0, 0]
    assert shown(costs, 14, 2) == [*[0] * 8, 1, 0, None]


def test_the_first_ones_are_shown_by_their_first_way() -> None:
    assert shown([[(3, 0), (1, 0)]] * 3, 5) == [0, 1, 1]
    assert shown([[(3, 0), (1, 0)]] * 3, 3) == [1, 1, 1]
    assert shown([[(3, 0), (1, 0)]] * 3, 2) == [1, 1, None]
    assert shown([[(9, 0)], [(1, 0)], []], 3) == [None, 0, None]


def test_what_is_read_already_needs_no_room() -> None:
    slots = Slots()
    reads = [Read(ENTRY, 0, offset=offset) for offset in range(MAX_VALUES + 1)]
    for read in reads[:-1]:
        slots.value(read)
    ways = [[[Rendering("number", values=(read,))]] for read in (reads[0], reads[-1])]
    assert slots.best(ways) == [0, None]


LEFT_OUT = 4  # after any number of a way
ONE = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 2)), max_size=3)


@given(st.lists(ONE, max_size=4), st.integers(0, 6), st.integers(0, MAX_TEXTS))
def test_no_other_choice_is_better(costs: Costs, values: int, texts: int) -> None:
    """Of all choices that fit, the one that shows most; of these the first by its ways."""

    def fits(choice: tuple[int | None, ...]) -> bool:
        taken = [each[way] for each, way in zip(costs, choice, strict=True) if way is not None]
        return sum(v for v, _ in taken) <= values and sum(t for _, t in taken) <= texts

    def rank(choice: tuple[int | None, ...]) -> tuple[int, list[int]]:
        shown_count = sum(way is not None for way in choice)
        return -shown_count, [LEFT_OUT if way is None else way for way in choice]

    every = product(*([None, *range(len(each))] for each in costs))
    assert tuple(shown(costs, values, texts)) == min(filter(fits, every), key=rank)
