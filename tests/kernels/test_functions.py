# SPDX-License-Identifier: Apache-2.0
"""What the index of functions says is true of this kernel: attached to, drawn with a fixed seed."""

from __future__ import annotations

import os
import random
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from app.config import Settings
from app.kernel.build import running_version_code
from app.kernel.functions import FUNCTION, SYSCALL, TRACEPOINT, Entry, Facts, FunctionIndex
from app.kernel.functions_reasons import why_not
from app.linux import bpf, perf_events, tracefs
from app.probes.function_index import Functions
from app.probes.spawner import Spawner
from tests.support import kernel
from tests.support.fixtures import skip

pytestmark = pytest.mark.suites()  # in `./test long`, and on this machine

SEED = 11
DRAWN = 30
RETURN_0 = bpf.instruction(0xB7, immediate=0) + bpf.instruction(0x95)
PATIENCE_S = 600.0  # making an index takes a minute in emulation
MODULE = "tcp_diag"  # which init loads, and which can be unloaded


@pytest.fixture(scope="module")
def functions(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Functions]:
    """The service's own, with a child and a cache."""
    spawner = Spawner()
    spawner.open()
    made = Functions(Settings(cache_dir=tmp_path_factory.mktemp("cache")), spawner)
    made.open()
    yield made
    made.close()
    spawner.close()


@pytest.fixture(scope="module")
def index(functions: Functions) -> FunctionIndex:
    return functions.current(PATIENCE_S)


@pytest.fixture(scope="module")
def entries(index: FunctionIndex) -> list[Entry]:
    return [index.entry(number) for number in index.range_of(FUNCTION)]


def drawn(entries: list[Entry], mode: str, code: str | None) -> list[Entry]:
    """Some functions of the kernel itself that are refused with this code, None for allowed."""
    chosen = []
    for entry in entries:
        if entry.module is None:
            refusal = why_not(entry, mode)
            if (refusal and refusal.code) == code:
                chosen.append(entry)
    return random.Random(SEED).sample(chosen, min(DRAWN, len(chosen)))


def test_all_three_kinds(index: FunctionIndex, entries: list[Entry]) -> None:
    assert index.sources.btf is None
    assert index.sources.symbols is None
    assert index.sources.tracepoints is None
    described = [entry for entry in entries if entry.function_id and entry.module is None]
    assert 30_000 < len(described) < 80_000
    assert 300 < len(index.range_of(SYSCALL)) < 600
    assert 700 < len(index.range_of(TRACEPOINT)) < 5_000
    openat = index.lookup(SYSCALL, "openat")
    assert openat is not None
    assert openat.signature == (
        "long openat(int dfd, const char *filename, int flags, umode_t mode)"
    )
    read = index.lookup(FUNCTION, "vfs_read")
    assert read is not None
    assert read.signature == (
        "ssize_t vfs_read(struct file *file, char *buf, size_t count, loff_t *pos)"
    )


def kernel_addresses() -> dict[str, set[str]]:
    """The addresses of each symbol, those of variables and modules too."""
    found: dict[str, set[str]] = {}
    for line in Path("/proc/kallsyms").read_text().splitlines():
        address, _, name = line.split()[:3]
        found.setdefault(name, set()).add(address)
    return found


def test_each_function_for_kprobes_has_an_address(entries: list[Entry]) -> None:
    addresses = kernel_addresses()
    allowed = [entry.name for entry in entries if why_not(entry, "kprobe") is None]
    assert len(allowed) > 25_000
    wrong = [name for name in allowed if len(addresses.get(name, ())) != 1]
    assert wrong == []
    assert not [name for name in allowed if int(next(iter(addresses[name])), 16) == 0]


