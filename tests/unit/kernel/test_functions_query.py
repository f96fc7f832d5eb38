# SPDX-License-Identifier: Apache-2.0
"""The language of searches, and near misses."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.kernel import functions
from app.kernel.functions import FUNCTION, KINDS, SYSCALL, TRACEPOINT, FunctionIndex
from app.kernel.functions_query import (
    MAX_QUERY,
    MAX_STARS,
    MAX_TERMS,
    QueryError,
    find,
    near_names,
    search,
)
from app.kernel.functions_sources import parse_symbols
from tests.support.function_index import found, write_index


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> FunctionIndex:
    return write_index(tmp_path_factory.mktemp("index"))


def names(index: FunctionIndex, query: str, kind: str | None = None, limit: int = 99) -> list[str]:
    return [entry.full_name for entry in search(index, query, kind, limit).entries]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("vfs_read", ["vfs_read", "vfs_readv"]),  # what is equal comes first
        ("read", ["vfs_read", "vfs_readv", "xfs_read"]),
        ("openat", ["openat", "__do_sys_openat", "__x64_sys_openat"]),
        ("vfs_*", ["vfs_read", "vfs_readv", "vfs_write"]),
        ("?fs_read", ["vfs_read", "xfs_read"]),
        ("*.isra.?", ["cut_down.isra.0"]),
        ("vfs read", ["vfs_read", "vfs_readv"]),
        ("takes:xfs_inode", ["shared_name", "xfs_read"]),
        ("takes:xfs_inode*", ["shared_name", "xfs_read"]),
        ("takes:xfs_inode read", ["xfs_read"]),
        ("takes:file returns:ssize_t vfs_w", ["vfs_write"]),
        ("takes:size_t*", ["vfs_read", "vfs_write"]),
        ('takes:"struct pair"', ["struct_argument"]),
        ("takes:struct pair", ["struct_argument"]),
        ("takes:const struct xfs_inode* read", ["xfs_read"]),
        ("module:xfs", ["shared_name", "xfs_read"]),
        ("module:xfs takes:xfs_inode xfs", ["xfs_read"]),
        ("sched_switch", ["sched:sched_switch"]),
        ("sched:sched_switch", ["sched:sched_switch"]),
        ("sched_*", ["sched:sched_switch"]),
        ("tcp:", ["tcp:same_name"]),
        ("same_name", ["sock:same_name", "tcp:same_name"]),
        ("nothing_has_it", []),
    ],
)
def test_what_is_found(index: FunctionIndex, query: str, expected: list[str]) -> None:
    assert names(index, query) == expected


def test_long_types_as_programmers_write_them(index: FunctionIndex) -> None:
    """BTF has `long unsigned int`, a tracepoint's format `unsigned long`."""
    hits = names(index, 'takes:"unsigned long"')
    assert {"do_exit", "sched:sched_switch"} <= set(hits)
    assert hits == names(index, 'takes:"long unsigned int"')


def test_kind(index: FunctionIndex) -> None:
    assert names(index, "openat", SYSCALL) == ["openat"]
    assert names(index, "openat", FUNCTION) == ["__do_sys_openat", "__x64_sys_openat"]
    assert names(index, "", TRACEPOINT) == ["sched:sched_switch", "sock:same_name", "tcp:same_name"]


@pytest.mark.parametrize("query", ["", "a", "takes:file", "*a*", "vfs"])
def test_limit_and_total(index: FunctionIndex, query: str) -> None:
    everything = search(index, query, None, 1000)
    assert everything.total == len(everything.entries)
    for limit in range(1, everything.total + 2):
        some = search(index, query, None, limit)
        assert some.total == everything.total
        assert some.entries == everything.entries[:limit]


