# SPDX-License-Identifier: Apache-2.0
"""Tracepoints and system calls by name: their fields, from the tracing file system."""

from __future__ import annotations

import difflib
import re
from pathlib import Path

from app.errors import ProbedeckError
from app.kernel.tracepoint_format import Field, parse_format

_NAME = re.compile(r"[A-Za-z0-9_.-]{1,128}", re.ASCII)
_ENTER, _EXIT = "sys_enter_", "sys_exit_"
_MAX_FORMAT_BYTES = 1 << 20


def syscall_fields(tracefs: Path, name: str) -> tuple[Field, ...]:
    """Return a system call's arguments, as the caller passes them.

    The first field is the call's number. Newer kernels add copies of what arguments point to, such
    as `__filename_val`, which are not arguments. Raises ProbedeckError 422 `invalid`, OSError.
    """
    folder = tracefs / "events" / "syscalls"
    if not _is_name(name) or not (folder / f"{_ENTER}{name}").is_dir():
        known = (each.name for each in folder.iterdir() if each.name.startswith(_ENTER))
        raise _unknown("syscall", name, [each.removeprefix(_ENTER) for each in known])
    fields = _fields(folder / f"{_ENTER}{name}")[1:]
    return tuple(field for field in fields if not field.is_data_loc)


def tracepoint_fields(tracefs: Path, name: str) -> tuple[str, str, tuple[Field, ...]]:
    """Return a tracepoint's category, name and fields.

    `name` is `sched:sched_switch`, or `sched_switch` where only one category has it. Raises
    ProbedeckError 422 `invalid`, OSError.
    """
    events = tracefs / "events"
    category, colon, event = name.partition(":")
    if not colon:
        category, event = "", name
    if not _is_name(event) or (colon and not _is_name(category)):
        raise _unknown("tracepoint", name, ())
    categories = [category] if colon else _names(events)
    found = [each for each in categories if (events / each / event / "format").is_file()]
    if len(found) > 1:
        choices = [f"{each}:{event}" for each in found]
        raise _unknown("tracepoint", name, choices, f"which one: {' or '.join(choices)}?")
    if not found:
        folders = [each for each in categories if (events / each).is_dir()] or _names(events)
        names = [
            f"{each}:{inner}"
            for each in folders
            if (events / each).is_dir()
            for inner in _names(events / each)
            if colon or difflib.SequenceMatcher(None, inner, event).real_quick_ratio() > 0.6
        ]
        wanted = names if colon else [each.partition(":")[2] for each in names]
        raise _unknown("tracepoint", name, wanted)
    return found[0], event, _fields(events / found[0] / event)


def _is_name(name: str) -> bool:
    return _NAME.fullmatch(name) is not None and name not in (".", "..")


def _names(folder: Path) -> list[str]:
    return sorted(each.name for each in folder.iterdir())


def _fields(folder: Path) -> tuple[Field, ...]:
    with (folder / "format").open() as file:
        return parse_format(file.read(_MAX_FORMAT_BYTES))


def _unknown(
    field: str, name: str, known: list[str] | tuple[str, ...], why: str = ""
) -> ProbedeckError:
    near = difflib.get_close_matches(name[:128], known, n=3)
    guess = f"; did you mean {' or '.join(near)}?" if near else ""
    what = {"syscall": "system call with tracepoints", "tracepoint": "tracepoint"}[field]
    message = why or f"this kernel has no {what} {name[:128]!r}{guess}"
    return ProbedeckError(
        422,
        "invalid",
        f"{field}: {message}",
        errors=[{"field": field, "message": message, "near": near}],
    )
