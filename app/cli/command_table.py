# SPDX-License-Identifier: Apache-2.0
"""The commands of `./run`: the one place that knows them all.

It has their modules' names, and imports only the command that runs.
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import cast

from app.cli.command import Command

DEFAULT = "app.cli.serve"
# A word names its command as the first argument, an option anywhere.
COMMANDS = {
    "token": "app.cli.token",
    "service": "app.cli.service",
    "--vm": "app.cli.vm",
    "--vm-exec": "app.cli.vm_exec",  # all that follows belongs to the command that it executes
}
WORDS = [name for name in COMMANDS if not name.startswith("-")]
HELP = ("-h", "--help")


def find(argv: Sequence[str]) -> tuple[Command, Sequence[str]]:
    """Import the command that the arguments of `./run` name; return it with those for its `main`.

    An argument that names no command is left to the default one, which refuses it.
    """
    name, arguments = _find(argv)
    return cast("Command", importlib.import_module(name)), arguments


def _find(argv: Sequence[str]) -> tuple[str, Sequence[str]]:
    if argv and argv[0] in WORDS:
        return COMMANDS[argv[0]], argv[1:]
    found = DEFAULT
    for argument in argv:
        if argument in HELP:
            return DEFAULT, HELP[1:]  # which shows the options of all three
        if argument.startswith("-"):
            # `--vm=...` too: the command refuses the value.
            found = COMMANDS.get(argument.partition("=")[0], found)
        if found == COMMANDS["--vm-exec"]:
            break
    return found, argv


def explain_unknown(arguments: Sequence[str]) -> str:
    """Say in one line what is wrong with arguments of `./run` that its parser does not know."""
    first = arguments[0]
    if first.partition("=")[0] == "--suite":
        return "--suite chooses the kernel of a virtual machine: add --vm"
    if first.startswith("-"):
        return f"unrecognized arguments: {' '.join(arguments)}"
    if first in WORDS:
        return f"the command {first!r} must come before all options: ./run {first} ..."
    return (
        f"unknown command {first!r}: the commands are {' and '.join(WORDS)}, and come first; "
        "./run --help lists the options"
    )