@pytest.mark.parametrize(
    ("query", "message", "near"),
    [
        ("take:file", "Unknown key take:", ["takes:file"]),
        ("takes:fil", "Nothing takes a type named 'fil'.", ["takes:file"]),
        ("returns:ssize", "Nothing returns a type named 'ssize'.", ["returns:ssize_t"]),
        ("takes:pair*", "No takes:pair*", ["takes:pair"]),
        ("takes:flie", "Nothing takes a type named 'flie'.", ["takes:file"]),
        ("takes:ifle", "Nothing takes a type named 'ifle'.", ["takes:file"]),
        ("takes:struct iple", "Nothing takes a type named 'iple'.", ["takes:triple"]),
        ("takes:struct apir", "Nothing takes a type named 'apir'.", ["takes:pair"]),
        ("module:xsf", "modprobe xsf", ["module:xfs"]),
        ("takes:", "needs a name", []),
        ("takes:struct", 'takes:struct needs the name of a type: write takes:"struct NAME".', []),
        ("returns:enum takes:file", 'write returns:"enum NAME"', []),
        ('takes:"union"', "needs the name of a type, such as takes:sock", []),
        ('takes:"long unsigned itn"', "Nothing takes", ['takes:"long unsigned int"']),
        ("takes:" + "a" * 190, "Nothing takes a type named 'aaa", []),
        ("module:xf", "modprobe xf", ["module:xfs"]),
        ("a/b", "Not a part of a name", []),
        ("[ab]*", "Not a part of a name", []),
        ("a\0b", "Not a part of a name", []),
        ("é", "Not a part of a name", []),
        ("*" * (MAX_STARS + 1), "Too many `*`", []),
        ("a " * (MAX_TERMS + 1), "Too many terms", []),
        ("a" * (MAX_QUERY + 1), "Too long", []),
    ],
)
def test_faults(index: FunctionIndex, query: str, message: str, near: list[str]) -> None:
    with pytest.raises(QueryError) as raised:
        search(index, query, None, 10)
    assert message in str(raised.value)
    assert raised.value.near == near
    assert all(each in str(raised.value) for each in near)


@given(st.text(alphabet='ab_*?:."fsxtakes ', max_size=60))
def test_any_query_is_answered_or_refused(index: FunctionIndex, query: str) -> None:
    try:
        hits = search(index, query, None, 5)
    except QueryError:
        return
    assert len(hits.entries) == min(hits.total, 5)


def test_a_pattern_made_to_take_long(tmp_path: Path) -> None:
    """Stars do not backtrack into one another: this would take minutes."""
    long = b"".join(b"ffffffff81000000 T %s%d\n" % (b"a" * 500, number) for number in range(200))
    index = write_index(tmp_path / "index", found(symbols=parse_symbols(long)))
    assert search(index, "a" * 100, FUNCTION, 5).total == 200
    assert search(index, "*a" * MAX_STARS + "b", FUNCTION, 5).total == 0


@pytest.mark.parametrize("most", [0, 1, 1000])
def test_each_way_of_searching_finds_the_same(
    index: FunctionIndex, monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    monkeypatch.setattr(functions, "MOST_SEARCHED", most)
    for part in (b"", b"a", b"_read", b"vfs_read", b"sched:", b"zz", index.names[-1]):
        expected = [number for number, name in enumerate(index.names) if part in name]
        assert index.containing(part) == expected


@pytest.mark.parametrize(
    ("name", "kind", "expected"),
    [
        ("vfs_raed", None, "vfs_read"),
        ("vfs_rea", None, "vfs_read"),
        ("opneat", SYSCALL, "openat"),
        ("poenat", SYSCALL, "openat"),
        ("sched_swich", TRACEPOINT, "sched:sched_switch"),
    ],
)
def test_near_misses(index: FunctionIndex, name: str, kind: str | None, expected: str) -> None:
    assert expected in near_names(index, name, kind)


def test_nothing_is_near(index: FunctionIndex) -> None:
    assert near_names(index, "qqqqqqq", None) == []
    assert near_names(index, "", None) == []


def test_a_name_of_several_kinds(index: FunctionIndex) -> None:
    def kind_of(name: str, kind: str | None = None, module: str | None = None) -> str | None:
        entry = find(index, name, kind, module)
        return entry and entry.kind

    assert kind_of("vfs_read") == FUNCTION
    assert kind_of("openat") == SYSCALL
    assert kind_of("sched_switch") == TRACEPOINT
    assert [kind_of("openat", kind) for kind in KINDS] == [None, SYSCALL, None]
    assert kind_of("shared_name", FUNCTION, "xfs") == FUNCTION
    assert kind_of("shared_name", FUNCTION, "ext4") is None
