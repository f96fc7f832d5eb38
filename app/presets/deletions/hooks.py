# SPDX-License-Identifier: Apache-2.0
"""What the programs of deletions are attached to, and what their records hold."""

from __future__ import annotations

# Candidates, of which the first that the running kernel has is traced. Linux 7.0 replaced
# do_unlinkat by filename_unlinkat(int dfd, struct filename *).
FUNCTIONS = ("filename_unlinkat", "do_unlinkat")
REACHED_BY = "unlinkat"  # the system call that calls them
# A rename deletes the file that had the new name. `filename_renameat2` since Linux 7.0.
RENAME_FUNCTIONS = ("filename_renameat2", "do_renameat2")
# The numbers of the system calls are those of bpf/presets/deletions/record.c, from 1 on.
SYSCALLS = ("unlink", "unlinkat", "rmdir")
RENAME_SYSCALLS = ("rename", "renameat", "renameat2")
CALLS = tuple(enumerate(SYSCALLS + RENAME_SYSCALLS, 1))
FIRST_RENAME = 1 + len(SYSCALLS)
# AT_REMOVEDIR of include/uapi/linux/fcntl.h with unlinkat, RENAME_WHITEOUT of fs.h with renameat2:
# the call's number in the upper 32 bits.
CALL_FLAGS = ((2 << 32 | 0x200, "AT_REMOVEDIR"), (6 << 32 | 4, "RENAME_WHITEOUT"))
# Values and texts of their records, in this order.
VALUES = DFD, CALL, FLAGS = (0, 1, 2)
TEXTS = NAME, PATH = (0, 1)  # the path only where it is wanted
# Members of kernel structs that they read, beside those for a path: the name in
# `Plan.kernel_offsets`, and a field of a struct.
FIELDS = {"FILENAME_NAME": ("filename", "name")}
RENAME_FIELDS = {
    "RENAME_OLD": ("renamedata", "old_dentry"),
    "RENAME_NEW": ("renamedata", "new_dentry"),
    "DENTRY_INODE": ("dentry", "d_inode"),
}
