# SPDX-License-Identifier: Apache-2.0
"""The text of the unit file, from the template beside this module and the settings.

Pure. How systemd reads it: systemd.service(5) "Command lines", systemd.syntax(7) "Quoting",
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
# systemd makes these, and keeps the service from writing anywhere else.
FOLDERS = ("run_dir", "state_dir", "cache_dir", "audit_log")
# Beyond gunicorn's own patience with its worker (app/server/arbiter.py), which ends it by force.
STOP_MARGIN_S = 15
# For a service that only this machine reaches. IPAddressDeny= counts for both directions.
LOOPBACK_ONLY = "\n# Loopback only, both ways.\nIPAddressAllow=localhost\nIPAddressDeny=any\n"


def unit(settings: Settings, python: Path, project: Path) -> str:
    """The unit that serves with these settings; raises ValueError for what no unit can say."""
    for field in fields(Settings):
        if field.name in FOLDERS and getattr(settings, field.name) != field.default:
            option = "--" + field.name.replace("_", "-")
            raise ValueError(f"{option} is not for the service: systemd makes its folders")
    own = [path.resolve() for path in (settings.tls_cert, settings.tls_key) if path]
    visible = " ".join(quoted(path) for path in [project, *own])
    # `@`: the program's name as it sees it comes next, where `$` has to be written twice.
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
    """The service's own arguments: those settings that are not the default, and whose it is."""
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
    """A word of a command line: besides quoting, `$` would be a variable."""
    return quoted(text).replace("$", "$$")


def quoted(text: str | Path) -> str:
    """A word of a list: in double quotes, without specifiers; raises ValueError."""
    return f'"{plain(text)}"'


def plain(text: str | Path) -> str:
    """A value that systemd takes as it is, but for specifiers; raises ValueError.

    Quotes, backslashes and control characters it refuses in the name of a program, and reads
    differently from setting to setting.
    """
    value = str(text)
    if not value.isprintable() or value != value.strip() or set(value) & set("\"'\\"):
        raise ValueError(f"{value!r} cannot stand in a unit file; a plainer name can")
    return value.replace("%", "%%")
