# SPDX-License-Identifier: Apache-2.0
"""Names at one mistake from what was typed."""

from __future__ import annotations

import pytest

from app.kernel.one_edit import MAX_LENGTH, one_edit_away


@pytest.mark.parametrize(
    ("typed", "known"),
    [
        ("sokc", "sock"),  # swapped
        ("ptah", "path"),
        ("ibnode", "inode"),  # one too many
        ("bol", "bool"),  # one left out
        ("page_", "page"),
        ("fill", "file"),  # another one
        ("unsignedint", "unsigned int"),
        ("x", "ux"),
    ],
)
def test_one_mistake(typed: str, known: str) -> None:
    assert one_edit_away(typed, {known, "another", "names"}) == [known]


def test_two_mistakes_and_none() -> None:
    assert one_edit_away("skoc", {"sock", "skoc"}) == []
    assert one_edit_away("", {"a"}) == []


def test_swapped_letters_come_first() -> None:
    known = dict.fromkeys(("sokt", "okc", "sokcs", "sock"))
    assert one_edit_away("sokc", known.keys()) == ["sock", "sokcs", "okc", "sokt"]


def test_of_a_long_text_nothing_is_made() -> None:
    longest = "a" * MAX_LENGTH
    assert one_edit_away(longest, {longest[1:]}) == [longest[1:]]
    assert one_edit_away(longest + "a", {longest}) == []
