# SPDX-License-Identifier: Apache-2.0
"""Print what the command line of `./run` needs, one word each: `python -m app.cli.needs ARGUMENTS`.

Called by `run` with the system's Python, before anything is installed: standard library only.
The words are those of `app.cli.command.Need`.
"""

from __future__ import annotations

import sys

from app.cli.command_table import find

if __name__ == "__main__":
    command, arguments = find(sys.argv[1:])
    sys.stdout.write(" ".join(command.needs(arguments)) + "\n")
