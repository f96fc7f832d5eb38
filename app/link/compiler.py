# SPDX-License-Identifier: Apache-2.0
"""How the compiler's process is called, and what its exit status says. Imports nothing of ours."""

from __future__ import annotations

import sys
from pathlib import Path

# Standard output holds an object, or a ProbedeckError. NOT_KEPT: an object, and standard error
# says why it is not in the cache folder.
COMPILED, REFUSED, NOT_KEPT = 0, 3, 4
AHEAD = "--ahead"  # of any need: only with time that nobody else wants


def compile_command(
    mode: str,
    function: str,
    ring_bytes: int,
    btf_path: Path,
    cache_dir: Path,
    *,
    ahead: bool = False,
) -> list[str]:
    """The process that compiles and keeps an object, and prints it."""
    words = (mode, function, str(ring_bytes), str(btf_path), str(cache_dir))
    return [sys.executable, "-m", "app.tracer.compile", *([AHEAD] if ahead else []), *words]
