# SPDX-License-Identifier: Apache-2.0
"""Templates of byte code (bpf/template/) for a machine, compiled on its host.

They do not depend on the kernel (app/tracer/object_cache.py), and compiling all of them takes
minutes in emulation.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from app import ROOT
from app.link.compiler import COMPILED, TEMPLATES_OF, template_command

CACHE = ROOT / ".cache" / "templates"
BTF_PATH = Path("/sys/kernel/btf/vmlinux")


def compile_into(target: Path, say: Callable[[str], None], cache: Path = CACHE) -> None:
    """Copy all templates to a new folder, compiling those that the cache does not have.

    Those that this host cannot compile are left out: the machine compiles them itself.
    """
    cache.parent.mkdir(exist_ok=True)
    with (cache.parent / "templates.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # another machine may be about to boot
        cache.mkdir(mode=0o700, exist_ok=True)
        names = [name for names in TEMPLATES_OF.values() for name in names]
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            for name, problem in zip(
                names, pool.map(lambda n: _compile(n, cache), names), strict=True
            ):
                if problem:
                    say(f"The template {name} is not compiled on this host: {problem}")
        shutil.copytree(cache, target)


def _compile(name: str, cache: Path) -> str:
    """Return why a template was not compiled, or an empty text."""
    done = subprocess.run(
        template_command(name, BTF_PATH, cache),
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode == COMPILED:
        return ""
    lines = (done.stderr.strip() or f"status {done.returncode}").splitlines()
    return lines[-1]
