# SPDX-License-Identifier: Apache-2.0
"""The tree's Python modules with their bytecode, for a machine.

./test writes no bytecode into the tree, and a machine could not. So each of the dozens of processes
that the tests start in a machine would compile the modules again, in emulation: a third of the
time that such a process takes to start. Here they are compiled on the host, in a copy that the
machine mounts over its own. The sources are the same, and Python checks that: a file's bytecode
names the time and size of its source (PEP 3147, PEP 552).
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from app import ROOT

FOLDERS = ("app", "tests")
# In a mount namespace of its own: the bytecode then names the files by their paths in the tree.
IN_PLACE = (
    'for folder in app tests; do mount --bind "$0/$folder" "$folder" || exit; done; exec "$@"'
)


def compile_tree(folder: Path, tests: str) -> None:
    """Copy the modules to `folder` and compile them there.

    pytest's bytecode of test modules has rewritten assertions, and only pytest makes it. What
    fails to compile is no error here: the tests in the machine will say so.
    """
    for name in FOLDERS:
        shutil.copytree(
            ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", "vendor")
        )
    environment = {**os.environ}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    python = [sys.executable, "-m"]
    for command in (
        [*python, "compileall", "-q", *FOLDERS],
        [
            *python,
            "pytest",
            "-p",
            "no:cacheprovider",
            "-p",
            "no:hypothesispytest",
            "--collect-only",
            tests,
        ],
    ):
        subprocess.run(
            ["unshare", "--mount", *mounted(folder, command)],
            cwd=ROOT,
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            check=False,
        )


def mounted(folder: Path | str, command: Sequence[str]) -> list[str]:
    """Return a command that mounts what `compile_tree` made over the tree, and executes another.

    It runs at the root of the tree.
    """
    return ["sh", "-c", IN_PLACE, str(folder), *command]
