# SPDX-License-Identifier: Apache-2.0
"""The C source of the templates (bpf/template/) and the compiler's flags for it."""

from __future__ import annotations

from app import ROOT
from app.presets.deletions import sources as own

SOURCES = ROOT / "bpf"
_ENTRY = ["template/emit_entry.c"]
_KEEP = ["call_entries.c", "template/call_frames.c", "template/keep.c"]
_RETURN = [*_KEEP, "template/emit_return.c"]
_KPROBE = ["template/registers.c", "template/any_kprobe.c"]
# Name of a template -> its last files, after those that all have.
_FILES = {
    "fentry": [*_ENTRY, "template/any_trampoline.c"],
    "fexit": [*_RETURN, "template/any_trampoline.c"],
    "kprobe": [*_ENTRY, *_KPROBE],
    "kretprobe": [*_RETURN, *_KPROBE],
    "session": ["template/emit_session.c", "template/registers.c", "template/any_session.c"],
    "syscall": [*_RETURN, "template/any_syscall.c"],
    "tracepoint": [*_ENTRY, "template/any_tracepoint.c"],
}
TEMPLATES = (*_FILES, *own.MODE_OF)
_COMMON = [
    "memory.c",
    "slots.c",
    "words.c",
    "path_walk.c",
    "template/layout.c",
    "counters.c",
    "caller.c",
    "template/values.c",
    "template/texts.c",
    "template/filter_tests.c",
    "active_filter.c",
    "template/groups.c",
    "template/rings.c",
]


def template_files(template: str) -> list[str]:
    """Return the names of a template's files, each after those it uses."""
    if template in own.MODE_OF:
        return [*_COMMON, *own.files(template, _KEEP)]
    return [*_COMMON, "template/entry.c", *_FILES[template]]


def template_source(template: str) -> str:
    """Return the C text of a template, with the line numbers of each file."""
    return "".join(
        f'#line 1 "bpf/{name}"\n{(SOURCES / name).read_text()}' for name in template_files(template)
    )


def template_flags(template: str) -> list[str]:
    """Return the macros that the C text needs."""
    if template in own.MODE_OF:
        sees_return, more = own.sees_return(template), own.FLAGS
    else:
        sees_return, more = "template/emit_return.c" in _FILES[template], []
    flags = ["-DSEES_RETURN"] if sees_return else []
    if template in ("syscall", *own.BY_SYSCALL):
        flags.append("-DARGUMENTS_OF_USER")
    return [*flags, *more]
