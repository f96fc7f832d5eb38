# SPDX-License-Identifier: Apache-2.0
"""The command line of the process that makes the index of functions. Imports nothing else of the
project."""

from __future__ import annotations

import sys
from pathlib import Path


def functions_command(btf_path: Path, cache_dir: Path, parent_pid: int) -> list[str]:
    """Return the command that makes the index and prints where it is."""
    options = (f"--btf-path={btf_path}", f"--cache-dir={cache_dir}", f"--parent={parent_pid}")
    return [sys.executable, "-m", "app.kernel.functions_cache", *options]
