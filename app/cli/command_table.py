# SPDX-License-Identifier: Apache-2.0
"""The commands of `./run`: the one place that knows them all."""

from __future__ import annotations

from collections.abc import Sequence

from app.cli import serve, service, token, vm, vm_exec
from app.cli.command import Command

DEFAULT: Command = serve
# A word names its command as the first argument, an option anywhere.
COMMANDS: dict[str, Command] = {
    "token": token,
    "service": service,
    "--vm": vm,
    "--vm-exec": vm_exec,  # all that follows belongs to the command that it executes
}
HELP = ("-h", "--help")


def find(argv: Sequence[str]) -> tuple[Command, Sequence[str]]:
    """Return the command that the arguments of `./run` name, and the arguments for its `main`."""
    if argv and not argv[0].startswith("-") and argv[0] in COMMANDS:
        return COMMANDS[argv[0]], argv[1:]
    found = DEFAULT
    for argument in argv:
        if argument in HELP:
            return DEFAULT, HELP[1:]  # which shows the options of all three
        if argument.startswith("-"):
            found = COMMANDS.get(argument, found)
        if found is vm_exec:
            break
    return found, argv
