# SPDX-License-Identifier: Apache-2.0
"""Which names a kernel has: of functions, struct members, system calls and tracepoints."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from app.kernel.symbols import TextSymbols
from app.presets.kernel_names import names_here
from tests.support.btf_builder import BtfBuilder

FORMAT = "field:pid_t pid;\toffset:8;\tsize:4;\tsigned:1;\n"
SYMBOLS = b"".join(
    b"ffffffff81000000 t %s\n" % name for name in (b"do_it", b"twice", b"twice", b"not_in_btf")
)


@pytest.fixture
def events(tmp_path: Path) -> Path:
    folder = tmp_path / "tracefs/events"
    for name in ("sched/sched_exit", "syscalls/sys_enter_open", "syscalls/sys_exit_open"):
        (folder / name).mkdir(parents=True)
    (folder / "syscalls/sys_enter_half").mkdir()
    (folder / "sched/sched_exit/format").write_text(FORMAT)
    return folder.parent


@pytest.fixture
def btf_file(tmp_path: Path) -> Path:
    btf = BtfBuilder()
    number = btf.integer("int", 4, signed=True)
    inner = btf.record("", 4, [("inner", number, 0)])
    btf.record("thing", 8, [("size", number, 0), ("", inner, 32)])
    for name in ("do_it", "twice", "not_in_symbols"):
        btf.function(name, number, [])
    path = tmp_path / "btf"
    path.write_bytes(btf.build())
    return path


def found(tracefs: Path | None, btf: Path, *wanted: tuple[str, str]) -> set[tuple[str, str]]:
    @contextmanager
    def opened() -> Iterator[Path]:
        if tracefs is None:
            raise PermissionError
        yield tracefs

    return set(
        names_here(
            wanted,
            btf_path=btf,
            load_symbols=lambda: TextSymbols(SYMBOLS),
            open_tracefs=opened,
        )
    )


def test_events(events: Path, tmp_path: Path) -> None:
    here = {
        ("tracepoint", "sched:sched_exit"),
        ("syscall", "open"),
        ("field", "sched:sched_exit.pid"),
    }
    absent = {
        ("tracepoint", "sched:sched_start"),
        ("syscall", "half"),  # its result could not be seen
        ("syscall", "close"),
        ("field", "sched:sched_exit.prio"),
        ("field", "sched:sched_start.pid"),
        ("function", "do_it"),  # there is no BTF
        ("field", "thing.size"),
    }
    assert found(events, tmp_path / "no-btf", *here, *absent) == here


def test_functions_and_members(btf_file: Path) -> None:
    here = {("function", "do_it"), ("field", "thing.size"), ("field", "thing.inner")}
    absent = {
        ("function", "twice"),  # two functions: which one is not known
        ("function", "not_in_btf"),
        ("function", "not_in_symbols"),
        ("field", "thing.colour"),
        ("field", "nothing.size"),
        ("tracepoint", "sched:sched_exit"),  # tracefs cannot be opened
    }
    assert found(None, btf_file, *here, *absent) == here
