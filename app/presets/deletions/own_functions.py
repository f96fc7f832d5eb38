# SPDX-License-Identifier: Apache-2.0
"""The kernel's functions that the programs of deletions are attached to, in its BTF."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from app.btf.format import BtfError, Kind
from app.btf.reader import Btf
from app.kernel.bcc_headers import BTF_PATH
from app.kernel.features import load_symbols
from app.kernel.symbols import TextSymbols
from app.presets.deletions.hooks import FUNCTIONS, RENAME_FUNCTIONS
from app.presets.deletions.renames import INNER, find_rename_function


@dataclass(frozen=True)
class OwnFunctions:
    """`ids` are numbers in the kernel's BTF; `rename` is the function that renames, None where it
    is not known."""

    ids: Mapping[str, int] = field(default_factory=dict)
    rename: str | None = None


@lru_cache
def own_functions() -> OwnFunctions:
    """Return those of the running kernel. Reading its BTF and symbols takes 0.1 s."""
    try:
        btf, symbols = Btf.load(BTF_PATH), load_symbols()
    except (OSError, BtfError):
        return OwnFunctions()
    rename = None
    if isinstance(symbols, TextSymbols):
        rename = find_rename_function(RENAME_FUNCTIONS, btf, symbols)
    found = {name: btf.find(Kind.FUNC, name) for name in (*FUNCTIONS, *RENAME_FUNCTIONS, INNER)}
    return OwnFunctions({name: number for name, number in found.items() if number}, rename)
