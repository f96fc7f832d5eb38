# SPDX-License-Identifier: Apache-2.0
"""Which of several candidate functions the running kernel has, and why if it has none."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from app.btf.format import Kind
from app.btf.reader import Btf

KALLSYMS = Path("/proc/kallsyms")
_TEXT = (b"t", b"T", b"w", b"W")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")


@dataclass(frozen=True)
class Resolution:
    """The function found, or None and the reason in words."""

    function: str | None
    reason: str | None = None


class TextSymbols:
    """The kernel's functions as /proc/kallsyms lists them: one `address type name` a line."""

    def __init__(self, kallsyms: bytes) -> None:
        self._lines = kallsyms

    @classmethod
    def load(cls, path: Path = KALLSYMS) -> TextSymbols:
        """Read the list; raises OSError (a kernel without CONFIG_KALLSYMS has none)."""
        return cls(path.read_bytes())

    def count(self, name: str) -> int:
        """Count the functions of exactly this name: several if static in several files."""
        symbol = b" " + name.encode()
        return sum(
            self._count(symbol + end) for end in (b"\n", b"\t")
        )  # a tab precedes a module's name

    def variants(self, name: str) -> list[str]:
        """Return symbols such as `name.isra.0` or `name.cold`, which the compiler made of `name`.

        They do not replace the function: they may take other arguments, or be only a part of it.
        """
        pattern = rb" [tTwW] (" + re.escape(name.encode()) + rb"\.[^\t\n]+)"
        return sorted({found.decode() for found in re.findall(pattern, self._lines)})

    def _count(self, end_of_symbol: bytes) -> int:
        # A plain search: a regular expression takes ten times as long on these 6 MB.
        count, at = 0, self._lines.find(end_of_symbol)
        while at != -1:
            count += self._lines[at - 1 : at] in _TEXT
            at = self._lines.find(end_of_symbol, at + 1)
        return count


def resolve_in_btf(candidates: Sequence[str], btf: Btf) -> Resolution:
    """Return the first candidate in the BTF, as BPF trampolines need it."""
    return _resolve(candidates, lambda name: _btf_refusal(name, btf))


def resolve_in_symbols(candidates: Sequence[str], symbols: TextSymbols) -> Resolution:
    """Return the first candidate that is the name of exactly one function, for kprobes."""
    return _resolve(candidates, lambda name: _symbol_refusal(name, symbols))


def _resolve(candidates: Sequence[str], refusal: Callable[[str], str | None]) -> Resolution:
    refusals = []
    for name in candidates:
        why = refusal(name) if _NAME.match(name) else f"{name!r} is not a function's name"
        if why is None:
            return Resolution(name)
        refusals.append(why)
    return Resolution(None, "; ".join(refusals) or "no candidate was given")


def _btf_refusal(name: str, btf: Btf) -> str | None:
    if btf.find(Kind.FUNC, name) is None:
        return f"the kernel's BTF has no function {name}"
    return None


def _symbol_refusal(name: str, symbols: TextSymbols) -> str | None:
    count = symbols.count(name)
    if count == 1:
        return None
    if count:
        return f"the kernel has {count} functions named {name}, so the name is ambiguous"
    variants = symbols.variants(name)
    if variants:
        return (
            f"the kernel has no function {name}, only variants that the compiler made of it: "
            + ", ".join(variants)
        )
    return f"the kernel has no function {name}"
