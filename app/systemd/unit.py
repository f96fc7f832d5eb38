# SPDX-License-Identifier: Apache-2.0
"""The text of the unit file, made from the template beside this module and the settings.

Pure. systemd's rules: systemd.service(5) "Command lines", systemd.syntax(7) "Quoting",
systemd.unit(5) "Specifiers".
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path

from app.config import Settings, as_text

TEMPLATE = Path(__file__).with_name("probedeck.service")
# systemd creates these, and lets the service write nowhere else.
FOLDERS = ("run_dir", "state_dir", "cache_dir", "audit_log")
# More than gunicorn waits for its worker before it kills it (app/server/arbiter.py).
STOP_MARGIN_S = 15
# For a service that listens on loopback only. IPAddressDeny= applies to both directions.
LOOPBACK_ONLY = "\n# Loopback only, both ways.\nIPAddressAllow=localhost\nIPAddressDeny=any\n"


def unit(settings: Settings, python: Path, project: Path) -> str:
    """Return the unit for these settings; raises ValueError if a unit cannot express them."""
    for field in fields(Settings):
        if field.name in FOLDERS and getattr(settings, field.name) != field.default:
            option = "--" + field.name.replace("_", "-")
            raise ValueError(f"{option} cannot be set for the service: systemd creates its folders")
    own = [path.resolve() for path in (settings.tls_cert, settings.tls_key) if path]
    visible = " ".join(quoted(path) for path in [project, *own])
    # `@`: argv[0] comes next; unlike the path, it and what follows need `$` doubled.
    start = [quoted(f"@{python}"), *map(argument, [str(python), *command(settings)])]
    values = {
        "FOLDER": plain(project),
        "COMMAND": " ".join(start),
        "FILES": visible,
        "STOP_TIMEOUT_S": str(math.ceil(settings.stop_timeout_s) + STOP_MARGIN_S),
        "NETWORK": "" if settings.is_remote or settings.trusted_peer else LOOPBACK_ONLY,
    }
    text = TEMPLATE.read_text(encoding="utf-8")
    return re.sub(r"@([A-Z_]+)@", lambda found: values[found[1]], text)


def command(settings: Settings) -> Sequence[str]:
    """Return the service's arguments: the settings that are not the default, and its owner."""
    words = ["-m", "app"]
    for field in fields(Settings):
        value = getattr(settings, field.name)
        option = "--" + field.name.replace("_", "-")
        if value is True:
            words.append(option)
        elif value != field.default or field.name == "owner_uid":
            absolute = value.resolve() if isinstance(value, Path) else value
            words.append(f"{option}={as_text(absolute)}")
    return words


def argument(text: str) -> str:
    """Quote a word of a command line, where `$` would expand a variable; raises ValueError."""
    return quoted(text).replace("$", "$$")


def quoted(text: str | Path) -> str:
    """Quote a word of a list, with specifiers escaped; raises ValueError."""
    return f'"{plain(text)}"'


def plain(text: str | Path) -> str:
    """Escape specifiers in a value that systemd reads literally; raises ValueError.

    systemd refuses quotes, backslashes and control characters in a program's path, and reads them
    differently from setting to setting.
    """
    value = str(text)
    if not value.isprintable() or value != value.strip() or set(value) & set("\"'\\"):
        raise ValueError(
            f"{value!r} cannot be written in a unit file: use a name without quotes, backslashes, "
            "control characters, and spaces at its ends"
        )
    return value.replace("%", "%%")
