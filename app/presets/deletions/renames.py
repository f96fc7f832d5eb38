# SPDX-License-Identifier: Apache-2.0
"""The kernel's own function that renames, where our programs can follow it.

A rename deletes the file that had the new name. Whether there is one is known inside the
function, when it calls `vfs_rename` with both directory entries.
"""

from __future__ import annotations

from collections.abc import Sequence

from app.btf.format import BtfError
from app.btf.prototypes import find_function
from app.btf.reader import Btf
from app.kernel.symbols import TextSymbols, resolve_in_symbols
from app.presets.deletions.hooks import RENAME_FIELDS

INNER = "vfs_rename"
# Linux kernel commit e886663cfd02 ("fs: make do_renameat2() take struct filename", v5.11) gave it
# names that the kernel has copied; commit 9fe61450972d ("namei: introduce struct renamedata",
# v5.12) gave vfs_rename its only argument. Stable kernels may have both earlier.
_PARAMETERS = ["int", "struct filename *", "int", "struct filename *", "unsigned int"]
_INNER_PARAMETERS = ["struct renamedata *"]


def find_rename_function(candidates: Sequence[str], btf: Btf, symbols: TextSymbols) -> str | None:
    """Return the first candidate that our programs can follow, or None.

    It and `vfs_rename` must take the expected parameters and be the only functions of their names.
    """
    try:
        if _parameters(INNER, btf) != _INNER_PARAMETERS:
            return None
        if any(
            btf.member_offset(struct, member) is None for struct, member in RENAME_FIELDS.values()
        ):
            return None
        fitting = [name for name in candidates if _parameters(name, btf) == _PARAMETERS]
    except BtfError:
        return None
    if resolve_in_symbols([INNER], symbols).function is None:
        return None
    return resolve_in_symbols(fitting, symbols).function


def _parameters(function: str, btf: Btf) -> list[str] | None:
    found = find_function(btf, function)
    return [parameter.type for parameter in found.parameters] if found else None
