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
RUNNING = Path("/run/systemd/system")  # sd_booted(3): there while systemd is process 1


class Failed(Exception):
    """Why the command was not done, in words."""


def main(argv: Sequence[str]) -> int:
    """Run the command; 1 with a reason on standard error when it cannot be done."""
    command, *options = argv or ["--help"]
    parser = argparse.ArgumentParser(
        prog=f"./run service {command}" if command in COMMANDS else "./run service",
        description="install [OPTION...]: serve from each boot on, by systemd, with these options "
        "of ./run, and start now; again: with others. remove: undo that. status: what it does.",
    )
    if command not in COMMANDS:
        parser.add_argument("command", choices=COMMANDS)
        parser.parse_args(argv)
    try:
        if command == "install":
            install(parse_arguments(parser, options))
        else:
            parser.parse_args(options)
            return COMMANDS[command]()
    except Failed as failed:
        sys.stderr.write(f"{failed}\n")
        return 1
    return 0


def install(settings: Settings) -> None:
    """Write the unit, have it started at each boot, and start it anew. Raises Failed."""
    needs_root()
    needs_systemd()
    try:
        text = unit(settings, Path(sys.executable), ROOT)
    except ValueError as error:
        raise Failed(f"Nothing was installed: {error}.") from error
    for folder in changeable(ROOT, settings.owner_uid):
        say(f"Mind: others than root and you can change {folder}, and so what root runs here.")
    UNIT.write_text(text, encoding="utf-8")
    UNIT.chmod(0o644)
    say(f"Wrote {UNIT}")
    systemctl("daemon-reload")
    systemctl("enable", NAME)
    systemctl("restart", NAME)
    say(f"Probedeck on {settings.address}, now and from each boot on.")
    say(f"  Without a token it lets in the local programs of user {settings.owner_uid} alone.")
    say("  ./run token rotate operator shows a token for others; journalctl -u probedeck its log.")


def remove() -> int:
    """Stop it, and take away the unit; its log, certificate and tokens stay. Raises Failed."""
    needs_root()
    if not UNIT.exists():
        say("There is no service to remove.")
        return 0
    if RUNNING.is_dir():
        systemctl("disable", "--now", NAME)
    UNIT.unlink()
    if RUNNING.is_dir():
        systemctl("daemon-reload")
    say(f"Removed {UNIT}. Kept: /var/log/probedeck, /var/lib/probedeck.")
    return 0


def status() -> int:
    """systemctl's own account, and its exit status: 0 when it runs, 3 or 4 when not."""
    needs_systemd()
    return subprocess.run(["systemctl", "--no-pager", "status", NAME], check=False).returncode


COMMANDS = {"install": lambda: 0, "remove": remove, "status": status}


def changeable(folder: Path, owner: int) -> list[Path]:
    """This folder and those above it that others than root and `owner` can write to."""
    found = []
    for each in (folder, *folder.parents):
        status = each.stat()
        sticky = each != folder and status.st_mode & 0o1000  # what is not one's own stays
        if status.st_uid not in (0, owner) or (status.st_mode & 0o002 and not sticky):
            found.append(each)
    return found


def needs_root() -> None:
    if os.geteuid() != 0:
        raise Failed("Services are root's to change. Try: sudo ./run service ...")


def needs_systemd() -> None:
    if not RUNNING.is_dir():
        raise Failed("systemd does not run this machine: there is no service to manage.")


def systemctl(*arguments: str) -> None:
    done = subprocess.run(["systemctl", *arguments], check=False)
    if done.returncode != 0:
        raise Failed(
            f"systemctl {' '.join(arguments)} failed (status {done.returncode}). "
            "What the service said: journalctl -u probedeck"
        )


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
