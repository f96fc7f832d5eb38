# SPDX-License-Identifier: Apache-2.0
"""Which functions patterns mean."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.kernel import function_sets
from app.kernel.function_sets import MAX_PATTERNS, function_set
from app.kernel.functions import FunctionIndex
from app.kernel.functions_query import MAX_QUERY, QueryError
from tests.support.function_index import write_index


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> FunctionIndex:
    return write_index(tmp_path_factory.mktemp("index"))


@pytest.mark.parametrize(
    ("patterns", "names"),
    [
        ("vfs_read", ("vfs_read",)),  # not vfs_readv
        ("vfs_read*", ("vfs_read", "vfs_readv")),
        (" vfs_write ,vfs_read", ("vfs_read", "vfs_write")),
        ("vfs_*, vfs_read", ("vfs_read", "vfs_readv", "vfs_write")),
        ("takes:file returns:ssize_t", ("vfs_read", "vfs_readv", "vfs_write")),
        ("vfs_ takes:size_t*", ("vfs_read", "vfs_write")),
    ],
)
def test_what_patterns_mean(index: FunctionIndex, patterns: str, names: tuple[str, ...]) -> None:
    found = function_set(index, patterns, "kprobe")
    assert found.names == names
    assert found.left_out == ()


@pytest.mark.parametrize(
    ("patterns", "mode", "names", "codes"),
    [
        ("do_exit, vfs_read", "kretprobe", ["vfs_read"], {"do_exit": "noreturn"}),
        ("*_function, both", "kprobe", ["both"], {"notrace_function": "no_ftrace",
                                                  "blacklisted_function": "blacklisted"}),
        ("xfs_*, both", "kprobe", ["both"], {"xfs_read": "module_not_loaded"}),
        ("tw*, both", "kprobe", ["both", "two_prototypes"], {"twice": "ambiguous"}),
    ],
)  # fmt: skip
def test_what_cannot_be_traced_is_told(
    index: FunctionIndex, patterns: str, mode: str, names: list[str], codes: dict[str, str]
) -> None:
    found = function_set(index, patterns, mode)
    told = {name: refusal.code for name, refusal in found.left_out}
    assert set(names) <= set(found.names)
    assert {name: told[name] for name in codes} == codes


def test_those_of_a_module_are_left_out(
    index: FunctionIndex, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "xfs").mkdir()
    monkeypatch.setattr("app.kernel.functions_reasons.LOADED_MODULES", tmp_path)
    found = function_set(index, "xfs_read, both", "kprobe")
    assert found.names == ("both",)
    assert [(name, refusal.code) for name, refusal in found.left_out] == [("xfs_read", "of_module")]


@pytest.mark.parametrize(
    ("patterns", "message"),
    [
        ("vfs_reed", r"no function vfs_reed; for a part of names write \*vfs_reed\*. Did you mean"),
        ("nothing_*", "no function nothing_"),
        ("vfs_read,", "nothing between two commas"),
        (",", "nothing between two commas"),
        ("", "nothing between two commas"),
        (", ".join(["both"] * (MAX_PATTERNS + 1)), "Too many patterns: at most 16"),
        ("takes:nonsense", "Nothing takes a type named 'nonsense'"),
        ("vfs read; rm", "Not a part of a name"),
        ("a" * (MAX_QUERY + 1) + "*", "Too long"),
        ("twice", "None of these 1 functions can be traced so; of twice"),
        ("openat", "no function openat"),  # a system call
        ("sched:sched_switch", "no function sched:sched_switch"),
    ],
)
def test_errors(index: FunctionIndex, patterns: str, message: str) -> None:
    with pytest.raises(QueryError, match=message):
        function_set(index, patterns, "kprobe")


def test_not_too_many(index: FunctionIndex, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(function_sets, "MAX_FUNCTIONS", 2)
    assert len(function_set(index, "vfs_read*", "kprobe").names) == 2
    with pytest.raises(QueryError, match="These are 3 functions; at most 2"):
        function_set(index, "vfs_*", "kprobe")
    with pytest.raises(QueryError, match=r"\* finds \d+ functions; at most 2"):
        function_set(index, "*", "kprobe")
