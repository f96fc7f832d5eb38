# SPDX-License-Identifier: Apache-2.0
"""Which function that renames can be followed, and when none can."""

from __future__ import annotations

from app.btf.reader import Btf
from app.kernel.symbols import TextSymbols
from app.presets.deletions.renames import find_rename_function
from tests.support.btf_builder import BtfBuilder

NAMES = ("filename_renameat2", "do_renameat2")
SYMBOLS = b"ffff T vfs_rename\nffff T do_renameat2\nffff T filename_renameat2\n"


def kernel(
    function: str = "do_renameat2",
    *,
    names_in_kernel: bool = True,
    entries: tuple[str, ...] = ("old_dentry", "new_dentry"),
) -> Btf:
    """Types as Linux 5.12 and later have them, as far as they matter."""
    b = BtfBuilder()
    integer = b.integer("int", 4, signed=True)
    unsigned = b.integer("unsigned int", 4)
    name = b.pointer(b.record("filename", 8, []) if names_in_kernel else integer)
    entry = b.pointer(b.record("dentry", 8, [("d_inode", b.pointer(0), 0)]))
    data = b.record("renamedata", 16, [(each, entry, 64 * i) for i, each in enumerate(entries)])
    b.function(
        function,
        integer,
        [("olddfd", integer), ("from", name), ("newdfd", integer), ("to", name), ("f", unsigned)],
    )
    b.function("vfs_rename", integer, [("rd", b.pointer(data))])
    return Btf(b.build())


def test_the_first_candidate_that_fits() -> None:
    symbols = TextSymbols(SYMBOLS)
    assert find_rename_function(NAMES, kernel(), symbols) == "do_renameat2"
    assert find_rename_function(NAMES, kernel("filename_renameat2"), symbols) == NAMES[0]


def test_none_where_an_argument_or_a_member_is_missing() -> None:
    symbols = TextSymbols(SYMBOLS)
    assert find_rename_function(NAMES, kernel(names_in_kernel=False), symbols) is None
    assert find_rename_function(NAMES, kernel(entries=("old_dentry",)), symbols) is None
    assert find_rename_function(NAMES, kernel("another"), symbols) is None
    assert find_rename_function(NAMES, Btf(BtfBuilder().build()), symbols) is None


def test_none_where_a_name_does_not_say_which_function() -> None:
    for twice in (b"vfs_rename", b"do_renameat2"):
        symbols = TextSymbols(SYMBOLS + b"ffff t " + twice + b"\n")
        assert find_rename_function(NAMES, kernel(), symbols) is None
