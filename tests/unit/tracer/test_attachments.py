# SPDX-License-Identifier: Apache-2.0
"""Which program goes to which hook, and in which order."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path

import pytest

from app.tracer import attachments
from app.tracer.attachments import attach, attach_order


class Loaded:
    """A loaded object that records where its programs are attached."""

    def __init__(self, *programs: str) -> None:
        self.programs = programs
        self.done: list[tuple[str, str]] = []

    def program_names(self) -> list[str]:
        return list(self.programs)

    def attach_raw_tracepoint(self, name: str, tracepoint: str) -> None:
        self.done.append((name, f"raw {tracepoint}"))

    def attach_tracing(self, name: str) -> None:
        self.done.append((name, "trampoline"))

    def attach_kprobe(self, name: str, function: str, *, at_return: bool) -> None:
        assert not at_return
        self.done.append((name, f"entry of {function}"))

    def attach_kretprobes(self, functions: dict[str, str], folder: Path) -> None:
        self.done += [(name, f"return of {function}") for name, function in functions.items()]

    def attach_tracepoint(self, name: str, folder: Path, category: str, tracepoint: str) -> None:
        self.done.append((name, f"{category}:{tracepoint}"))


THREAD_EXIT = ("raw_tracepoint__sched_process_exit", "raw sched_process_exit")


@pytest.fixture(autouse=True)
def no_tracefs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attachments.tracefs, "opened", lambda: nullcontext(Path("/tracefs")))


def attached(mode: str, *programs: str) -> list[tuple[str, str]]:
    loaded = Loaded(*programs)
    attach(loaded, mode, "f")  # type: ignore[arg-type]
    return loaded.done


def test_trampolines() -> None:
    names = ("kfunc__f", "kretfunc__f", THREAD_EXIT[0])
    assert attached("fexit", *names) == [
        THREAD_EXIT,
        ("kretfunc__f", "trampoline"),
        ("kfunc__f", "trampoline"),
    ]


def test_kprobes() -> None:
    assert attached("kprobe", "on_entry") == [("on_entry", "entry of f")]
    names = ("kprobe__r", "kprobe__vfs_rename", "kretprobe__r", "on_entry", "on_return")
    assert attached("kretprobe", *names, THREAD_EXIT[0]) == [
        THREAD_EXIT,
        ("kretprobe__r", "return of r"),
        ("on_return", "return of f"),
        ("kprobe__r", "entry of r"),
        ("kprobe__vfs_rename", "entry of vfs_rename"),
        ("on_entry", "entry of f"),
    ]


def test_tracepoints() -> None:
    calls = ("unlink", "unlinkat", "rmdir", "rename", "renameat", "renameat2")
    assert attached("tracepoint", "on_enter_unlink", "on_exit", THREAD_EXIT[0]) == [
        THREAD_EXIT,
        *(("on_exit", f"syscalls:sys_exit_{call}") for call in calls),
        *((f"on_enter_{call}", f"syscalls:sys_enter_{call}") for call in calls),
    ]


def test_what_ends_a_call_is_attached_before_what_begins_one() -> None:
    assert attach_order(["on_entry", "kfunc__f", "on_exit", "kretfunc__f"]) == [
        *("kretfunc__f", "on_exit"),
        *("on_entry", "kfunc__f"),
    ]
