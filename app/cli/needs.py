# SPDX-License-Identifier: Apache-2.0
"""Print what the command line of `./run` needs, one word each: `python -m app.cli.needs ARGUMENTS`.

Called by `run` with the system's Python, before anything is installed: standard library only.
The words are those of `app.cli.command.Need`. Exits with 2 for wrong arguments.
"""

from __future__ import annotations

import sys


def main() -> None:
    from app.cli.command_table import find  # noqa: PLC0415  # an interrupt may come from here on

    command, arguments = find(sys.argv[1:])
    sys.stdout.write(" ".join(command.needs(arguments)) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:  # a signal has ended `run`
        from app.linux.standard_streams import discard

        discard(sys.stdout)
        sys.exit(1)
