# SPDX-License-Identifier: Apache-2.0
"""Names of numbers that columns hold: the one table of errors, for rows, API and page.

A column refers to a table by its name (`Column.names`); the tables themselves are sent once,
by `GET /probes` and in the websocket's `hello`.
"""

from __future__ import annotations

import errno
import os
from dataclasses import dataclass
from functools import cache
from typing import Any

# Returns are negative errno values down to -4095 (include/linux/err.h, MAX_ERRNO).
MAX_ERRNO = 4095

ERRORS = "errors"

# What the kernel has and Python's module may not: the two newest of
# include/uapi/asm-generic/errno.h, and include/linux/errno.h, which user space should never see
# and a traced kernel function returns all the same.
KERNEL_ERRORS = {
    132: ("ERFKILL", "Operation not possible due to RF-kill"),
    133: ("EHWPOISON", "Memory page has hardware error"),
    512: ("ERESTARTSYS", "Interrupted; the kernel restarts the call or returns EINTR"),
    513: ("ERESTARTNOINTR", "Interrupted; the kernel restarts the call"),
    514: ("ERESTARTNOHAND", "Interrupted; restarted if no signal handler runs"),
    515: ("ENOIOCTLCMD", "No such ioctl command"),
    516: ("ERESTART_RESTARTBLOCK", "Interrupted; restarted by restart_syscall(2)"),
    517: ("EPROBE_DEFER", "Driver requests probe retry"),
    518: ("EOPENSTALE", "Open found a stale dentry"),
    519: ("ENOPARAM", "Parameter not supported"),
    521: ("EBADHANDLE", "Illegal NFS file handle"),
    522: ("ENOTSYNC", "Update synchronization mismatch"),
    523: ("EBADCOOKIE", "Cookie is stale"),
    524: ("ENOTSUPP", "Operation is not supported"),
    525: ("ETOOSMALL", "Buffer or request is too small"),
    526: ("ESERVERFAULT", "An untranslatable error occurred"),
    527: ("EBADTYPE", "Type not supported by server"),
    528: ("EJUKEBOX", "Request initiated, but will not complete before timeout"),
    529: ("EIOCBQUEUED", "Request queued; completion will be reported later"),
    530: ("ERECALLCONFLICT", "Conflict with recalled state"),
    531: ("ENOGRACE", "NFS file lock reclaim refused"),
}
# Further names of the same number in the kernel's own sources (fs/xfs, fs/ext4).
KERNEL_ALIASES = {"EFSBADCRC": "EBADMSG", "EFSCORRUPTED": "EUCLEAN"}


@dataclass(frozen=True)
class Name:
    """A number's name, further names of the same number, and what it means."""

    value: int
    name: str
    aliases: tuple[str, ...]
    meaning: str

    def as_json(self) -> dict[str, Any]:
        """With `value` as a call returns it: -2 for ENOENT."""
        return {
            "value": -self.value,
            "name": self.name,
            "aliases": list(self.aliases),
            "meaning": self.meaning,
        }


@cache
def errors() -> tuple[Name, ...]:
    """Every error that has a name on this machine, by number."""
    named: dict[int, list[str]] = {}
    for name, value in vars(errno).items():
        if name.startswith("E") and isinstance(value, int):
            named.setdefault(value, []).append(name)
    for alias, name in KERNEL_ALIASES.items():
        named[getattr(errno, name)].append(alias)
    found = []
    for value in sorted(named.keys() | KERNEL_ERRORS.keys()):
        if value in named:
            name, meaning = errno.errorcode[value], os.strerror(value)
        else:
            name, meaning = KERNEL_ERRORS[value]
        aliases = sorted(set(named.get(value, ())) - {name})
        found.append(Name(value, name, tuple(aliases), meaning))
    return tuple(found)


def error_name(value: int) -> str:
    """2 -> ENOENT; a number without a name is E and its digits."""
    return _by_value().get(value) or f"E{value}"


@cache
def _by_value() -> dict[int, str]:
    return {error.value: error.name for error in errors()}


def tables_as_json() -> dict[str, list[dict[str, Any]]]:
    """All tables by the name that columns refer to (docs/protocol.md, "Names")."""
    return {ERRORS: [error.as_json() for error in errors()]}
