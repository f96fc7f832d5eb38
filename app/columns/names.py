# SPDX-License-Identifier: Apache-2.0
"""Names of numbers that columns hold: one table of errors, for rows, API and page.

A column refers to a table by name (`Column.names`); `GET /probes` and the websocket's `hello`
carry the tables themselves.
"""

from __future__ import annotations

import errno
import os
from dataclasses import dataclass
from functools import cache
from typing import Any

# Return values from -4095 to -1 are negated errno values (include/linux/err.h, MAX_ERRNO).
MAX_ERRNO = 4095

ERRORS = "errors"

# Errors that Python's errno module may lack: the two newest of include/uapi/asm-generic/errno.h,
# and those of include/linux/errno.h, which never reach user space, but which a traced kernel
# function may return.
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
# Further names of the same numbers in the kernel's sources (fs/xfs, fs/ext4).
KERNEL_ALIASES = {"EFSBADCRC": "EBADMSG", "EFSCORRUPTED": "EUCLEAN"}


@dataclass(frozen=True)
class Name:
    """A number, its name, further names of it, and its meaning."""

    value: int
    name: str
    aliases: tuple[str, ...]
    meaning: str

    def as_json(self) -> dict[str, Any]:
        """Return the name as JSON, with `value` as a call returns it: -2 for ENOENT."""
        return {
            "value": -self.value,
            "name": self.name,
            "aliases": list(self.aliases),
            "meaning": self.meaning,
        }


@cache
def errors() -> tuple[Name, ...]:
    """Return every error that has a name on this machine, ordered by number."""
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
    """Return the name of an errno value: ENOENT for 2; E600 for 600, which has none."""
    return _by_value().get(value) or f"E{value}"


@cache
def _by_value() -> dict[int, str]:
    return {error.value: error.name for error in errors()}


def tables_as_json() -> dict[str, list[dict[str, Any]]]:
    """Return all tables, by the name that columns refer to (docs/protocol.md, "Names")."""
    return {ERRORS: [error.as_json() for error in errors()]}
