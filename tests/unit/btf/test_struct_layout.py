# SPDX-License-Identifier: Apache-2.0
"""Where padding and `packed` are needed; that compilers agree is in test_declarations.py."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from app.btf.format import BtfError, Kind
from app.btf.reader import Btf, Member
from app.btf.struct_layout import Layouts, Padding, Plan
from tests.support.btf_builder import BtfBuilder

U8, U32, U64 = 1, 2, 3


def layout(
    size: int,
    members: Sequence[tuple[str, int, int] | tuple[str, int, int, int]],
    kind: Kind = Kind.STRUCT,
) -> Plan:
    """The plan of a record with members (name, type, bit offset[, bits])."""
    builder = BtfBuilder()
    for size_bytes in (1, 4, 8):
        builder.integer(f"u{size_bytes * 8}", size_bytes)
    number = builder.record("it", size, members, kind=kind)
    return Layouts(Btf(builder.build())).plan(number)


def items(plan: Plan) -> list[str | Padding]:
    return [item.name if isinstance(item, Member) else item for item in plan.items]


def test_what_the_compiler_does_anyway_is_left_to_it() -> None:
    plan = layout(16, [("a", U8, 0), ("b", U32, 32), ("c", U64, 64)])
    assert (plan.packed, plan.alignment, items(plan)) == (False, 8, ["a", "b", "c"])


def test_a_gap_that_alignment_does_not_explain_is_padded() -> None:
    plan = layout(12, [("a", U32, 0), ("b", U32, 64)])
    assert (plan.packed, plan.alignment, items(plan)) == (False, 4, ["a", Padding(32, 64), "b"])


def test_a_larger_size_than_the_members_need_is_padded() -> None:
    plan = layout(16, [("a", U32, 0)])
    assert items(plan) == ["a", Padding(32, 128)]


def test_an_unaligned_member_makes_the_struct_packed() -> None:
    plan = layout(5, [("a", U8, 0), ("b", U32, 8)])
    assert (plan.packed, plan.alignment, items(plan)) == (True, 1, ["a", "b"])


def test_a_size_that_is_no_multiple_of_the_alignment_makes_it_packed() -> None:
    assert layout(9, [("a", U64, 0), ("b", U8, 64)]).packed


def test_bit_fields_share_a_unit() -> None:
    plan = layout(4, [("a", U32, 0, 3), ("b", U32, 3, 29)])
    assert (plan.packed, items(plan)) == (False, ["a", "b"])


def test_a_union_starts_every_member_at_0_and_is_padded_to_its_size() -> None:
    plan = layout(16, [("a", U8, 0), ("b", U64, 0)], Kind.UNION)
    assert (plan.alignment, items(plan)) == (8, ["a", "b", Padding(0, 128)])


@pytest.mark.parametrize(
    ("size", "members", "kind"),
    [
        (8, [("a", U32, 0), ("b", U32, 16)], Kind.STRUCT),  # they overlap
        (4, [("a", U64, 0)], Kind.STRUCT),  # larger than the struct
        (8, [("a", U32, 32)], Kind.UNION),  # not at the start
    ],
)
def test_what_c_cannot_express_is_refused(
    size: int, members: list[tuple[str, int, int]], kind: Kind
) -> None:
    with pytest.raises(BtfError, match="'it'"):
        layout(size, members, kind)


def test_a_struct_that_contains_itself_is_refused() -> None:
    builder = BtfBuilder()
    number = builder.record("it", 8, [("a", 1, 0)])
    with pytest.raises(BtfError, match="contains itself"):
        Layouts(Btf(builder.build())).plan(number)
