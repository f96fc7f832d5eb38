# SPDX-License-Identifier: Apache-2.0
"""`./run token`: list, add, rotate and revoke the tokens of a service, running or not."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from app.access.tokens import ROLES, VIEWER, TokenFile
from app.cli.command import Need, Parser
from app.config import Settings, named_path
from app.errors import ProbedeckError
from app.linux.standard_streams import OutputError, is_shown, show

RUN_DIR = "the folder that was given to ./run (%(default)s)"


def needs(argv: Sequence[str]) -> Sequence[Need]:  # noqa: ARG001  # whatever the arguments
    """Return what these arguments need: nothing but Python."""
    return ()


def main(argv: Sequence[str]) -> int:
    """Run the command and return its exit status; a new token is printed once, stored nowhere."""
    parser = Parser(
        prog="./run token",
        description="Tokens give access to others than the user who started Probedeck. A viewer "
        "watches; an operator also starts and stops probes. Changes take effect at once, also "
        "while Probedeck runs.",
    )
    parser.add_argument("--run-dir", type=named_path, default=Settings.run_dir, help=RUN_DIR)
    # After the command too, as the hints at the start of a service have it.
    anywhere = Parser(add_help=False)
    anywhere.add_argument(
        "--run-dir", type=named_path, default=argparse.SUPPRESS, help=RUN_DIR.partition(" (")[0]
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    listed = "show names and roles; the tokens themselves are stored nowhere"
    commands.add_parser("list", help=listed, parents=[anywhere])
    add = commands.add_parser("add", help="create a token and print it", parents=[anywhere])
    add.add_argument("name")
    add.add_argument("--role", choices=ROLES, default=VIEWER, help="default: %(default)s")
    for name, text in [
        ("rotate", "replace a token with a new one and print that"),
        ("revoke", "refuse a token from now on"),
    ]:
        commands.add_parser(name, help=text, parents=[anywhere]).add_argument("name")
    options = parser.parse_args(argv)
    if os.geteuid() != 0:
        sys.stderr.write("Only root can change tokens. Try: sudo ./run token ...\n")
        return 1
    try:
        tokens = TokenFile(options.run_dir)
        tokens.check_instance()
        # On standard error: standard output is for programs to read.
        sys.stderr.write(f"Tokens in {options.run_dir.resolve()}:\n")
        run(options, tokens)
    except ProbedeckError as error:
        sys.stderr.write(f"{error.detail}\n")
        return 1
    return 0


def run(options: argparse.Namespace, tokens: TokenFile) -> None:
    """Run one command on these tokens. Raises ProbedeckError and OutputError."""
    if options.command == "list":
        show(
            "".join(f"{each.name:32} {each.role:8} made {each.made_at}\n" for each in tokens.all())
        )
    elif options.command == "revoke":
        tokens.revoke(options.name)
    elif not is_shown():
        raise OutputError(
            "A new token is shown once, on standard output, which is closed or /dev/null. "
            "Nothing was changed."
        )
    elif options.command == "add":
        tokens.add(options.name, options.role, show=_show)
    else:
        tokens.rotate(options.name, show=_show)


def _show(secret: str) -> None:
    """Print a token that is not stored yet; raises OutputError, and it never will be."""
    try:
        show(f"{secret}\n")
    except OutputError as error:
        raise OutputError(f"{error}. The new token was taken back: nothing was changed.") from error
