# SPDX-License-Identifier: Apache-2.0
"""`./run`: serve the console from this machine."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from app.cli.command import SERVE, Need, Parser
from app.cli.command_table import HELP, explain_unknown
from app.config import Settings, hand_over, parse_arguments
from app.errors import ProbedeckError

if TYPE_CHECKING:
    from flask import Flask

NEEDS_ROOT = """\
Probedeck must run as root: it loads BPF programs into the kernel, and sees the names of
all files that any process deletes. Nothing was started. To start it:

    sudo ./run
"""


def needs(argv: Sequence[str]) -> Sequence[Need]:
    """Return what these arguments need, nothing for `--help`; exit with 2 for wrong ones."""
    if set(HELP) & set(argv):
        return ()
    return (*SERVE, "openssl") if parse(argv).tls_self_signed else SERVE


def parse(argv: Sequence[str]) -> Settings:
    """Return the settings; exit with 2 for wrong arguments, options of machines among them."""
    parser = Parser(
        prog="./run",
        description="Serve the Probedeck console: see live which process deletes which file.",
        epilog="Commands, which come first: ./run token lists, adds and revokes the tokens of "
        "other users; ./run service has systemd serve from each boot on. ./run token --help and "
        "./run service --help list their options.",
    )
    if set(HELP) & set(argv):
        from app.cli import vm  # noqa: PLC0415  # only to show its options

        vm.add_arguments(parser)
    return parse_arguments(parser, argv, explain=explain_unknown)


def main(argv: Sequence[str]) -> int:
    """Serve until a signal; return the exit status."""
    settings = parse(argv)
    if os.geteuid() != 0:
        sys.stderr.write(NEEDS_ROOT)
        return 1
    hand_over(settings)  # to wsgi.py, in the worker

    from app.server.start import serve  # noqa: PLC0415  # not installed yet for --help

    try:
        serve(settings, _load, lambda: _begin(settings))
    except ProbedeckError as error:
        sys.stderr.write(f"{error.detail}\n")
        return 1
    return 0


def _begin(settings: Settings) -> Callable[[], object]:
    """Begin the index of functions; return what reaps its process if that has ended by then.

    If it ends later, gunicorn reaps it.
    """
    from app.probes import early_index  # noqa: PLC0415  # for a service that starts only

    process = early_index.begin(settings)
    return lambda: process and process.poll()


def _load() -> Flask:
    from wsgi import application  # noqa: PLC0415  # in the worker: its state is per process

    return application
