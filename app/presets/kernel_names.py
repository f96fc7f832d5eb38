# SPDX-License-Identifier: Apache-2.0
"""Which of the names that presets need the running kernel has."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from pathlib import Path

from app.btf.format import BtfError, Kind
from app.btf.reader import Btf
from app.kernel.symbols import TextSymbols
from app.kernel.tracepoint_format import parse_format
from app.linux import tracefs
from app.presets.preset import FUNCTION, SYSCALL, TRACEPOINT
from app.presets.resolve import FIELD, names_needed


class PresetNames:
    """Which of the names that presets need the kernel has: read once, at the first use.

    Any thread may ask.
    """

    def __init__(self, btf_path: Path) -> None:
        self._btf_path = btf_path
        self._lock = threading.Lock()
        self._names: frozenset[tuple[str, str]] | None = None

    def has(self, kind: str, name: str) -> bool:
        """Return whether the kernel has a function, a system call's tracepoints, a tracepoint or a
        field (`resolve.names_needed`).
        """
        with self._lock:
            if self._names is None:
                self._names = names_here(names_needed(), btf_path=self._btf_path)
            return (kind, name) in self._names


def names_here(
    wanted: Iterable[tuple[str, str]],
    *,
    btf_path: Path,
    load_symbols: Callable[[], TextSymbols] = TextSymbols.load,
    open_tracefs: Callable[[], AbstractContextManager[Path]] = tracefs.opened,
) -> frozenset[tuple[str, str]]:
    """Return those of the kinds and names (`resolve.names_needed`) that the kernel has.

    A source that cannot be read has no names: the BTF, /proc/kallsyms, tracefs. Reads all three
    at each call, some 20 MB, and keeps nothing.
    """
    wanted = list(wanted)
    found = _in_types(wanted, btf_path, load_symbols)
    try:
        with open_tracefs() as folder:
            events = folder / "events"
            found += [pair for pair in wanted if _is_event(events, *pair)]
    except OSError:
        pass  # no tracing file system: no tracepoints
    return frozenset(found)


def _in_types(
    wanted: list[tuple[str, str]], btf_path: Path, load_symbols: Callable[[], TextSymbols]
) -> list[tuple[str, str]]:
    try:
        btf = Btf.load(btf_path)
        symbols = load_symbols()
        return [
            (kind, name)
            for kind, name in wanted
            if (kind == FUNCTION and _is_function(btf, symbols, name))
            or (kind == FIELD and ":" not in name and _is_member(btf, name))
        ]
    except (OSError, BtfError):
        return []  # no BTF or no symbols: no functions that columns could be read from


def _is_function(btf: Btf, symbols: TextSymbols, name: str) -> bool:
    return btf.find(Kind.FUNC, name) is not None and symbols.count(name) == 1


def _is_member(btf: Btf, name: str) -> bool:
    struct, member = name.split(".")
    type_id = btf.find(Kind.STRUCT, struct)
    return type_id is not None and btf.find_member(type_id, member) is not None


def _is_event(events: Path, kind: str, name: str) -> bool:
    if kind == SYSCALL:
        calls = events / "syscalls"
        return all((calls / f"sys_{when}_{name}").is_dir() for when in ("enter", "exit"))
    if kind == TRACEPOINT:
        category, _, event = name.partition(":")
        return (events / category / event).is_dir()
    if kind == FIELD and ":" in name:
        event, _, member = name.partition(".")
        file = events / event.replace(":", "/") / "format"
        return file.is_file() and any(
            field.name == member for field in parse_format(file.read_text())
        )
    return False
