# SPDX-License-Identifier: Apache-2.0
"""The audit log: JSON lines, only ever appended, each on the disk before what it tells is done.

Standard library only.
"""

from __future__ import annotations

import errno
import json
import os
import stat
import threading
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from app.errors import ProbedeckError

TAIL_BYTES = 1 << 20  # how much of the file's end is read to show it


class AuditLog:
    """Appends to one file, made with mode 0600; from any thread. Opened each time, so that it
    may be rotated."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()

    def append(self, entry: dict[str, Any]) -> None:
        """One line, on the disk when this returns. Raises ProbedeckError 503."""
        line = json.dumps({"time": _now(), **entry}, ensure_ascii=True).encode() + b"\n"
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            with self._lock:
                self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                descriptor = os.open(self.path, flags, 0o600)
                try:
                    _write_whole(descriptor, line)
                finally:
                    os.close(descriptor)
        except OSError as error:
            raise ProbedeckError(
                503,
                "audit_unwritable",
                f"Nothing was changed: the audit log {self.path} cannot be written "
                f"({error.strerror}).",
            ) from error

    def newest(self, limit: int) -> list[dict[str, Any]]:
        """The newest entries, oldest first. Raises ProbedeckError 503."""
        try:
            with self.path.open("rb") as file:
                size = os.fstat(file.fileno()).st_size
                file.seek(max(0, size - TAIL_BYTES))
                lines = file.read().split(b"\n")
        except FileNotFoundError:
            return []
        except OSError as error:
            raise ProbedeckError(
                503, "audit_unreadable", f"{self.path} cannot be read: {error.strerror}."
            ) from error
        if size > TAIL_BYTES:
            del lines[0]  # its beginning is before the part that was read
        return [_parsed(line) for line in lines if line][-limit:]


def _write_whole(descriptor: int, line: bytes) -> None:
    found = os.fstat(descriptor)
    if os.write(descriptor, line) != len(line):
        os.ftruncate(descriptor, found.st_size)  # half a line would spoil the next one too
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    if stat.S_ISREG(found.st_mode):
        os.fsync(descriptor)


def _parsed(line: bytes) -> dict[str, Any]:
    try:
        entry = json.loads(line)
        if isinstance(entry, dict):
            return entry
    except ValueError:
        pass  # someone else wrote into the file: shown as it is
    return {"damaged": line.decode("utf-8", "backslashreplace")}


def _now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")
