# SPDX-License-Identifier: Apache-2.0
"""What goes to the compiler."""

from __future__ import annotations

import mmap

import pytest

from app.probes.modes import MODES
from app.tracer.bpf_source import SOURCES, compiler_flags, source, source_files


@pytest.mark.parametrize("name", ["do_unlinkat; }", "", "a b", "a-b", "1a", "naïve", "a\nb"])
def test_only_identifiers_become_source_text(name: str) -> None:
    with pytest.raises(ValueError, match="identifier"):
        compiler_flags("fentry", name, 1 << 20)


def test_every_file_belongs_to_a_mode_and_comes_once() -> None:
    used = [source_files(mode, renames) for mode in MODES for renames in (False, True)]
    assert all(len(set(names)) == len(names) for names in used)
    assert {name for names in used for name in names} == {file.name for file in SOURCES.glob("*.c")}


@pytest.mark.parametrize("mode", MODES)
def test_a_mode_that_follows_renames_needs_all_its_other_files_too(mode: str) -> None:
    """So the sources with renames stand for both in the key of a compiled object."""
    assert set(source_files(mode, False)) <= set(source_files(mode, True))


def test_messages_name_the_file_and_line() -> None:
    text = source("fentry", follows_renames=False)
    assert text.startswith('#line 1 "bpf/memory.c"\n// SPDX')
    assert text.count("#line 1 ") == len(source_files("fentry", False))


@pytest.mark.parametrize(
    ("mode", "renames", "flags"),
    [
        ("fentry", None, ["-DFUNCTION=f"]),
        ("kprobe", "r", ["-DFUNCTION=f", "-DRENAME_FUNCTION=r"]),
        ("fexit", "r", ["-DSEES_RETURN", "-DFUNCTION=f", "-DRENAME_FUNCTION=r"]),
        ("tracepoint", "r", ["-DSEES_RETURN"]),
    ],
)
def test_flags(mode: str, renames: str | None, flags: list[str]) -> None:
    ring_bytes = 16 * mmap.PAGESIZE
    assert compiler_flags(mode, "f", ring_bytes, renames) == ["-DRING_PAGES=16", *flags]


@pytest.mark.parametrize("mode", MODES)
def test_headers_are_included_before_our_own_macros(mode: str) -> None:
    text = source(mode, follows_renames=True)
    assert text.rindex("#include <") < text.index("#define NAME_SHORT")
