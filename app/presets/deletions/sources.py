# SPDX-License-Identifier: Apache-2.0
"""The C files of the programs of deletions, by mode (app/tracer/template_source.py)."""

from __future__ import annotations

from app.presets.preset import BY_TRACEPOINT

_FOLDER = "presets/deletions"
# Where names are, when a call is sent, what is attached.
_PARTS = {
    "fentry": ("kernel", "entry", "trampoline"),
    "fexit": ("kernel", "return", "trampoline"),
    "kprobe": ("kernel", "entry", "kprobe"),
    "kretprobe": ("kernel", "return", "kprobe"),
    "tracepoint": ("user", "return", "tracepoint"),
}
# Name of a template -> its mode.
MODE_OF = {f"deletions-{mode}": mode for mode in _PARTS}
TEMPLATE_OF = {mode: template for template, mode in MODE_OF.items()}
BY_SYSCALL = tuple(TEMPLATE_OF[mode] for mode in BY_TRACEPOINT)
# A place for the record of each program, as they may preempt one another (record.c).
FLAGS = ["-DDRAFTS=7"]


def files(template: str, keep: list[str]) -> list[str]:
    """Return the last files of a template, with those that keep a call until its return."""
    names, moment, programs = _PARTS[MODE_OF[template]]
    return [
        f"{_FOLDER}/names_in_{names}_memory.c",
        f"{_FOLDER}/canary.c",
        *keep,
        f"{_FOLDER}/path_at.c",
        f"{_FOLDER}/record.c",
        f"{_FOLDER}/keep.c",
        f"{_FOLDER}/at_{moment}.c",
        f"{_FOLDER}/renames.c",
        f"{_FOLDER}/{programs}.c",
    ]


def sees_return(template: str) -> bool:
    return _PARTS[MODE_OF[template]][1] == "return"
