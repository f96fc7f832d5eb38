# SPDX-License-Identifier: Apache-2.0
"""`./run service`: install, remove or show the systemd service.

`run` installs what the service needs before this runs; the service itself never installs.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from app import ROOT
from app.cli.command import SERVE, Need, Parser
from app.config import Settings, parse_arguments
from app.linux.standard_streams import say
from app.systemd.unit import unit

NAME = "probedeck.service"
UNIT = Path("/etc/systemd/system", NAME)
BOOTED = Path("/run/systemd/system")  # sd_booted(3): there while systemd is process 1
COMMANDS = {
    "install": "have systemd serve with these options, now and from each boot on; run it again to "
    "change them",
    "remove": "stop the service and remove it",
    "status": "show what it does",
}


class ServiceError(Exception):
    """The command failed; the text says why, and what to do."""


def needs(argv: Sequence[str]) -> Sequence[Need]:
    """Return what these arguments need: to install the service takes what serving takes.

    Exits with 2 for wrong arguments. Where nothing can be installed, `main` says so before it
    needs anything.
    """
    can_install = os.geteuid() == 0 and BOOTED.is_dir()
    if argv[:1] != ["install"] or not can_install or {"-h", "--help"} & set(argv):
        return ()
    settings = parse_arguments(_options("install"), argv[1:])
    return (*SERVE, "openssl") if settings.tls_self_signed else SERVE


def _options(command: str) -> Parser:
    return Parser(prog=f"./run service {command}", description=COMMANDS[command])


def main(argv: Sequence[str]) -> int:
    """Run the command and return its exit status; 1, with a reason on standard error, if it fails.

    Exits with 2 for wrong arguments.
    """
    parser = Parser(
        prog="./run service",
        description="Probedeck as a systemd service.",
        epilog=" ".join(f"{command}: {text}." for command, text in COMMANDS.items()),
    )
    parser.add_argument("command", choices=COMMANDS)
    command = parser.parse_args(argv[:1]).command
    options = _options(command)
    try:
        if command == "install":
            install(parse_arguments(options, argv[1:]))
            return 0
        options.parse_args(argv[1:])
        return remove() if command == "remove" else status()
    except ServiceError as error:
        sys.stderr.write(f"{error}\n")
        return 1


def install(settings: Settings) -> None:
    """Write the unit, enable it, and restart it. Raises ServiceError."""
    _needs_root()
    _needs_systemd()
    try:
        text = unit(settings, Path(sys.executable), ROOT)
    except ValueError as error:
        raise ServiceError(f"Nothing was installed: {error}.") from error
    for folder in changeable(ROOT, settings.owner_uid):
        say(f"Warning: other users can write to {folder}, and so change what root runs.")
    UNIT.write_text(text, encoding="utf-8")
    UNIT.chmod(0o644)
    say(f"Wrote {UNIT}")
    _systemctl("daemon-reload")
    _systemctl("enable", NAME)
    # Failures a moment ago, perhaps with other options, must not hit the start limit.
    subprocess.run(["systemctl", "reset-failed", NAME], check=False, capture_output=True)
    _systemctl("restart", NAME)
    say(f"Probedeck on {settings.address}, now and from each boot on.")
    if not settings.require_token:
        say(f"  Only local programs of user {settings.owner_uid} need no token.")
    say("  New token for others: ./run token rotate operator. Log: journalctl -u probedeck")


def remove() -> int:
    """Stop the service and remove the unit; its log and certificate stay. Raises ServiceError."""
    _needs_root()
    if not UNIT.exists():
        say("The service is not installed: there is no service to remove.")
        return 0
    if BOOTED.is_dir():
        _systemctl("disable", "--now", NAME)
    UNIT.unlink()
    if BOOTED.is_dir():
        _systemctl("daemon-reload")
    say(f"Removed {UNIT}. The audit log and the certificate stay.")
    return 0


def status() -> int:
    """Show what systemctl says; return its exit status: 0 if the service runs, 3 or 4 if not."""
    _needs_systemd()
    return subprocess.run(["systemctl", "--no-pager", "status", NAME], check=False).returncode


def changeable(folder: Path, owner: int) -> list[Path]:
    """Return which of this folder and its parents others than root and `owner` can change."""
    found = []
    for each in (folder, *folder.parents):
        status = each.stat()
        # In a sticky parent, such as /tmp, others cannot replace what is not theirs.
        sticky = each != folder and status.st_mode & 0o1000
        if status.st_uid not in (0, owner) or (status.st_mode & 0o002 and not sticky):
            found.append(each)
    return found


def _needs_root() -> None:
    if os.geteuid() != 0:
        raise ServiceError("Only root can change services. Try: sudo ./run service ...")


def _needs_systemd() -> None:
    if not BOOTED.is_dir():
        raise ServiceError(
            "systemd does not run on this machine: there is no service to manage. Start Probedeck "
            "with ./run instead."
        )


def _systemctl(*arguments: str) -> None:
    done = subprocess.run(["systemctl", *arguments], check=False)
    if done.returncode != 0:
        raise ServiceError(
            f"systemctl {' '.join(arguments)} failed. See the service's log: journalctl -u "
            "probedeck. To remove the service: ./run service remove"
        )
