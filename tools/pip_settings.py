# SPDX-License-Identifier: Apache-2.0
"""Which of pip's settings say how packages are reached, as shell commands that set them.

Run by tools/install.sh with the virtual environment's Python: pip itself reads its files and
variables (`pip config list`). Standard library only.
"""

from __future__ import annotations

import ast
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator

REACHING = frozenset(
    {
        *("index-url", "pypi-url", "extra-index-url", "no-index", "find-links"),
        *("cert", "client-cert", "trusted-host", "proxy", "keyring-provider", "no-input"),
        *("timeout", "default-timeout", "retries", "resume-retries"),
        *("cache-dir", "no-cache-dir", "use-feature", "use-deprecated"),
    }
)
# Later ones win: of all commands, of `pip install` alone, from variables.
SECTIONS = ("global", "install", ":env:")
# The list is a command of pip's with settings too: which file it is about, how much it says.
WHOLE_LIST = dict.fromkeys(("PIP_USER", "PIP_SITE", "PIP_GLOBAL", "PIP_QUIET", "PIP_VERBOSE"), "0")
LINE = re.compile(r"(global|install|:env:)\.([a-z0-9-]+)=(.*)")


def kept(listed: str) -> dict[str, str]:
    """Variables with the settings to keep, from the output of `pip config list`."""
    found = sorted(_settings(listed), key=lambda setting: SECTIONS.index(setting[0]))
    return {
        f"PIP_{name.upper().replace('-', '_')}": value
        for _, name, value in found
        if name in REACHING
    }


def _settings(listed: str) -> Iterator[tuple[str, str, str]]:
    for line in listed.splitlines():
        if setting := LINE.fullmatch(line.strip()):
            yield setting[1], setting[2], str(ast.literal_eval(setting[3]))


def main() -> int:
    command = [sys.executable, "-m", "pip", "config", "list"]
    done = subprocess.run(
        command,
        env={**os.environ, **WHOLE_LIST, "PIP_PYTHON": sys.executable},
        stdout=subprocess.PIPE,
        text=True,
        timeout=120,
        check=False,
    )
    if done.returncode != 0:
        return 1
    for name, value in kept(done.stdout).items():
        sys.stdout.write(f"export {name}={shlex.quote(value)}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
