# SPDX-License-Identifier: Apache-2.0
"""The audit log: JSON lines, only ever appended, each on the disk before what it tells is done.

Whatever is written can be read back: as JSON of RFC 8259, which has neither NaN nor Infinity.
Standard library only.
"""

from __future__ import annotations

import errno
import json
import math
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

from app.errors import ProbedeckError
from app.linux import paths
from app.timestamps import now

NONE = Path(os.devnull)
TAIL_BYTES = 1 << 20  # how much of the file's end is read first to show it
MOST_TAIL_BYTES = 64 << 20  # and at most, while there are not as many entries as asked for
DAMAGED_CHARACTERS = 1000  # of a line that is not ours
MOST_NESTED = 32  # levels of an entry; who shows it nests it deeper


class AuditLog:
    """Appends to one file, made with mode 0600; from any thread. Opened each time, so that it
    may be rotated, and each time only when nobody else can write to it (app.linux.paths).

    With /dev/null, and no other device, none is kept: root's choice."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()

    def check(self) -> None:
        """Make the file if need be; raises UnusablePath when nothing could be appended."""
        if self.path == NONE:
            return
        with self._opened(os.O_RDWR | os.O_CREAT) as descriptor:
            free = os.fstatvfs(descriptor)
            if free.f_bfree * free.f_frsize < paths.ROOM_BYTES:
                what = f"cannot be appended to: {os.strerror(errno.ENOSPC)}"
                raise paths.UnusablePath(errno.ENOSPC, self.path, what)

    def append(self, entry: dict[str, Any]) -> None:
        """One line, on the disk when this returns. Raises ProbedeckError 503.

        Of what cannot be written as JSON, or read back from it, stands its text instead.
        """
        line = (_line(entry) + "\n").encode("ascii")
        if self.path == NONE:
            return
        try:
            with self._lock, self._opened(os.O_RDWR | os.O_CREAT) as descriptor:
                _write_whole(descriptor, line)
        except OSError as error:
            what = error if isinstance(error, paths.UnusablePath) else error.strerror
            raise ProbedeckError(
                503, "audit_unwritable", f"The audit log {self.path} cannot be written ({what})."
            ) from error

    def newest(self, limit: int) -> list[dict[str, Any]]:
        """The newest entries, oldest first. Raises ProbedeckError 503.

        For each line that is no entry, as somebody else wrote it or only half of it was written,
        stands one with its text as `damaged`.
        """
        if self.path == NONE:
            return []
        try:
            with self._opened(os.O_RDONLY) as descriptor:
                lines = _last_lines(descriptor, limit)
        except OSError as error:
            if isinstance(error, paths.UnusablePath) and error.is_missing:
                return []
            what = error if isinstance(error, paths.UnusablePath) else error.strerror
            raise ProbedeckError(
                503, "audit_unreadable", f"The audit log {self.path} cannot be read ({what})."
            ) from error
        return [_parsed(line) for line in lines]

    @contextmanager
    def _opened(self, flags: int) -> Iterator[int]:
        if flags & os.O_ACCMODE != os.O_RDONLY:
            flags |= os.O_APPEND
        descriptor = paths.open_file(
            self.path, flags, folder_mode=0o700, system_groups=True, follow=False
        )
        try:
            yield descriptor
        finally:
            os.close(descriptor)


def _last_lines(descriptor: int, limit: int) -> list[bytes]:
    """The last lines of a file, at most `limit`, without empty ones; fewer when they are long."""
    size = os.fstat(descriptor).st_size
    tail = TAIL_BYTES
    while True:
        start = max(0, size - tail)
        lines = _read(descriptor, start, size).split(b"\n")
        if start:
            del lines[0]  # its beginning is before the part that was read
        lines = [line for line in lines if line]
        if not start or len(lines) >= limit or tail >= MOST_TAIL_BYTES:
            return lines[-limit:]
        tail *= 8


def strict_json(text: str | bytes) -> Any:
    """JSON that can be written again; raises ValueError for all else that Python's parser takes:
    NaN, numbers beyond a float's range, and what is nested too deeply."""
    try:
        value = json.loads(text, parse_constant=_refuse, parse_float=_finite)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if _depth(value) > MOST_NESTED:
        raise ValueError("nested too deeply")
    return value


def _line(entry: dict[str, Any]) -> str:
    try:
        text = _dumped({"time": now(precision="milliseconds"), **entry})
        strict_json(text)
    except (ValueError, RecursionError):
        parts = {name: _harmless(value) for name, value in entry.items()}
        text = _dumped({"time": now(precision="milliseconds"), **parts})
    return text


def _dumped(entry: dict[str, Any]) -> str:
    return json.dumps(entry, ensure_ascii=True)


def _harmless(value: Any) -> Any:
    try:
        return strict_json(_dumped(value))
    except RecursionError:
        return "nested too deeply"
    except ValueError:
        return repr(value)[:DAMAGED_CHARACTERS]


def _refuse(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON number")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text} is beyond the range of a number")
    return number


def _depth(value: Any) -> int:
    """How deeply lists and objects are nested; counts no further than is needed."""
    level, depth = [value], 0
    while level and depth <= MOST_NESTED:
        inner: list[Any] = []
        for each in level:
            if isinstance(each, dict):
                inner += [None, *each.values()]
            elif isinstance(each, list):
                inner += [None, *each]
        level, depth = inner, depth + bool(inner)
    return depth


def _write_whole(descriptor: int, line: bytes) -> None:
    """Append the line, or nothing; on a line of its own, whatever the file ends with."""
    size = os.fstat(descriptor).st_size
    if size and os.pread(descriptor, 1, size - 1) != b"\n":
        line = b"\n" + line  # a half line, of whom the disk was full for, say
    try:
        if os.write(descriptor, line) != len(line):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        os.fsync(descriptor)
    except OSError:
        os.ftruncate(descriptor, size)  # half a line would spoil the next one too
        raise


def _read(descriptor: int, start: int, end: int) -> bytes:
    data = b""
    while start + len(data) < end:
        block = os.pread(descriptor, end - start - len(data), start + len(data))
        if not block:
            break  # rotated by truncating it
        data += block
    return data


def _parsed(line: bytes) -> dict[str, Any]:
    try:
        entry = strict_json(line)
        if isinstance(entry, dict):
            return entry
    except ValueError:
        pass  # shown as it is
    return {"damaged": line.decode("utf-8", "backslashreplace")[:DAMAGED_CHARACTERS]}
