# SPDX-License-Identifier: Apache-2.0
"""`./run --vm`: serve from a virtual machine, reached as if the service ran here."""

from __future__ import annotations

import argparse
import errno
import os
import signal
import sys
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path

from app import config
from app.cli.command import SERVE, Need, Parser
from app.cli.command_table import explain_unknown
from app.machine import kernels, qemu
from app.machine.machine import LostMachineError
from app.vm_mode.serving import serve

NEEDS_ROOT = "A virtual machine needs root: it serves this machine's whole file system to its guest"
DEFAULT_SUITE = "trixie"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options that concern machines; `./run --help` shows them with the service's."""
    group = parser.add_argument_group("in a virtual machine")
    group.add_argument(
        "--vm",
        action="store_true",
        help="serve from a machine under QEMU with a Debian kernel, where every mode works; "
        "on a terminal it gives a root shell in there, whose end ends the machine",
    )
    group.add_argument(
        "--suite",
        choices=kernels.SUITES,
        default=DEFAULT_SUITE,
        help="the Debian suite whose newest kernel --vm boots (default: %(default)s)",
    )
    group.add_argument(
        "--vm-exec",
        nargs=argparse.REMAINDER,
        metavar="COMMAND",
        help="run a command as root in the machine that serves on --port; the last option",
    )


def parse(argv: Sequence[str]) -> tuple[argparse.Namespace, list[str]]:
    """Return our options, and the arguments for the service in the machine.

    Those are checked here too, rather than after the boot. Exits with 2 for wrong ones.
    """
    parser = Parser(prog="./run")
    add_arguments(parser)
    for argument in argv:
        if argument == "--vm-exec":
            break
        if argument.startswith("--vm-exec="):
            parser.error(f"{argument} is ambiguous: write the command after a space, --vm-exec ls")
    ours, rest = parser.parse_known_args(argv)
    settings = config.parse_arguments(
        Parser(prog="./run"), rest, explain=explain_unknown, check=_check
    )
    ours.port, ours.owner_uid = settings.port, settings.owner_uid
    return ours, rest + _absolute_paths(settings)


def _check(settings: config.Settings) -> config.Settings:
    """Check the settings; raise ValueError for those that make no sense for a machine.

    First, since the general check advises options that are refused here.
    """
    is_local = settings.listen == config.Settings.listen and not settings.trusted_peer
    if settings.tls or settings.tls_key or settings.hsts_max_age_s or not is_local:
        raise ValueError(
            "--vm serves this machine only: omit --listen, --tls-*, --hsts-max-age-s and "
            "--trusted-peer"
        )
    return settings.checked()


def _absolute_paths(settings: config.Settings) -> list[str]:
    """Return the options for the paths given; in the machine, relative ones would differ."""
    return [
        f"--{field.name.replace('_', '-')}={value.absolute()}"
        for field in fields(settings)
        if isinstance(value := getattr(settings, field.name), Path) and value != field.default
    ]


def needs(argv: Sequence[str]) -> Sequence[Need]:
    """Return what these arguments need: the guest runs this machine's Python and BCC.

    Exits with 2 for wrong arguments.
    """
    parse(argv)
    return (*SERVE, "machine")


def main(argv: Sequence[str]) -> int:
    """Serve until the service or the shell ends, or a signal comes; return the exit status."""
    ours, rest = parse(argv)
    if os.geteuid() != 0:
        sys.stderr.write(f"{NEEDS_ROOT}\n")
        return 1
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _end)
    try:
        return serve(ours.suite, ours.port, ours.owner_uid, rest)
    except (LostMachineError, kernels.KernelError, qemu.MissingProgramError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise
        sys.stderr.write(f"Port {ours.port} is in use; choose another with --port\n")
        return 1


def _end(*_: object) -> None:
    """End the machine in order, on the first of these signals; ignore further ones."""
    for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(each, signal.SIG_IGN)
    raise SystemExit(0)
