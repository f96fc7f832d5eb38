# SPDX-License-Identifier: Apache-2.0
"""Whether the real BCC is installed for this Python, without importing it.

Importing takes seconds on a slow machine. The package `bcc` on PyPI is an unrelated project; the
real one has a module `libbcc` that binds the shared library.
"""

from __future__ import annotations

import ctypes
import sys
from importlib.util import find_spec
from pathlib import Path

LIBRARY = "libbcc.so.0"
HINT = (
    "install the distribution's own package: apt-get install python3-bpfcc "
    "(Debian, Ubuntu), dnf install python3-bcc (Fedora)"
)


def bcc_version() -> str:
    """Return the text of the installed BCC's version file; empty if there is none."""
    spec = find_spec("bcc")
    folders = spec.submodule_search_locations if spec else None
    files = [Path(folder) / "version.py" for folder in folders or ()]
    return "".join(file.read_text() for file in files if file.is_file())


def bcc_problem() -> tuple[str, str] | None:
    """Return reason and hint if BCC cannot be used, else None."""
    spec = find_spec("bcc")
    if spec is None:
        return f"BCC is not installed for {sys.executable}", HINT
    folders = [Path(folder) for folder in spec.submodule_search_locations or ()]
    if not any((folder / "libbcc.py").is_file() for folder in folders):
        where = spec.origin or ", ".join(map(str, folders))
        return (
            f"the Python package bcc in {where} is not BCC but an unrelated project of that name",
            f"pip uninstall bcc, then {HINT}",
        )
    try:
        ctypes.CDLL(LIBRARY)
    except OSError as error:
        return f"BCC's library does not load: {error}", HINT
    return None
