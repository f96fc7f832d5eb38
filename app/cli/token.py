# SPDX-License-Identifier: Apache-2.0
"""`./run token`: list, make, replace and revoke the tokens of a service, running or not."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from app.access.tokens import ROLES, VIEWER, TokenFile
from app.config import Settings, named_path
from app.errors import ProbedeckError

RUN_DIR = "as given to ./run (%(default)s)"


def main(argv: Sequence[str]) -> int:
    """Run the command; what it made is printed once and kept nowhere."""
    parser = argparse.ArgumentParser(
        prog="./run token",
        description="Tokens let others in than the user who started Probedeck. A viewer watches; "
        "an operator also starts and stops. A change holds at once, also while Probedeck runs.",
    )
    parser.add_argument("--run-dir", type=named_path, default=Settings.run_dir, help=RUN_DIR)
    # Behind the command too, as in what the start of a service shows.
    anywhere = argparse.ArgumentParser(add_help=False)
    anywhere.add_argument(
        "--run-dir", type=named_path, default=argparse.SUPPRESS, help=RUN_DIR.partition(" (")[0]
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    listed = "names and roles; the tokens themselves are kept nowhere"
    commands.add_parser("list", help=listed, parents=[anywhere])
    add = commands.add_parser("add", help="make a token and print it", parents=[anywhere])
    add.add_argument("name")
    add.add_argument("--role", choices=ROLES, default=VIEWER, help="default: %(default)s")
    for name, text in [
        ("rotate", "replace a token by a new one and print that"),
        ("revoke", "refuse a token from now on"),
    ]:
        commands.add_parser(name, help=text, parents=[anywhere]).add_argument("name")
    options = parser.parse_args(argv)
    if os.geteuid() != 0:
        sys.stderr.write("Tokens are root's to change. Try: sudo ./run token ...\n")
        return 1
    try:
        tokens = TokenFile(options.run_dir)
        tokens.check_instance()
        # Which service it is about, beside what is to be read or copied by a program.
        sys.stderr.write(f"Tokens in {options.run_dir.resolve()}:\n")
        run(options, tokens)
    except ProbedeckError as error:
        sys.stderr.write(f"{error.detail}\n")
        return 1
    return 0


def run(options: argparse.Namespace, tokens: TokenFile) -> None:
    """One command."""
    if options.command == "list":
        for token in tokens.all():
            sys.stdout.write(f"{token.name:32} {token.role:8} made {token.made_at}\n")
    elif options.command == "revoke":
        tokens.revoke(options.name)
    else:
        made = (
            tokens.add(options.name, options.role)
            if options.command == "add"
            else tokens.rotate(options.name)
        )
        sys.stdout.write(f"{made}\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
