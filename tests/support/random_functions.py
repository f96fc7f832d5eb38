# SPDX-License-Identifier: Apache-2.0
"""Functions of a kernel, drawn with a fixed seed from its own lists.

The same kernel gives the same functions.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

SEED = 20261126
COUNT = 1000
# Parts of functions and padding in front of them, which nothing calls by these names.
NO_FUNCTIONS = ("__pfx_", "__cfi_")


@dataclass(frozen=True)
class Lists:
    """A kernel's lists of functions."""

    traceable: Collection[str]  # available_filter_functions, without modules
    symbols: Counter[str]  # of /proc/kallsyms, how often each name is there
    blacklist: Collection[str]  # debugfs kprobes/blacklist
    variables: Collection[str]  # of /proc/kallsyms, what is not code

    @classmethod
    def read(cls, tracefs: Path, kallsyms: Path, blacklist: Path) -> Lists:
        """Read the three files; raises OSError, as in a kernel that is locked down."""
        traceable = {
            line.split()[0]
            for line in (tracefs / "available_filter_functions").read_text().splitlines()
            if not line.endswith("]")  # of a module: `name [module]`
        }
        symbols, variables = Counter[str](), set()
        for _, kind, name, *_ in map(str.split, kallsyms.read_text().splitlines()):
            if kind in "tTwW":
                symbols[name] += 1
            else:
                variables.add(name)
        blacklisted = {line.split()[-1] for line in blacklist.read_text().splitlines()}
        return cls(traceable, symbols, blacklisted, variables)


def possible(
    lists: Lists, in_btf: Iterable[str], is_denied: Callable[[str], object]
) -> Collection[str]:
    """Return the functions that can be attached to, unless their signatures prevent it.

    `in_btf` are the functions that the kernel's BTF describes; `is_denied` is the deny list.
    """
    return {
        name
        for name in set(in_btf) & set(lists.traceable)
        if lists.symbols[name] == 1 and name not in lists.blacklist and not is_denied(name)
    }


def others(lists: Lists, in_btf: Iterable[str], without: Collection[str]) -> Collection[str]:
    """Return all other functions that the kernel has or its BTF describes."""
    named = {
        name
        for name in lists.symbols
        if not name.startswith(NO_FUNCTIONS) and ".cold" not in name and name not in lists.variables
    }
    return (named | set(in_btf)) - set(without)


def draw(names: Collection[str], count: int = COUNT, seed: int = SEED) -> list[str]:
    """Return `count` different names, in the order drawn; all of them if there are fewer."""
    return random.Random(seed).sample(sorted(names), min(count, len(names)))
