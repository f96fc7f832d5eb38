# SPDX-License-Identifier: Apache-2.0
"""Making the index: rules of trampolines, names of types, and broken BTF."""

from __future__ import annotations

from dataclasses import replace

import pytest

from app.btf.format import BtfError, Kind
from app.btf.reader import Btf
from app.kernel.functions import Sources
from app.kernel.functions_build import Prototypes, TrampolineRules, build, innermost
from tests.support.btf_builder import BtfBuilder
from tests.support.function_index import found

NEWEST = TrampolineRules.of(7 << 16)


@pytest.mark.parametrize(
    ("version", "rules"),
    [
        ((5, 10), TrampolineRules(6, False, False)),
        ((6, 1), TrampolineRules(6, True, False)),
        ((6, 6), TrampolineRules(12, True, False)),
        ((6, 18), TrampolineRules(12, True, True)),
        ((7, 0), TrampolineRules(12, True, True)),
    ],
)
def test_rules(version: tuple[int, int], rules: TrampolineRules) -> None:
    assert TrampolineRules.of(version[0] << 16 | version[1] << 8 | 7) == rules


@pytest.mark.parametrize(
    ("words", "problem"),
    [([2] * 6, None), ([2] * 7, "too_many_arguments"), ([1] * 12, None), ([2, *[1] * 10], None)],
)
def test_a_struct_takes_a_slot_for_each_word(words: list[int], problem: str | None) -> None:
    """12 slots for 12 words, however they are spread over arguments."""
    b = BtfBuilder()
    word = b.integer("long unsigned int", 8)
    pair = b.record("pair", 16, [("a", word, 0), ("b", word, 64)])
    b.function("f", word, [(f"a{n}", pair if size == 2 else word) for n, size in enumerate(words)])
    assert row_problem(b) == problem


def row_problem(b: BtfBuilder, rules: TrampolineRules = NEWEST) -> str | None:
    btf = Btf(b.build())
    (function,) = btf.functions()
    return Prototypes(btf, rules).row(b"f", function[2]).problem


def test_wide_integers_take_two_slots() -> None:
    b = BtfBuilder()
    wide = b.integer("__int128", 16, signed=True)
    b.function("f", 0, [(f"a{n}", wide) for n in range(7)])
    assert row_problem(b) == "too_many_arguments"


def test_names_of_types() -> None:
    b = BtfBuilder()
    record = b.record("sock", 8, [])
    const = b.add(Kind.CONST, size_or_type=record)
    pointer = b.pointer(b.pointer(const))
    alias = b.typedef("sock_t", pointer)
    nameless = b.record("", 8, [])
    function = b.pointer(b.add(Kind.FUNC_PROTO))
    btf = Btf(b.build())
    assert innermost(btf, record) == ("sock", 0)
    assert innermost(btf, pointer) == ("sock", 2)
    assert innermost(btf, alias) == ("sock_t", 0)
    assert innermost(btf, 0) == ("void", 0)
    assert innermost(btf, nameless) == ("", 0)
    assert innermost(btf, function) == ("", 0)


def test_parameters_without_a_name_are_numbered() -> None:
    b = BtfBuilder()
    integer = b.integer("int", 4, signed=True)
    b.function("f", integer, [("", integer), ("x", integer)])
    btf = Btf(b.build())
    (function,) = btf.functions()
    row = Prototypes(btf, NEWEST).row(b"f", function[2])
    assert row.prototype.split("\t") == ["int", "arg0", "int @", "x", "int @", ""]


def test_a_function_without_a_prototype_is_broken() -> None:
    b = BtfBuilder()
    integer = b.integer("int", 4)
    b.add(Kind.FUNC, "f", size_or_type=integer)
    with pytest.raises(BtfError, match="no prototype"):
        build(replace(found(), btf=Btf(b.build())), Sources(), NEWEST)


def test_a_type_that_refers_to_itself() -> None:
    b = BtfBuilder()
    b.pointer(1)
    with pytest.raises(BtfError, match="itself"):
        innermost(Btf(b.build()), 1)
