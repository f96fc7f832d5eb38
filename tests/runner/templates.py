# SPDX-License-Identifier: Apache-2.0
"""Templates of byte code for the virtual machines, compiled on this machine.

They do not depend on the kernel (app/tracer/object_cache.py), and compiling one in an emulated
machine takes a minute. That they compile is tested on this machine.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from app import ROOT
from app.kernel.bcc_headers import BTF_PATH
from app.link.compiler import TEMPLATES_OF, template_command
from tests.runner.processes import command, say

FOLDER = ROOT / ".cache/templates"
GIVEN = "PROBEDECK_TEST_TEMPLATES"  # where a machine finds them


def compile_into(target: Path) -> None:
    """Copy all templates to a new folder, compiling those that are not there yet.

    One that does not compile is left out, and its error is printed.
    """
    FOLDER.parent.mkdir(exist_ok=True)
    with (FOLDER.parent / "templates.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # another machine may be about to boot
        FOLDER.mkdir(mode=0o700, exist_ok=True)
        names = [name for names in TEMPLATES_OF.values() for name in names]
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            for name, status in zip(names, pool.map(_compile, names), strict=True):
                if status:
                    say(f"the template {name} does not compile: status {status}")
        shutil.copytree(FOLDER, target)


def _compile(name: str) -> int:
    return command(
        ["sh", "-c", 'exec "$@" > /dev/null', "sh", *template_command(name, BTF_PATH, FOLDER)]
    )
