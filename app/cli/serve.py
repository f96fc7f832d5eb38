# SPDX-License-Identifier: Apache-2.0
"""`./run`: serve the console from this machine."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from app.cli import vm
from app.cli.command import SERVE, Need
from app.config import hand_over, parse_arguments
from app.errors import ProbedeckError

if TYPE_CHECKING:
    from flask import Flask

NEEDS_ROOT = """\
Probedeck must run as root: it loads BPF programs into the kernel, and sees the names of
all files that any process deletes. Nothing was started. To start it:

    sudo ./run
"""


def needs(argv: Sequence[str]) -> Sequence[Need]:
    """Return what these arguments need; nothing for `--help`."""
    if "--help" in argv:
        return ()
    return (*SERVE, "openssl") if "--tls-self-signed" in argv else SERVE


def main(argv: Sequence[str]) -> int:
    """Serve until a signal; return the exit status."""
    parser = argparse.ArgumentParser(
        prog="./run",
        description="Serve the Probedeck console: see live which process deletes which file.",
        epilog="./run --vm does the same inside a virtual machine; ./run service install, from "
        "each boot on.",
    )
    vm.add_arguments(parser)
    settings = parse_arguments(parser, argv)
    if os.geteuid() != 0:
        sys.stderr.write(NEEDS_ROOT)
        return 1
    hand_over(settings)  # to wsgi.py, in the worker

    from app.server.arbiter import serve  # noqa: PLC0415  # not installed yet for --help

    try:
        serve(settings, _load)
    except ProbedeckError as error:
        sys.stderr.write(f"{error.detail}\n")
        return 1
    return 0


def _load() -> Flask:
    from wsgi import application  # noqa: PLC0415  # in the worker: its state is per process

    return application
