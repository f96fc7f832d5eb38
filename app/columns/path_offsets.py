# SPDX-License-Identifier: Apache-2.0
"""The offsets in kernel structs that walking a path needs."""

from __future__ import annotations

from app.btf.type_paths import PathError, Paths
from app.columns.subject import refused

# What walking a path needs, in bytes: its name, and a field of a struct.
PATH_OFFSETS = {
    "PATH_MNT": ("path", "mnt"),
    "PATH_DENTRY": ("path", "dentry"),
    "MNT_ROOT": ("vfsmount", "mnt_root"),
    "MNT_SB": ("vfsmount", "mnt_sb"),
    "M_MNT": ("mount", "mnt"),
    "M_PARENT": ("mount", "mnt_parent"),
    "M_POINT": ("mount", "mnt_mountpoint"),
    "D_PARENT": ("dentry", "d_parent"),
    "D_NAME": ("dentry", "d_name.name"),
    "D_LEN": ("dentry", "d_name.len"),
    "D_SB": ("dentry", "d_sb"),
    "D_INODE": ("dentry", "d_inode"),
    "S_ROOT": ("super_block", "s_root"),
    "TASK_FS": ("task_struct", "fs"),
    "FS_ROOT": ("fs_struct", "root"),
    "FS_PWD": ("fs_struct", "pwd"),
}


def path_offsets(paths: Paths) -> dict[str, int]:
    """Return the offsets that walking a path needs; raises ProbedeckError 422 without them."""
    try:
        return {name: paths.offset(*where) for name, where in PATH_OFFSETS.items()}
    except PathError as error:
        raise refused("columns", f"paths cannot be read on this kernel: {error}") from None
