# SPDX-License-Identifier: Apache-2.0
"""What bpftrace is given, and what it prints (version 0.17, Debian 12)."""

from __future__ import annotations

import pytest

from benchmarks.bpftrace_output import Printed, read_json, read_text
from benchmarks.bpftrace_script import script, three_calls
from benchmarks.traced import ALL, Traced

TEXT = """Attaching 4 probes...
attached
589715775501 6318 6320 0 work load -100 no-xxxx -2 26609
589715861949 6318 6320 0 workload 3 a b c -2 3135
Lost 12 events
589715880226 6318 6320 0 workload -100  -2 2424
Lost 3 events


"""
JSON = r"""{"type": "attached_probes", "data": {"probes": 4}}
{"type": "printf", "data": "attached\n"}
{"type": "printf", "data": "593877780266 6370 6370 0 python3 3 \"zz\" -2 11757\n"}
{"type": "lost_events", "data": {"events": 40}}
{"type": "printf", "data": "593877839283 6370 6370 0 python3 4 zz -2 2524\n"}
{"type": "printf", "data": "5938778"""
READ_TEXT = "attached\n1 2 3 0 cat 16 no-xxxx 16 900\nLost 2 events\n"
ENTRY_TEXT = "attached\n1 2 3 0 rm -100 /tmp/x\n1 2 3 0 rm -100 \n"


def test_text() -> None:
    assert read_text(TEXT) == Printed(rows=3, lost=15)
    assert read_text(ENTRY_TEXT) == Printed(rows=2, lost=0)


def test_text_of_another_function() -> None:
    assert read_text(READ_TEXT) == Printed(rows=1, lost=2)


@pytest.mark.parametrize("traced", ALL, ids=lambda it: it.probe)
def test_scripts_of_other_functions(traced: Traced) -> None:
    text = traced.script("pid == 7")
    assert text.count("/pid == 7/") == text.count("/@start[tid]/") == 1
    assert text.count("{") == text.count("}")
    assert text.count(f"{traced.probe} /") == 2
    row = text[text.index('printf("%lld') :]
    assert row.partition('"')[2].partition('"')[0].count("%") == 9


def test_json_with_a_last_line_that_is_cut() -> None:
    assert read_json(JSON) == Printed(rows=2, lost=40)


def test_nothing_yet() -> None:
    assert read_text("") == read_json("") == Printed(0, 0)
    assert read_json("Lost 3 events\n") == Printed(0, 0)


@pytest.mark.parametrize(
    ("mode", "probes"),
    [
        ("fentry", ["kfunc:f /pid == 7/"]),
        ("fexit", ["kfunc:f /pid == 7/", "kretfunc:f /@start[tid]/"]),
        ("kprobe", ["kprobe:f /pid == 7/"]),
        ("kretprobe", ["kprobe:f /pid == 7/", "kretprobe:f /@start[tid]/"]),
        ("tracepoint", ["tracepoint:syscalls:sys_enter_unlinkat /pid == 7/"]),
    ],
)
def test_scripts(mode: str, probes: list[str]) -> None:
    text = script(mode, "f", "pid == 7")
    assert all(f"\n{probe} {{" in text for probe in probes)
    assert text.count("{") == text.count("}")
    # A name that the kernel frees is copied at entry; the caller's own is read at return.
    copied = "@name[tid] = str(" in text
    assert copied == (mode in ("fexit", "kretprobe"))


def test_the_same_calls_as_ours() -> None:
    text = three_calls("pid == 7")
    for call in ("unlink", "unlinkat", "rmdir"):
        assert f"sys_enter_{call} /pid == 7/" in text
        assert f"sys_exit_{call} /@start[tid]/" in text
