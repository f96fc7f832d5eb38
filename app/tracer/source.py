# SPDX-License-Identifier: Apache-2.0
"""The C source of a mode and the compiler's flags for it: plain text, nothing compiled here."""

from __future__ import annotations

import os

from app import ROOT
from app.probes.modes import MODES

SOURCES = ROOT / "bpf"


def source(mode: str) -> str:
    """The C text of a mode: the shared part, then its own, with line numbers of each file."""
    return "".join(
        f'#line 1 "bpf/{name}"\n{(SOURCES / name).read_text()}'
        for name in ("record.c", f"{mode}.c")
    )


def compiler_flags(
    mode: str, function: str, ring_bytes: int, rename_function: str | None = None
) -> list[str]:
    """Definitions for the C text; functions must come from the kernel's own symbols.

    `rename_function` is the one whose renames are shown too, where the mode can.
    """
    flags = [f"-DRING_PAGES={ring_bytes // os.sysconf('SC_PAGE_SIZE')}"]
    if MODES[mode].sees_return:
        flags.append("-DSEES_RETURN")
    if mode == "tracepoint":
        flags.append("-DNAME_IN_USER_MEMORY")
    elif function.isidentifier() and function.isascii():
        flags.append(f"-DFUNCTION={function}")
    else:
        raise ValueError(f"{function!r} is not a C identifier")
    if rename_function is not None and mode != "tracepoint":
        if not (rename_function.isidentifier() and rename_function.isascii()):
            raise ValueError(f"{rename_function!r} is not a C identifier")
        flags.append(f"-DRENAME_FUNCTION={rename_function}")
    return flags
