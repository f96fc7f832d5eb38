# SPDX-License-Identifier: Apache-2.0
"""The command line, `python -m app`: options, the refusal without root, then the web server.

Runs with the distribution's Python before anything is installed, as far as `--help` and the
refusal; what needs the virtual environment is imported after those.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from app.config import hand_over, parse_arguments
from app.errors import ProbedeckError
from app.linux import signals
from app.linux.standard_streams import keep_standard_streams
from app.vm_mode import options

if TYPE_CHECKING:
    from flask import Flask

NEEDS_ROOT = """\
Probedeck must run as root: it loads BPF programs into the kernel, and sees the names of
all files that any process deletes. Nothing was started. To start it:

    sudo ./run
"""


def main(argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="./run",
        description="Serve the Probedeck console: see live which process deletes which file.",
        epilog="./run --vm does the same inside a virtual machine; ./run service install, from "
        "each boot on.",
    )
    options.add_arguments(parser)
    settings = parse_arguments(parser, argv)
    if os.geteuid() != 0:
        sys.stderr.write(NEEDS_ROOT)
        return 1
    hand_over(settings)

    from app.server.arbiter import serve  # noqa: PLC0415  # not installed yet for --help

    try:
        serve(settings, _load)
    except ProbedeckError as error:
        sys.stderr.write(f"{error.detail}\n")
        return 1
    return 0


def _load() -> Flask:
    # In the worker: hub and probes are state of that process. It has the settings by `hand_over`.
    from wsgi import application  # noqa: PLC0415

    return application


if __name__ == "__main__":
    keep_standard_streams()
    signals.restore()
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:  # before gunicorn's own handling of it
        sys.exit(130)
