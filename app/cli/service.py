# SPDX-License-Identifier: Apache-2.0
"""`./run service`: install, remove or show the systemd service.

`./run` has installed what the service needs before this runs: the service itself never does.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from app import ROOT
from app.config import Settings, parse_arguments
from app.systemd.unit import unit

NAME = "probedeck.service"
UNIT = Path("/etc/systemd/system", NAME)
BOOTED = Path("/run/systemd/system")  # sd_booted(3): there while systemd is process 1
COMMANDS = {
    "install": "serve by systemd with these options, now and from each boot on; again: with others",
    "remove": "end that",
    "status": "what it does",
}


class Failed(Exception):
    """Why the command was not done, in words."""


def main(argv: Sequence[str]) -> int:
    """Run the command; 1 with a reason on standard error when it cannot be done."""
    parser = argparse.ArgumentParser(
        prog="./run service",
        description="Probedeck as a systemd service.",
        epilog=" ".join(f"{command}: {text}." for command, text in COMMANDS.items()),
    )
    parser.add_argument("command", choices=COMMANDS)
    command = parser.parse_args(argv[:1]).command
    options = argparse.ArgumentParser(
        prog=f"./run service {command}", description=COMMANDS[command]
    )
    try:
        if command == "install":
            install(parse_arguments(options, argv[1:]))
            return 0
        options.parse_args(argv[1:])
        return remove() if command == "remove" else status()
    except Failed as failed:
        sys.stderr.write(f"{failed}\n")
        return 1


def install(settings: Settings) -> None:
    """Write the unit, have it started at each boot, and start it anew. Raises Failed."""
    _needs_root()
    _needs_systemd()
    try:
        text = unit(settings, Path(sys.executable), ROOT)
    except ValueError as error:
        raise Failed(f"Nothing was installed: {error}.") from error
    for folder in changeable(ROOT, settings.owner_uid):
        _say(f"Mind: others than root and you can change {folder}, and so what root runs here.")
    UNIT.write_text(text, encoding="utf-8")
    UNIT.chmod(0o644)
    _say(f"Wrote {UNIT}")
    _systemctl("daemon-reload")
    _systemctl("enable", NAME)
    # What failed a moment ago, with other options perhaps, is no reason to refuse a start.
    subprocess.run(["systemctl", "reset-failed", NAME], check=False, capture_output=True)
    _systemctl("restart", NAME)
    _say(f"Probedeck on {settings.address}, now and from each boot on.")
    if not settings.require_token:
        _say(f"  Local programs of user {settings.owner_uid}, and no others, need no token.")
    _say("  ./run token rotate operator shows a token for others; journalctl -u probedeck its log.")


def remove() -> int:
    """Stop it, and take away the unit; its log and its certificate stay. Raises Failed."""
    _needs_root()
    if not UNIT.exists():
        _say("There is no service to remove.")
        return 0
    if BOOTED.is_dir():
        _systemctl("disable", "--now", NAME)
    UNIT.unlink()
    if BOOTED.is_dir():
        _systemctl("daemon-reload")
    _say(f"Removed {UNIT}. The audit log and the certificate stay.")
    return 0


def status() -> int:
    """systemctl's own account, and its exit status: 0 when it runs, 3 or 4 when not."""
    _needs_systemd()
    return subprocess.run(["systemctl", "--no-pager", "status", NAME], check=False).returncode


def changeable(folder: Path, owner: int) -> list[Path]:
    """Of this folder and those above it, the ones that others than root and `owner` can change."""
    found = []
    for each in (folder, *folder.parents):
        status = each.stat()
        # In a sticky folder, such as /tmp, others cannot replace what is not theirs.
        kept = each != folder and status.st_mode & 0o1000
        if status.st_uid not in (0, owner) or (status.st_mode & 0o002 and not kept):
            found.append(each)
    return found


def _needs_root() -> None:
    if os.geteuid() != 0:
        raise Failed("Services are root's to change. Try: sudo ./run service ...")


def _needs_systemd() -> None:
    if not BOOTED.is_dir():
        raise Failed("systemd does not run this machine: there is no service to manage.")


def _systemctl(*arguments: str) -> None:
    done = subprocess.run(["systemctl", *arguments], check=False)
    if done.returncode != 0:
        raise Failed(
            f"systemctl {' '.join(arguments)} failed. What the service said: "
            "journalctl -u probedeck. `./run service remove` takes it away again."
        )


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
