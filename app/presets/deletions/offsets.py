# SPDX-License-Identifier: Apache-2.0
"""Where members of kernel structs are that the programs of deletions read."""

from __future__ import annotations

from app.btf.type_paths import Paths
from app.columns.kernel_offsets import offsets_of
from app.errors import ProbedeckError
from app.presets.deletions.hooks import FIELDS, RENAME_FIELDS
from app.presets.preset import BY_TRACEPOINT


def offsets(paths: Paths, mode: str, *, wants_path: bool) -> dict[str, int]:
    """Return `Plan.kernel_offsets`, in bytes. Raises ProbedeckError 422 if this kernel has no such
    fields, but for those of renames, which are then not followed."""
    if mode in BY_TRACEPOINT:
        return offsets_of(paths, {}, needs_folder=wants_path)
    found = offsets_of(paths, FIELDS, needs_folder=wants_path)
    try:
        return found | offsets_of(paths, RENAME_FIELDS, needs_folder=False)
    except ProbedeckError:
        return found
