# SPDX-License-Identifier: Apache-2.0
"""The kernel's own function that renames, where our programs can follow it.

A rename deletes the file that has the new name. Whether there is one is known inside of the
function, when it calls `vfs_rename` with both directory entries.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from app.btf import c_text
from app.btf.format import BtfError, Kind
from app.btf.reader import Btf
from app.kernel.symbols import TextSymbols, resolve_in_symbols

INNER = "vfs_rename"
# Names as `struct filename` since Linux 5.11 (e886663cfd02, "fs: make do_renameat2() take struct
# filename"), one argument since 5.12 (9fe61450972d, "namei: introduce struct renamedata"); stable
# kernels may have both earlier.
_ARGUMENTS = ["int", "struct filename *", "int", "struct filename *", "unsigned int"]
_INNER_ARGUMENTS = ["struct renamedata *"]
_OFFSETS = (("renamedata", "old_dentry"), ("renamedata", "new_dentry"), ("dentry", "d_inode"))


def find_rename_function(candidates: Sequence[str], btf_path: Path) -> str | None:
    """As `rename_function`; None too where the BTF cannot be read."""
    try:
        return rename_function(candidates, Btf.load(btf_path))
    except (OSError, BtfError):
        return None  # what a rename is given cannot be told


def rename_function(candidates: Sequence[str], btf: Btf) -> str | None:
    """The first candidate that is as our programs need it; None when this kernel has none."""
    if _arguments(INNER, btf) != _INNER_ARGUMENTS:
        return None
    if any(btf.member_offset(struct, member) is None for struct, member in _OFFSETS):
        return None
    fitting = [name for name in candidates if _arguments(name, btf) == _ARGUMENTS]
    try:
        symbols = TextSymbols.load()
    except OSError:
        return None  # kprobes could be set on a wrong one of several
    if resolve_in_symbols([INNER], symbols).function is None:
        return None
    return resolve_in_symbols(fitting, symbols).function


def _arguments(function: str, btf: Btf) -> list[str] | None:
    found = btf.find(Kind.FUNC, function)
    if found is None:
        return None
    return [c_text.declare(btf, kind) for _, kind in btf.parameters(btf.target(found))]
