# SPDX-License-Identifier: Apache-2.0
"""Several functions by patterns: `tcp_*, udp_sendmsg, takes:sk_buff ip_`.

Between commas, a name alone is that function; anything else is a search as in
app/kernel/functions_query.py, of which all that is found is meant.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from app.kernel.functions import FUNCTION, Entry, FunctionIndex
from app.kernel.functions_query import QueryError, near_names, search
from app.kernel.functions_reasons import Refusal, why_not

MAX_PATTERNS = 16
MAX_FUNCTIONS = 1000
_NAME = re.compile(r"[A-Za-z0-9_.$]+\Z", re.ASCII)


@dataclass(frozen=True)
class FunctionSet:
    """Functions in the order of their names, and those that cannot be traced, with the reason."""

    names: tuple[str, ...]
    left_out: tuple[tuple[str, Refusal], ...]


def function_set(index: FunctionIndex, patterns: str, mode: str) -> FunctionSet:
    """Return the functions of these patterns, for a mode of kprobes. Raises QueryError.

    Those of modules are left out: they would end, unseen, when the module is unloaded.
    """
    entries: dict[str, Entry] = {}
    for pattern in _split(patterns):
        entries |= {entry.name: entry for entry in _found(index, pattern)}
    names, left_out = [], []
    for name in sorted(entries):
        refusal = why_not(entries[name], mode) or _of_module(entries[name])
        if refusal is None:
            names.append(name)
        else:
            left_out.append((name, refusal))
    if not names:
        name, refusal = left_out[0]
        found = f"None of these {len(left_out)} functions can be traced so"
        raise QueryError(f"{found}; of {name}: {refusal.reason}.")
    if len(names) > MAX_FUNCTIONS:
        raise QueryError(
            f"These are {len(names)} functions; at most {MAX_FUNCTIONS} are possible. Narrow it, "
            "for example by takes:TYPE."
        )
    return FunctionSet(tuple(names), tuple(left_out))


def _split(patterns: str) -> list[str]:
    found = [pattern.strip() for pattern in patterns.split(",")]
    if len(found) > MAX_PATTERNS:
        raise QueryError(f"Too many patterns: at most {MAX_PATTERNS}.")
    if not all(found):
        raise QueryError("There is nothing between two commas, or at an end.")
    return found


def _found(index: FunctionIndex, pattern: str) -> tuple[Entry, ...]:
    if _NAME.match(pattern):
        entry = index.lookup(FUNCTION, pattern)
        if entry is None:
            near = near_names(index, pattern, FUNCTION)
            what = f"This kernel has no function {pattern[:128]}; for a part of names write"
            raise QueryError(f"{what} *{pattern[:128]}*.", near)
        return (entry,)
    hits = search(index, pattern, FUNCTION, MAX_FUNCTIONS * 4)
    if not hits.total:
        raise QueryError(f"This kernel has no function {pattern[:128]}.")
    if hits.total > len(hits.entries):
        raise QueryError(
            f"{pattern[:128]} finds {hits.total} functions; at most {MAX_FUNCTIONS} are possible."
        )
    return hits.entries


def _of_module(entry: Entry) -> Refusal | None:
    if entry.module is None:
        return None
    return Refusal("of_module", f"{entry.name} is of the module {entry.module}: trace it alone")
