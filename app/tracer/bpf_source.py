# SPDX-License-Identifier: Apache-2.0
"""The C source of a mode and the compiler's flags for it: plain text, nothing compiled here."""

from __future__ import annotations

import os

from app import ROOT
from app.probes.modes import MODES

SOURCES = ROOT / "bpf"

_PROGRAMS = {
    "fentry": "trampoline.c",
    "fexit": "trampoline.c",
    "kprobe": "kprobe.c",
    "kretprobe": "kprobe.c",
    "tracepoint": "tracepoint.c",
}


def source_files(mode: str, follows_renames: bool) -> list[str]:
    """Return the names of a mode's files, each after those it uses.

    Those that include kernel headers come first, so that our macros cannot change the headers.
    A tracepoint follows renames always. A mode that neither does nor sees returns remembers no
    calls.
    """
    sees_return = MODES[mode].sees_return
    return [
        "memory.c",
        "names_in_user_memory.c" if mode == "tracepoint" else "names_in_kernel_memory.c",
        "record.c",
        "slots.c",
        "words.c",
        "path_walk.c",
        "counters.c",
        "caller.c",
        "canary.c",
        "filter.c",
        "active_filter.c",
        "capture.c",
        "folder.c",
        "send.c",
        *(["call_entries.c", "calls.c", "remember.c"] if sees_return or follows_renames else []),
        "emit_at_return.c" if sees_return else "emit_at_entry.c",
        *(["renames.c"] if mode == "tracepoint" or follows_renames else []),
        _PROGRAMS[mode],
    ]


def source(mode: str, follows_renames: bool) -> str:
    """Return the C text of a mode, with the line numbers of each file."""
    return "".join(
        f'#line 1 "bpf/{name}"\n{(SOURCES / name).read_text()}'
        for name in source_files(mode, follows_renames)
    )


def compiler_flags(
    mode: str, function: str, ring_bytes: int, rename_function: str | None = None
) -> list[str]:
    """Return the macros that the C text needs; functions must be the kernel's own symbols.

    `rename_function` is given where the mode follows renames inside the kernel. Raises ValueError
    for a name that is not a C identifier, as it would become source text.
    """
    flags = [f"-DRING_PAGES={ring_bytes // os.sysconf('SC_PAGE_SIZE')}"]
    if MODES[mode].sees_return:
        flags.append("-DSEES_RETURN")
    if mode == "tracepoint":
        return flags
    flags.append(f"-DFUNCTION={_identifier(function)}")
    if rename_function is not None:
        flags.append(f"-DRENAME_FUNCTION={_identifier(rename_function)}")
    return flags


def _identifier(name: str) -> str:
    if not (name.isidentifier() and name.isascii()):
        raise ValueError(f"{name!r} is not a C identifier")
    return name
