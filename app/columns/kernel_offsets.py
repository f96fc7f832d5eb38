# SPDX-License-Identifier: Apache-2.0
"""The offsets in kernel structs that programs need beside those of a plan's columns."""

from __future__ import annotations

from collections.abc import Mapping

from app.btf.type_paths import PathError, Paths
from app.columns.subject import refused

# In bytes: the name in `Plan.kernel_offsets`, and a field of a struct.
TASK_OFFSETS = {
    "TASK_GROUP_LEADER": ("task_struct", "group_leader"),
    "TASK_COMM": ("task_struct", "comm"),
    "TASK_CRED": ("task_struct", "cred"),
    "CRED_UID": ("cred", "uid.val"),
}
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
    "TASK_FS": ("task_struct", "fs"),
    "FS_ROOT": ("fs_struct", "root"),
    "FS_PWD": ("fs_struct", "pwd"),
}
FOLDER_OFFSETS = {
    **PATH_OFFSETS,
    "TASK_FILES": ("task_struct", "files"),
    "FILES_TABLE": ("files_struct", "fdt"),
    "TABLE_SIZE": ("fdtable", "max_fds"),
    "TABLE_FILES": ("fdtable", "fd"),
    "FILE_PATH": ("file", "f_path"),
}


def kernel_offsets(paths: Paths, *, needs_walk: bool) -> dict[str, int]:
    """Return `Plan.kernel_offsets`, with those for walking a path where that is needed.

    Raises ProbedeckError 422 if this kernel has no such fields.
    """
    return _offsets(paths, TASK_OFFSETS | PATH_OFFSETS if needs_walk else TASK_OFFSETS)


def offsets_of(
    paths: Paths, fields: Mapping[str, tuple[str, str]], *, needs_folder: bool
) -> dict[str, int]:
    """Return these offsets and TASK_OFFSETS, with those for the path of a name's folder where that
    is needed.

    Raises ProbedeckError 422 if this kernel has no such fields.
    """
    return _offsets(paths, {**TASK_OFFSETS, **fields, **(FOLDER_OFFSETS if needs_folder else {})})


def _offsets(paths: Paths, wanted: Mapping[str, tuple[str, str]]) -> dict[str, int]:
    try:
        return {name: paths.offset(*where) for name, where in wanted.items()}
    except PathError as error:
        raise refused("columns", f"paths cannot be read on this kernel: {error}") from None