def test_ftrace_s_list_is_the_index_s(index: FunctionIndex, entries: list[Entry]) -> None:
    if index.sources.ftrace:
        skip(f"this kernel does not show ftrace's list: {index.sources.ftrace}")
    with tracefs.opened() as folder:
        lines = (folder / "available_filter_functions").read_text().splitlines()
    listed = {line for line in lines if " " not in line and not line.startswith("__ftrace_inv")}
    known = {e.name for e in entries if e.facts & Facts.FTRACE and e.module is None}
    assert len(known) > 0.98 * len(listed)
    described = {e.name for e in entries if e.function_id and e.module is None}
    # 30,551 of Linux 5.10's, 38,904 of 6.12's; and other names of the same functions.
    assert listed & described <= known
    addresses = kernel_addresses()
    places = {address for name in listed for address in addresses[name]}
    assert [name for name in known - listed if not addresses[name] & places] == []


def set_kprobe(entry: Entry, mode: str) -> None:
    with perf_events.kprobe_event(entry.name, mode == "kretprobe"):
        pass  # set, and removed again


def attach_trampoline(entry: Entry, mode: str) -> None:
    kinds = {"fentry": bpf.ATTACH_TRACE_FENTRY, "fexit": bpf.ATTACH_TRACE_FEXIT}
    with ExitStack() as stack:
        program = bpf.load_program(
            bpf.PROG_TYPE_TRACING,
            RETURN_0,
            name="functions_test",
            kernel_version=running_version_code(),
            attach_type=kinds[mode],
            attach_btf_id=entry.function_id,
        )
        stack.callback(os.close, program)
        stack.callback(os.close, bpf.open_raw_tracepoint(program))


def refusals(chosen: list[Entry], mode: str) -> dict[str, str]:
    """What the kernel refuses, by name."""
    attach = attach_trampoline if mode in ("fentry", "fexit") else set_kprobe
    found = {}
    for entry in chosen:
        try:
            attach(entry, mode)
        except OSError as error:
            found[entry.name] = error.strerror or str(error)
    return found


def require(mode: str) -> None:
    if not kernel.in_test_machine():
        skip(f"{mode} is tried in test machines only, on functions that everything calls")


@pytest.mark.parametrize("mode", ["kprobe", "kretprobe", "fentry", "fexit"])
def test_what_is_allowed_attaches(entries: list[Entry], mode: str) -> None:
    require(mode)
    chosen = drawn(entries, mode, None)
    assert len(chosen) == DRAWN
    assert refusals(chosen, mode) == {}


@pytest.mark.parametrize(
    ("mode", "code"),
    [
        ("kprobe", "no_ftrace"),
        ("kprobe", "blacklisted"),
        ("kprobe", "init"),
        ("fentry", "no_ftrace"),
        ("fentry", "too_many_arguments"),
        ("fentry", "struct_argument"),
        ("fentry", "large_argument"),
        ("fentry", "varargs"),
        ("fentry", "struct_returned"),
    ],
)
def test_what_is_refused_does_not_attach(entries: list[Entry], mode: str, code: str) -> None:
    """Several functions of one name are refused by us alone on older kernels, which take any."""
    require(mode)
    chosen = [
        entry for entry in drawn(entries, mode, code) if mode == "kprobe" or entry.function_id
    ]
    assert refusals(chosen, mode).keys() == {entry.name for entry in chosen}


@pytest.mark.parametrize("code", ["no_symbol", "only_twins"])
def test_what_was_inlined_has_no_symbol(entries: list[Entry], code: str) -> None:
    require("kprobe")
    chosen = drawn(entries, "kprobe", code)
    assert refusals(chosen, "kprobe").keys() == {entry.name for entry in chosen}


def test_functions_of_a_module_come_and_go_with_it(functions: Functions) -> None:
    require("modules")

    def described() -> Entry | None:
        return functions.current(PATIENCE_S).lookup(FUNCTION, "tcp_diag_dump")

    entry = described()
    assert entry is not None
    assert entry.module == MODULE
    assert entry.signature is not None
    assert "struct netlink_callback *cb" in entry.signature
    subprocess.run(["rmmod", MODULE], check=True)
    try:
        assert described() is None
        refusal = why_not(entry, "kprobe")
        assert refusal is not None
        assert refusal.code == "module_not_loaded"
    finally:
        subprocess.run(["modprobe", "-d", "/run/vm/kernel", MODULE], check=True)
    assert described() == entry
