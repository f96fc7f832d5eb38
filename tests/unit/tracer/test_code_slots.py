# SPDX-License-Identifier: Apache-2.0
"""Numbers in the place of slots."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from app.tracer.code_slots import filled, with_number
from tests.support.compiled_objects import RETURN_0, load_64

NUMBERS = st.integers(-(2**63), 2**64 - 1)


def slot(number: int) -> bytes:
    return load_64(0, number, 0x70000000)


def constant(number: int) -> bytes:
    number &= 2**64 - 1
    upper, lower = number >> 32, number & 0xFFFFFFFF
    return load_64(0, lower - ((lower & 0x80000000) << 1), upper - ((upper & 0x80000000) << 1))


@given(st.lists(st.integers(0, 7), max_size=8), st.dictionaries(st.integers(0, 7), NUMBERS))
def test_one_after_the_other_is_all_at_once(slots: list[int], numbers: dict[int, int]) -> None:
    code = b"".join(map(slot, slots)) + RETURN_0
    expected = b"".join(constant(numbers.get(each, 0)) for each in slots) + RETURN_0
    assert filled(code, numbers) == expected
    for number, value in numbers.items():
        code = with_number(code, number, value)
    assert filled(code, numbers) == expected
