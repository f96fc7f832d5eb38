# SPDX-License-Identifier: Apache-2.0
"""Every reason, on a kernel made by hand: the modes that are refused."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from app import ROOT
from app.kernel import functions_reasons
from app.kernel.functions import (
    FUNCTION,
    SIGNATURE_PROBLEMS,
    SYSCALL,
    TRACEPOINT,
    Entry,
    FunctionIndex,
    Sources,
)
from app.kernel.functions_reasons import AT_RETURN, KPROBES, TRAMPOLINES, looked_at, notes, why_not
from tests.support.function_index import MODULE, found, write_index

MODES = (*TRAMPOLINES, *KPROBES)


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> FunctionIndex:
    return write_index(tmp_path_factory.mktemp("index"))


@pytest.fixture(autouse=True)
def loaded(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The folder that has a folder for each module that is loaded."""
    (tmp_path / MODULE).mkdir()
    monkeypatch.setattr(functions_reasons, "LOADED_MODULES", tmp_path)
    return tmp_path


def codes(entry: Entry | None) -> dict[str, str]:
    """The code of each mode but `tracepoint` that is refused."""
    assert entry is not None
    refusals = {mode: why_not(entry, mode) for mode in MODES}
    return {mode: refusal.code for mode, refusal in refusals.items() if refusal}


def both(code: str) -> dict[str, str]:
    return dict.fromkeys(MODES, code)


@pytest.mark.parametrize(
    ("name", "refused"),
    [
        ("vfs_read", {}),
        ("vfs_readv", {}),
        ("seven_arguments", {}),
        ("struct_argument", {}),
        ("both", {}),
        ("xfs_read", {}),
        ("many_arguments", dict.fromkeys(TRAMPOLINES, "too_many_arguments")),
        ("large_argument", dict.fromkeys(TRAMPOLINES, "large_argument")),
        ("union_argument", dict.fromkeys(TRAMPOLINES, "struct_argument")),
        ("float_argument", dict.fromkeys(TRAMPOLINES, "unsupported_type")),
        ("varargs", dict.fromkeys(TRAMPOLINES, "varargs")),
        ("struct_returned", dict.fromkeys(TRAMPOLINES, "struct_returned")),
        ("inlined", both("no_symbol")),
        ("cut_down", both("only_twins")),
        ("setup_once", both("init")),
        ("notrace_function", both("no_ftrace")),
        ("assembler", both("no_ftrace")),
        ("blacklisted_function", dict.fromkeys(KPROBES, "blacklisted")),
        ("second_name", dict.fromkeys(TRAMPOLINES, "no_btf")),  # ftrace has one name
        ("cut_down.isra.0", dict.fromkeys(TRAMPOLINES, "no_btf")),
        ("twice", both("ambiguous")),
        ("watchdog", both("ambiguous")),  # a variable has its name
        ("two_prototypes", dict.fromkeys(TRAMPOLINES, "ambiguous")),
        ("shared_name", dict.fromkeys(KPROBES, "ambiguous")),
        ("do_exit", dict.fromkeys(AT_RETURN, "noreturn")),
        (
            "migrate_disable",
            {**dict.fromkeys(TRAMPOLINES, "btf_denied"), **dict.fromkeys(KPROBES, "denied")},
        ),
        ("_raw_spin_lock", both("denied")),
    ],
)
def test_functions(index: FunctionIndex, name: str, refused: dict[str, str]) -> None:
    entry = index.lookup(FUNCTION, name)
    assert codes(entry) == refused
    assert entry is not None
    assert all(name in refusal.reason for mode in MODES if (refusal := why_not(entry, mode)))


@pytest.mark.parametrize(
    ("version", "name", "code"),
    [
        ((6, 5), "seven_arguments", "too_many_arguments"),
        ((6, 6), "seven_arguments", None),
        ((6, 0), "struct_argument", "struct_argument"),
        ((6, 1), "struct_argument", None),
        ((6, 17), "union_argument", "struct_argument"),
        ((6, 18), "union_argument", None),
        ((7, 2), "large_argument", "large_argument"),
    ],
)
def test_what_a_trampoline_passes_on_depends_on_the_version(
    tmp_path: Path, version: tuple[int, int], name: str, code: str | None
) -> None:
    entry = write_index(tmp_path / "index", version=version).lookup(FUNCTION, name)
    assert entry is not None
    refusal = why_not(entry, "fentry")
    assert (refusal and refusal.code) == code
    if code == "too_many_arguments":
        assert refusal is not None
        assert "at most 6 words" in refusal.reason


@pytest.mark.parametrize(
    ("version", "name", "code", "because"),
    [
        ((5, 10), "xfs_read", "no_btf", "before 5.11"),
        ((5, 11), "xfs_read", None, ""),
        ((6, 3), "shared_name", "ambiguous", "before 6.4"),
        ((6, 4), "shared_name", None, ""),
    ],
)
def test_trampolines_of_a_module_depend_on_the_version(
    tmp_path: Path, version: tuple[int, int], name: str, code: str | None, because: str
) -> None:
    entry = write_index(tmp_path / "index", version=version).lookup(FUNCTION, name, MODULE)
    assert entry is not None
    for mode in TRAMPOLINES:
        refusal = why_not(entry, mode)
        assert (refusal and refusal.code) == code
        if refusal:
            assert because in refusal.reason
            assert name in refusal.reason
    if name == "xfs_read":
        assert why_not(entry, "kprobe") is None


