# SPDX-License-Identifier: Apache-2.0
"""A thousand functions of a kernel, drawn with a fixed seed from its own lists.

The same kernel gives the same functions. Left out are those that Probedeck denies and those on the
kernel's kprobe blacklist: attaching to the others must succeed, or be refused with a reason.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

SEED = 20261126
COUNT = 1000


@dataclass(frozen=True)
class Lists:
    """A kernel's lists of functions."""

    traceable: Collection[str]  # available_filter_functions, without modules
    symbols: Counter[str]  # of /proc/kallsyms, how often each name is there
    blacklist: Collection[str]  # debugfs kprobes/blacklist

    @classmethod
    def read(cls, tracefs: Path, kallsyms: Path, blacklist: Path) -> Lists:
        """Read the three files; raises OSError, as in a kernel that is locked down."""
        traceable = {
            line.split()[0]
            for line in (tracefs / "available_filter_functions").read_text().splitlines()
            if not line.endswith("]")  # of a module: `name [module]`
        }
        symbols = Counter(
            parts[2]
            for parts in map(str.split, kallsyms.read_text().splitlines())
            if parts[1] in "tTwW"
        )
        blacklisted = {line.split()[-1] for line in blacklist.read_text().splitlines()}
        return cls(traceable, symbols, blacklisted)


def draw(
    lists: Lists,
    in_btf: Iterable[str],
    is_denied: Callable[[str], object],
    count: int = COUNT,
    seed: int = SEED,
) -> list[str]:
    """Return `count` different functions, in the order drawn; all of them if there are fewer.

    `in_btf` are the functions that the kernel's BTF describes; `is_denied` is the deny list.
    """
    possible = sorted(
        name
        for name in set(in_btf) & set(lists.traceable)
        if lists.symbols[name] == 1 and name not in lists.blacklist and not is_denied(name)
    )
    return random.Random(seed).sample(possible, min(count, len(possible)))
