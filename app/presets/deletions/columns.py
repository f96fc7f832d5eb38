# SPDX-License-Identifier: Apache-2.0
"""The columns of deletions in each mode."""

from __future__ import annotations

from collections.abc import Collection

from app.columns.column import CALLER, RESULT, Column
from app.presets.preset import ALL_MODES, AT_ENTRY, BY_TRACEPOINT

SYSCALL = (
    Column(
        "syscall",
        "text",
        "Call",
        "System call: unlink, unlinkat, rmdir, rename, renameat or renameat2",
    ),
)
ARGUMENTS = (
    Column("dfd", "int32", "Dir fd", "Directory descriptor; -100 is AT_FDCWD"),
    Column(
        "filename",
        "text",
        "File",
        "Path as passed to the call; for a rename, the new path; null if the kernel could not "
        "read it",
        nullable=True,
    ),
)
PATH = (
    Column(
        "path",
        "text",
        "Path",
        "Absolute path: the folder that the call's name begins at, as the process sees it, and the "
        "name; null if either could not be read",
        nullable=True,
    ),
)
REPLACED = (
    Column(
        "replaced",
        "text",
        "Replaced",
        "For a rename, whether a file already had the new name: yes, or unknown if the mode "
        "cannot tell; null for other calls",
        nullable=True,
    ),
)
FLAGS = (
    Column(
        "flags",
        "text",
        "Flags",
        "The call's flags by name: AT_REMOVEDIR for a directory, RENAME_*; null if none is set",
        nullable=True,
    ),
)
PATH_COLUMN = PATH[0].name
_ALWAYS = ARGUMENTS + PATH + REPLACED
# Between those of the caller and of the result: these can be chosen.
OF_CALL: dict[str, tuple[Column, ...]] = {
    mode: SYSCALL + FLAGS + _ALWAYS if mode in BY_TRACEPOINT else _ALWAYS for mode in ALL_MODES
}


def columns_of(mode: str, names: Collection[str] | None = None) -> tuple[Column, ...]:
    """Return a mode's columns with these of the call, in the usual order; None: those that are
    shown if none are chosen.

    `path` is not among those, as reading it costs more than all the rest.
    """
    wanted = [each for each in OF_CALL[mode] if _is_wanted(each, names)]
    return (*CALLER, *wanted, *(() if mode in AT_ENTRY else RESULT))


def default_names(mode: str) -> list[str]:
    """Return the names of a mode's columns of the call that are shown if none are chosen."""
    return [column.name for column in OF_CALL[mode] if _is_wanted(column, None)]


def _is_wanted(column: Column, names: Collection[str] | None) -> bool:
    return column.name != PATH_COLUMN if names is None else column.name in names
