"""What goes to the compiler and to the filter map."""

from __future__ import annotations

import pytest

from app.probes.spec import Filter
from app.tracer.programs import compiler_flags, filter_struct


@pytest.mark.parametrize("name", ["do_unlinkat; }", "", "a b", "a-b", "1a", "naïve", "a\nb"])
def test_only_identifiers_become_source_text(name: str) -> None:
    with pytest.raises(ValueError, match="identifier"):
        compiler_flags("fentry", name, 1 << 20)


@pytest.mark.parametrize(
    ("wanted", "tests"),
    [
        (Filter(), 0),
        (Filter(pid=1), 1),
        (Filter(uid=0), 2),  # root is user 0: asked for, not absent
        (Filter(comm="rm"), 4),
        (Filter(only_failures=True), 8),
        (Filter(5, 6, "x", True), 15),
    ],
)
def test_filter_asks_for_what_was_given(wanted: Filter, tests: int) -> None:
    assert filter_struct(wanted, True).tests == tests


def test_comm_is_its_bytes() -> None:
    assert filter_struct(Filter(comm="é"), True).comm == "é".encode()
