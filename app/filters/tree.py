# SPDX-License-Identifier: Apache-2.0
"""The tree of a filter. Each node has its place in the text, with its parentheses."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Word:
    """A text that any text column may contain; `is_quoted`: it was in quotes."""

    text: str
    is_quoted: bool
    start: int
    end: int


@dataclass(frozen=True)
class Term:
    """A test of a column. `is_glob`: = or != has a pattern."""

    name: str
    operator: str
    value: str
    is_glob: bool
    start: int
    name_end: int
    value_start: int
    end: int


@dataclass(frozen=True)
class Not:
    part: Node
    start: int
    end: int


@dataclass(frozen=True)
class And:
    parts: tuple[Node, ...]
    start: int
    end: int


@dataclass(frozen=True)
class Or:
    parts: tuple[Node, ...]
    start: int
    end: int


Node = Word | Term | Not | And | Or


def conjuncts(node: Node | None) -> Iterator[Node]:
    """Yield the nodes that must all hold."""
    if isinstance(node, And):
        for part in node.parts:
            yield from conjuncts(part)
    elif node is not None:
        yield node
