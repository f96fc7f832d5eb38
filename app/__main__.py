# SPDX-License-Identifier: Apache-2.0
"""`python -m app ARGUMENTS`: what `./run ARGUMENTS` does once it has installed what is needed."""

from __future__ import annotations

import sys
from collections.abc import Sequence


def main(argv: Sequence[str]) -> int:
    """Run the command that the arguments name; return its exit status."""
    from app.cli.command_table import find  # noqa: PLC0415  # an interrupt may come from here on

    command, arguments = find(argv)
    return command.main(arguments)


if __name__ == "__main__":
    try:
        from app.linux import signals
        from app.linux.standard_streams import OutputError, discard, keep_standard_streams

        keep_standard_streams()
        signals.restore()
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:  # before the command handles it
        sys.exit(130)
    except OutputError as error:
        discard(sys.stdout)
        sys.stderr.write(f"{error}\n")
        sys.exit(1)
