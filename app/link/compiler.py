# SPDX-License-Identifier: Apache-2.0
"""The compiler process's command line and exit status."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path

from app.presets.deletions.sources import TEMPLATE_OF

# COMPILED: standard output has an object. REFUSED: it has a ProbedeckError. NOT_CACHED: it has an
# object, and standard error says why that is not in the cache folder.
COMPILED, REFUSED, NOT_CACHED = 0, 3, 4
PRECOMPILE = "--precompile"  # at the lowest priority
MISSING = "--missing"  # only print which templates are not in the cache folder, a line for each
# The templates of each mode (app/tracer/template_source.py).
TEMPLATES_OF = {
    **{mode: (TEMPLATE_OF[mode], mode) for mode in ("fentry", "fexit", "kprobe")},
    "kretprobe": (TEMPLATE_OF["kretprobe"], "kretprobe", "session"),
    "tracepoint": (TEMPLATE_OF["tracepoint"], "syscall", "tracepoint"),
}


def template_command(
    template: str, btf_path: Path, cache_dir: Path, *, precompile: bool = False
) -> list[str]:
    """Return the command that compiles a template, caches it and prints it."""
    options = [PRECOMPILE] if precompile else []
    arguments = (template, str(btf_path), str(cache_dir))
    return [sys.executable, "-m", "app.tracer.compile", *options, *arguments]


def missing_command(templates: Iterable[str], cache_dir: Path) -> list[str]:
    """Return the command that prints which of these templates have to be compiled."""
    return [sys.executable, "-m", "app.tracer.compile", MISSING, str(cache_dir), *templates]
