# SPDX-License-Identifier: Apache-2.0
"""What a mode does not show: one list, for the README, the API and the page.

tests/kernels/test_not_seen.py verifies each line, except for other machines, file servers inside
the kernel and calls that delete nothing.
"""

from __future__ import annotations

from app.presets.preset import CALLS_OF_32_BITS, RESULTS, SECCOMP

FUNCTION_MODES = ("fentry", "fexit", "kprobe", "kretprobe")
ENTRY_MODES = ("fentry", "kprobe")
TRACEPOINT = ("tracepoint",)
ALL = (*FUNCTION_MODES, *TRACEPOINT)

NOT_SEEN: tuple[tuple[tuple[str, ...], str], ...] = (
    (FUNCTION_MODES, "Directories: rmdir, and unlinkat with AT_REMOVEDIR."),
    (ENTRY_MODES, RESULTS),
    (TRACEPOINT, "Whether a rename replaced a file: each rename that could is shown."),
    (TRACEPOINT, "Deletions through io_uring."),
    (TRACEPOINT, CALLS_OF_32_BITS),
    (ALL, SECCOMP),
    (
        ALL,
        "Deletions that no system call asks for: by file servers inside the kernel (nfsd, ksmbd), "
        "and by other machines on a network file system.",
    ),
    (ALL, "Files that are emptied (truncated) or overwritten, not deleted."),
)
NO_RENAMES = (
    "Renames that replace a file: this kernel's functions for them are others than Probedeck knows."
)


def not_seen(mode: str, sees_renames: bool) -> list[str]:
    """Return sentences about a mode.

    `sees_renames`: the kernel's function for renames is known.
    """
    sentences = [text for modes, text in NOT_SEEN if mode in modes]
    if mode in FUNCTION_MODES and not sees_renames:
        sentences.insert(0, NO_RENAMES)
    return sentences
