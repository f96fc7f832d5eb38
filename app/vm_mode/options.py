# SPDX-License-Identifier: Apache-2.0
"""The options of `./run` that concern machines; `./run --help` shows them with the service's."""

from __future__ import annotations

import argparse

from app.machine.kernels import SUITES

DEFAULT_SUITE = "trixie"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options; `run` looks for --vm and --vm-exec before it starts anything."""
    group = parser.add_argument_group("in a virtual machine")
    group.add_argument(
        "--vm",
        action="store_true",
        help="serve from a machine under QEMU with a Debian kernel, where every mode works; "
        "on a terminal it gives a root shell in there, whose end ends the machine",
    )
    group.add_argument(
        "--suite",
        choices=SUITES,
        default=DEFAULT_SUITE,
        help="the Debian suite whose newest kernel --vm boots (default: %(default)s)",
    )
    group.add_argument(
        "--vm-exec",
        nargs=argparse.REMAINDER,
        metavar="COMMAND",
        help="run a command as root in the machine that serves on --port; the last option",
    )
