# SPDX-License-Identifier: Apache-2.0
"""The audit log: JSON lines, append-only, each on disk before the action that it records.

Every line can be read back: it is JSON of RFC 8259, which has neither NaN nor Infinity, and has no
lone surrogates.
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
from app.json_text import check_surrogates, without_surrogates
from app.linux import paths
from app.timestamps import now

NONE = Path(os.devnull)
TAIL_BYTES = 1 << 20  # read first from the file's end
MOST_TAIL_BYTES = 64 << 20  # at most, when that held too few entries
DAMAGED_CHARACTERS = 1000  # kept of a malformed line
MEMBERS = frozenset({"time", "who", "action", "result"})  # of every entry of a request
MOST_NESTED = 32  # levels of an entry; readers nest it deeper


class AuditLog:
    """Appends to one file, created with mode 0600; thread-safe.

    The file is opened for each entry, so it may be rotated, and is refused each time that other
    users can write to it (app.linux.paths). /dev/null, and no other device, turns the log off.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()

    def check(self) -> None:
        """Create the file if missing; raises UnusablePathError if it cannot be appended to.

        Raises it also for a file that begins with something else than an entry: it is not ours.
        """
        if self.path == NONE:
            return
        with self._opened(os.O_RDWR | os.O_CREAT) as descriptor:
            free = os.fstatvfs(descriptor)
            if free.f_bfree * free.f_frsize < paths.ROOM_BYTES:
                what = f"cannot be appended to: {os.strerror(errno.ENOSPC)}"
                raise paths.UnusablePathError(errno.ENOSPC, self.path, what)
            if not _begins_with_entry(_read(descriptor, 0, TAIL_BYTES)):
                what = "is not empty, and its first line is not an entry of an audit log"
                raise paths.UnusablePathError(errno.EEXIST, self.path, what)

    def append(self, entry: dict[str, Any]) -> None:
        """Append one line, which is on disk when this returns. Raises ProbedeckError 503.

        Values that JSON cannot represent, or that cannot be read back, are written as text.
        """
        line = (_line(entry) + "\n").encode("ascii")
        if self.path == NONE:
            return
        try:
            with self._lock, self._opened(os.O_RDWR | os.O_CREAT) as descriptor:
                _write_whole(descriptor, line)
        except OSError as error:
            what = error if isinstance(error, paths.UnusablePathError) else error.strerror
            raise ProbedeckError(
                503, "audit_unwritable", f"The audit log {self.path} cannot be written ({what})."
            ) from error

    def newest(self, limit: int) -> list[dict[str, Any]]:
        """Return the newest entries, oldest first. Raises ProbedeckError 503.

        A line that is not an entry (half-written, or from another program) is returned as an
        entry with its text as `damaged`.
        """
        if self.path == NONE:
            return []
        try:
            with self._opened(os.O_RDONLY) as descriptor:
                lines = _last_lines(descriptor, limit)
        except OSError as error:
            if isinstance(error, paths.UnusablePathError) and error.is_missing:
                return []
            what = error if isinstance(error, paths.UnusablePathError) else error.strerror
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
    """Return the last lines of a file, at most `limit`, without empty ones; fewer if long."""
    size = os.fstat(descriptor).st_size
    tail = TAIL_BYTES
    while True:
        start = max(0, size - tail)
        lines = _read(descriptor, start, size).split(b"\n")
        if start:
            del lines[0]  # it begins before the part that was read
        lines = [line for line in lines if line]
        if not start or len(lines) >= limit or tail >= MOST_TAIL_BYTES:
            return lines[-limit:]
        tail *= 8


def _begins_with_entry(data: bytes) -> bool:
    """Return whether a file that begins with this is an audit log, or empty.

    Older versions wrote lone surrogates, which `strict_json` refuses.
    """
    line = data.lstrip(b"\n").partition(b"\n")[0]
    if not line:
        return True
    try:
        entry = json.loads(line)
    except (ValueError, RecursionError):
        return False
    return isinstance(entry, dict) and entry.keys() >= MEMBERS


def strict_json(text: str | bytes) -> Any:
    """Parse JSON that can be serialised again.

    Raises ValueError for invalid JSON, and for what Python's parser accepts beyond RFC 8259 or our
    limits: NaN, Infinity, numbers beyond a float's range, deep nesting, other encodings than
    UTF-8, lone surrogates.
    """
    if isinstance(text, bytes):
        text = text.decode("utf-8")
    try:
        value = json.loads(text, parse_constant=_refuse, parse_float=_finite)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    check_surrogates(text)
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
    return without_surrogates(json.dumps(entry, ensure_ascii=True))


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
        raise ValueError(f"{text} is out of range")
    return number


def _depth(value: Any) -> int:
    """Return the nesting depth of lists and objects, counted to MOST_NESTED + 1 at most."""
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
    """Append the whole line or nothing, starting on a new line whatever the file ends with."""
    size = os.fstat(descriptor).st_size
    if size and os.pread(descriptor, 1, size - 1) != b"\n":
        line = b"\n" + line  # the last line is half-written: the disk was full, say
    try:
        if os.write(descriptor, line) != len(line):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        os.fsync(descriptor)
    except OSError:
        os.ftruncate(descriptor, size)  # half a line would also spoil the next one
        raise


def _read(descriptor: int, start: int, end: int) -> bytes:
    data = b""
    while start + len(data) < end:
        block = os.pread(descriptor, end - start - len(data), start + len(data))
        if not block:
            break  # truncated, by log rotation
        data += block
    return data


def _parsed(line: bytes) -> dict[str, Any]:
    try:
        entry = strict_json(line)
        if isinstance(entry, dict):
            return entry
    except ValueError:
        pass  # returned as damaged
    return {"damaged": line.decode("utf-8", "backslashreplace")[:DAMAGED_CHARACTERS]}
