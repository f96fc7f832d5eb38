# SPDX-License-Identifier: Apache-2.0
"""The index as it is read: entries by name, their signatures, and terms."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from app.btf.format import Kind
from app.btf.reader import Btf
from app.kernel.functions import (
    FUNCTION,
    OF_MODULE,
    RETURNS,
    SYSCALL,
    TAKES,
    TRACEPOINT,
    Entry,
    FunctionIndex,
    Parameter,
)
from tests.support.function_index import (
    MODULE,
    TRACEPOINTS,
    found,
    kernel_btf,
    module_btf,
    write_index,
)


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> FunctionIndex:
    return write_index(tmp_path_factory.mktemp("index"))


def entry(index: FunctionIndex, kind: str, name: str, module: str | None = None) -> Entry:
    found = index.lookup(kind, name, module)
    assert found is not None
    return found


def test_a_function(index: FunctionIndex) -> None:
    read = entry(index, FUNCTION, "vfs_read")
    assert read.signature == (
        "ssize_t vfs_read(struct file *file, char *buf, size_t count, size_t *pos)"
    )
    assert read.returns == "ssize_t"
    assert read.parameters is not None
    assert read.parameters[0] == Parameter("file", "struct file *", "struct file *file")
    assert read.function_id == Btf(kernel_btf().build()).find(Kind.FUNC, "vfs_read")
    assert read.module is None
    with pytest.raises(dataclasses.FrozenInstanceError):
        read.name = "other"  # type: ignore[misc]


@pytest.mark.parametrize(
    ("name", "signature"),
    [
        ("do_exit", "void do_exit(long unsigned int code)"),
        ("migrate_disable", "void migrate_disable(void)"),
        ("varargs", "int varargs(char *fmt, ...)"),
        ("struct_returned", "struct pair struct_returned(char *fmt)"),
        (
            "vfs_readv",
            "ssize_t vfs_readv(struct file *file, struct file *vec, void (*actor)(int))",
        ),
        ("assembler", None),
        ("cut_down.isra.0", None),
    ],
)
def test_signatures(index: FunctionIndex, name: str, signature: str | None) -> None:
    assert entry(index, FUNCTION, name).signature == signature


def test_a_pointer_to_a_function_has_a_type_without_its_name(index: FunctionIndex) -> None:
    parameters = entry(index, FUNCTION, "vfs_readv").parameters
    assert parameters is not None
    assert parameters[2].type == "void (*)(int)"


def test_a_function_of_a_module(index: FunctionIndex) -> None:
    kernel = kernel_btf()
    split = Btf(module_btf(kernel).build(), Btf(kernel.build()))
    read = entry(index, FUNCTION, "xfs_read")
    assert read.module == MODULE
    assert read.signature == "int xfs_read(struct xfs_inode *inode, long unsigned int count)"
    assert read.function_id == split.find(Kind.FUNC, "xfs_read")


def test_of_one_name_the_kernel_s_comes_first(index: FunctionIndex) -> None:
    assert entry(index, FUNCTION, "shared_name").module is None
    assert entry(index, FUNCTION, "shared_name", MODULE).module == MODULE
    assert entry(index, FUNCTION, "shared_name", "vmlinux").module is None
    assert index.lookup(FUNCTION, "shared_name", "btrfs") is None


def test_a_system_call(index: FunctionIndex) -> None:
    call = entry(index, SYSCALL, "openat")
    assert call.signature == "long openat(int dfd, const char *filename, umode_t mode)"
    assert call.function == "__x64_sys_openat"
    assert entry(index, FUNCTION, "__x64_sys_openat").syscall == "openat"
    assert index.lookup(SYSCALL, "half") is None, "it has no tracepoint at its exit"


def test_a_tracepoint(index: FunctionIndex) -> None:
    switch = entry(index, TRACEPOINT, "sched:sched_switch")
    assert (switch.category, switch.name) == ("sched", "sched_switch")
    assert switch.signature == (
        "sched:sched_switch(char prev_comm[16], pid_t prev_pid, unsigned long state)"
    )
    assert entry(index, TRACEPOINT, "sched_switch") == switch
    assert index.lookup(TRACEPOINT, "same_name") is None, "two categories have it"
    assert entry(index, TRACEPOINT, "tcp:same_name").category == "tcp"
    assert index.lookup(TRACEPOINT, "syscalls:sys_enter_openat") is None, "it is a system call"


@pytest.mark.parametrize("name", ["", "vfs_rea", "vfs_read ", "VFS_READ", "vfs_read\0", "\ud800"])
def test_other_names_are_not_found(index: FunctionIndex, name: str) -> None:
    for kind in (FUNCTION, SYSCALL, TRACEPOINT):
        assert index.lookup(kind, name) is None


def test_kinds_are_told_apart(index: FunctionIndex) -> None:
    kinds = [index.entry(number).kind for number in range(len(index))]
    assert kinds == sorted(kinds, key=(FUNCTION, SYSCALL, TRACEPOINT).index)
    assert kinds.count(SYSCALL) == 1
    assert kinds.count(TRACEPOINT) == sum(not name.startswith("syscalls:") for name in TRACEPOINTS)
    for kind in (FUNCTION, SYSCALL, TRACEPOINT):
        assert [kinds[number] for number in index.range_of(kind)] == [kind] * kinds.count(kind)


def test_fragments_and_other_symbols_are_no_functions(index: FunctionIndex) -> None:
    for name in ("__pfx_both", "both.cold", "bpf_prog_1234", "_etext"):
        assert index.lookup(FUNCTION, name) is None


def names(index: FunctionIndex, kind: str, text: str, pointers: int | None = None) -> set[str]:
    return {index.entry(n).full_name for n in index.posted(kind, text, pointers) or ()}


def test_terms(index: FunctionIndex) -> None:
    assert names(index, TAKES, "xfs_inode") == {"xfs_read", "shared_name"}
    assert names(index, TAKES, "sock") == {"sock:same_name", "tcp:same_name"}
    assert names(index, TAKES, "size_t", 1) == {"vfs_read", "vfs_write"}
    assert names(index, TAKES, "pair") == {"struct_argument"}
    assert names(index, TAKES, "pair", 1) == set()
    assert "openat" in names(index, RETURNS, "long")
    assert names(index, OF_MODULE, MODULE) == {"xfs_read", "shared_name"}
    assert "vfs_read" in names(index, OF_MODULE, "vmlinux")
    assert index.posted(TAKES, "nothing") is None
    assert "file" in index.terms(TAKES)


def test_an_empty_kernel(tmp_path: Path) -> None:
    """One that offers neither BTF nor symbols nor tracefs."""
    kernel = found(btf=None, module_btf={}, symbols=None, ftrace=None, tracepoints={})
    empty = write_index(tmp_path / "index", kernel)
    assert len(empty) == 0
    assert empty.lookup(FUNCTION, "vfs_read") is None
    assert empty.posted(TAKES, "file") is None


def test_a_folder_of_something_else(tmp_path: Path) -> None:
    with pytest.raises(OSError, match=r"about\.json"):
        FunctionIndex(tmp_path)
