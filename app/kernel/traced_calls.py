# SPDX-License-Identifier: Apache-2.0
"""The kernel functions and system calls that delete a file, which the modes attach to."""

from __future__ import annotations

# Candidates, of which the first that the running kernel has is traced. Linux 7.0 replaced
# do_unlinkat by filename_unlinkat(int dfd, struct filename *).
DELETION_FUNCTIONS = ("filename_unlinkat", "do_unlinkat")
DELETION_SYSCALLS = ("unlink", "unlinkat", "rmdir")
# A rename deletes the file that had the new name. `filename_renameat2` since Linux 7.0.
RENAME_FUNCTIONS = ("filename_renameat2", "do_renameat2")
RENAME_SYSCALLS = ("rename", "renameat", "renameat2")
