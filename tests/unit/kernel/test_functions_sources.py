# SPDX-License-Identifier: Apache-2.0
"""The kernel's lists of functions, as text."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.kernel import functions_sources
from app.kernel.functions_sources import (
    modules_state,
    parse_blacklist,
    parse_ftrace,
    parse_symbols,
    read_symbols,
    read_tracepoints,
)
from app.kernel.tracepoint_format import parse_format
from tests.support.function_index import KALLSYMS


def test_symbols() -> None:
    found = parse_symbols(KALLSYMS)
    assert found.counts["", b"twice"] == 2
    assert found.counts["xfs", b"shared_name"] == 1
    assert found.everywhere[b"shared_name"] == 2
    assert found.init == {b"_sinittext", b"setup_once"}
    assert ("bpf", b"bpf_prog_1234") not in found.counts


def test_hidden_addresses_say_nothing_about_sections() -> None:
    """To a process without CAP_SYSLOG all addresses are 0 (kptr_restrict)."""
    lines = [b"0" * 16 + line[16:] for line in KALLSYMS.splitlines()]
    found = parse_symbols(b"\n".join(lines))
    assert found.init == set()
    assert found.counts.keys() == parse_symbols(KALLSYMS).counts.keys()


def test_sections_without_kprobes() -> None:
    text = (
        b"ffffffff81000000 T __kprobes_text_start\n"
        b"ffffffff81000000 t inside\n"
        b"ffffffff81000010 T __kprobes_text_end\n"
        b"ffffffff81000010 t outside\n"
    )
    assert parse_symbols(text).no_kprobes == {b"__kprobes_text_start", b"inside"}


def test_ftrace() -> None:
    text = b"vfs_read\nxfs_read [xfs]\n__ftrace_invalid_address___8\n"
    assert parse_ftrace(text) == {("", b"vfs_read"), ("xfs", b"xfs_read")}


def test_blacklist() -> None:
    text = b"0xffffffff81000640-0xffffffff81000650\tdo_int3\n0x0-0x0\txfs_lock [xfs]\n"
    assert parse_blacklist(text) == {b"do_int3", b"xfs_lock"}


def test_state_follows_modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    modules, btf = tmp_path / "modules", tmp_path / "btf"
    monkeypatch.setattr(functions_sources, "MODULES", modules)
    monkeypatch.setattr(functions_sources, "MODULE_BTF", btf)
    assert modules_state() == ()
    btf.mkdir()
    (btf / "vmlinux").touch()
    without = modules_state()
    assert without == ("vmlinux",)
    modules.write_text("xfs 1234 1 - Loading 0xffffffffc0000000\n")
    loading = modules_state()
    modules.write_text("xfs 1234 7 nfs, Live 0xffffffffc0000000\n")
    live = modules_state()
    modules.write_text("xfs 1234 2 - Live 0xffffffffc0000000\n")
    assert modules_state() == live, "how often it is used changes all the time"
    modules.write_text("xfs 1234 2 - Live 0xffffffffc0008000\n")
    again = modules_state()
    (btf / "xfs").touch()
    assert len({without, loading, live, again, modules_state()}) == 5


def test_this_kernel() -> None:
    symbols = read_symbols()
    assert symbols.counts["", b"vfs_read"] == 1
    assert not [name for _, name in symbols.counts if name.startswith(b"__pfx_")]
    tracepoints = read_tracepoints()
    fields = parse_format(tracepoints["syscalls:sys_enter_openat"])
    assert [field.name for field in fields] == ["__syscall_nr", "dfd", "filename", "flags", "mode"]
    assert tracepoints["syscalls:sys_exit_openat"] == ""