@pytest.mark.parametrize(
    ("kind", "name", "by_tracepoint"),
    [
        (SYSCALL, "openat", None),
        (TRACEPOINT, "sched:sched_switch", None),
        (FUNCTION, "vfs_read", "not_a_tracepoint"),
    ],
)
def test_the_mode_tracepoint(
    index: FunctionIndex, kind: str, name: str, by_tracepoint: str | None
) -> None:
    entry = index.lookup(kind, name)
    assert entry is not None
    refusal = why_not(entry, "tracepoint")
    assert (refusal and refusal.code) == by_tracepoint
    if by_tracepoint is None:
        assert codes(entry) == both("not_a_function")


def test_an_unknown_mode_is_no_answer(index: FunctionIndex) -> None:
    entry = index.lookup(FUNCTION, "vfs_read")
    assert entry is not None
    with pytest.raises(ValueError, match="uprobe"):
        why_not(entry, "uprobe")


def test_a_module_that_was_unloaded(index: FunctionIndex, loaded: Path) -> None:
    entry = index.lookup(FUNCTION, "xfs_read")
    (loaded / MODULE).rmdir()
    assert codes(entry) == both("module_not_loaded")


def test_what_could_not_be_looked_at_is_no_reason(tmp_path: Path) -> None:
    """Without ftrace's list and the blacklist; sections are looked at instead."""
    sources = Sources(ftrace="Operation not permitted", blacklist="No such file")
    index = write_index(tmp_path / "index", found(ftrace=None, blacklist=None), sources)
    for name in ("notrace_function", "blacklisted_function"):
        entry = index.lookup(FUNCTION, name)
        assert codes(entry) == {}
        assert entry is not None
        said = looked_at(entry)
        assert [text for text in said if "not looked at (Operation not permitted)" in text]
        assert [text for text in said if "not looked at (No such file); sections" in text]


def test_without_symbols_nothing_is_said_to_be_missing(tmp_path: Path) -> None:
    index = write_index(tmp_path / "index", found(symbols=None), Sources(symbols="No such file"))
    entry = index.lookup(FUNCTION, "vfs_read")
    assert codes(entry) == {}
    assert entry is not None
    assert looked_at(entry)[0] == "/proc/kallsyms: not looked at (No such file)"


def test_without_btf_only_kprobes_remain(tmp_path: Path) -> None:
    kernel, sources = found(btf=None, module_btf={}), Sources(btf="there is no file")
    entry = write_index(tmp_path / "index", kernel, sources).lookup(FUNCTION, "vfs_read")
    assert codes(entry) == dict.fromkeys(TRAMPOLINES, "no_btf")
    assert entry is not None
    refusal = why_not(entry, "fentry")
    assert refusal is not None
    assert "there is no file" in refusal.reason


def test_findings_and_notes(index: FunctionIndex) -> None:
    read = index.lookup(FUNCTION, "vfs_read")
    assert read is not None
    assert looked_at(read) == (
        "/proc/kallsyms: found",
        "ftrace's available_filter_functions: found",
        "kprobe blacklist: not listed",
        f"BTF: function {read.function_id}",
    )
    assert notes(read) == ()
    of_both = index.lookup(FUNCTION, "both")
    assert of_both is not None
    assert "both.part.0" in notes(of_both)[0]
    twin = index.lookup(FUNCTION, "cut_down.isra.0")
    assert twin is not None
    assert "cut_down" in notes(twin)[0]
    assert "shifted" in notes(twin)[0]


def test_a_twin_is_refused_as_what_it_was_made_of(index: FunctionIndex) -> None:
    twin = index.lookup(FUNCTION, "cut_down.isra.0")
    assert twin is not None
    assert codes(replace(twin, name="_raw_spin_lock.part.0")) == both("denied")
    assert codes(replace(twin, name="do_exit.part.0"))["kretprobe"] == "noreturn"


def test_every_reason_is_documented() -> None:
    sources = ("app/kernel/functions_reasons.py", "app/probes/function_modes.py")
    text = "".join((ROOT / source).read_text() for source in sources)
    given = set(re.findall(r'Refusal\(\s*"(\w+)"', text)) | {*filter(None, SIGNATURE_PROBLEMS)}
    given |= set(re.findall(r'"(mode_unavailable|lockdown)"', text))
    section = (ROOT / "docs/functions.md").read_text().split("## Reasons")[1].split("### ")[0]
    documented = re.findall(r"^\| `(\w+)` \| \w", section, re.MULTILINE)
    assert set(documented) - {"code"} == given
    assert len(documented) == len(set(documented))
