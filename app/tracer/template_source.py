# SPDX-License-Identifier: Apache-2.0
"""The C source of the templates (bpf/template/) and the compiler's flags for it."""

from __future__ import annotations

from app import ROOT

SOURCES = ROOT / "bpf"
_ENTRY = ["template/emit_entry.c"]
_KEEP = ["call_entries.c", "template/call_frames.c", "template/keep.c"]
_RETURN = [*_KEEP, "template/emit_return.c"]
# Name of a template -> its last files, after those that all have.
_FILES = {
    "fentry": [*_ENTRY, "template/any_trampoline.c"],
    "fexit": [*_RETURN, "template/any_trampoline.c"],
    "kprobe": [*_ENTRY, "template/any_kprobe.c"],
    "kretprobe": [*_RETURN, "template/any_kprobe.c"],
    "syscall": [*_RETURN, "template/any_syscall.c"],
    "tracepoint": [*_ENTRY, "template/any_tracepoint.c"],
}
_OWN = "presets/deletions"
# Of the programs of deletions in each mode: where names are, when a call is sent, what is attached.
_OF_DELETIONS = {
    "fentry": ("kernel", "entry", "trampoline"),
    "fexit": ("kernel", "return", "trampoline"),
    "kprobe": ("kernel", "entry", "kprobe"),
    "kretprobe": ("kernel", "return", "kprobe"),
    "tracepoint": ("user", "return", "tracepoint"),
}
OWN = {f"deletions-{mode}": mode for mode in _OF_DELETIONS}
TEMPLATES = (*_FILES, *OWN)
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
    "template/rings.c",
]


def template_files(template: str) -> list[str]:
    """Return the names of a template's files, each after those it uses."""
    if template not in OWN:
        return [*_COMMON, "template/entry.c", *_FILES[template]]
    names, moment, programs = _OF_DELETIONS[OWN[template]]
    return [
        *_COMMON,
        f"{_OWN}/names_in_{names}_memory.c",
        "canary.c",
        *_KEEP,
        f"{_OWN}/path_at.c",
        f"{_OWN}/record.c",
        f"{_OWN}/keep.c",
        f"{_OWN}/at_{moment}.c",
        f"{_OWN}/renames.c",
        f"{_OWN}/{programs}.c",
    ]


def template_source(template: str) -> str:
    """Return the C text of a template, with the line numbers of each file."""
    return "".join(
        f'#line 1 "bpf/{name}"\n{(SOURCES / name).read_text()}' for name in template_files(template)
    )


def template_flags(template: str) -> list[str]:
    """Return the macros that the C text needs."""
    files = template_files(template)
    sees_return = "template/emit_return.c" in files or f"{_OWN}/at_return.c" in files
    flags = ["-DSEES_RETURN"] if sees_return else []
    if template in OWN:
        flags.append("-DDRAFTS=7")
    is_of_user = template in ("syscall", "deletions-tracepoint")
    return [*flags, "-DARGUMENTS_OF_USER"] if is_of_user else flags
