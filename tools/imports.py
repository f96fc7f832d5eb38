# SPDX-License-Identifier: Apache-2.0
"""Which module imports which, read from the source by `ast`: nothing is run.

Imports inside functions and under `TYPE_CHECKING` are found too.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SOURCES = ("wsgi.py", "app", "benchmarks", "tests/runner")
OURS = ("app", "benchmarks", "tests", "tools", "wsgi")


@dataclass(frozen=True)
class Import:
    """One imported module.

    `target` is a module of the tree, or the first name of a library. `is_eager` says that
    importing `module` also imports `target`: the statement is at the top level of the module.
    """

    module: str
    target: str
    is_library: bool
    is_eager: bool
    is_typing: bool
    where: str


def module_name(path: Path) -> str:
    """Return the dotted name of a file below ROOT; a package's `__init__` has the package's."""
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def find_modules() -> dict[str, Path]:
    """Return every module of the tree that the rules are about, by its dotted name."""
    files = []
    for source in SOURCES:
        path = ROOT / source
        files += sorted(path.rglob("*.py")) if path.is_dir() else [path]
    return {module_name(path): path for path in files if "node_modules" not in path.parts}


def find_imports() -> list[Import]:
    """Return the imports of all modules, without those of the standard library."""
    modules = find_modules()
    return [
        found
        for name, path in modules.items()
        for found in imports_of(
            name, str(path.relative_to(ROOT)), path.read_text(encoding="utf-8"), set(modules)
        )
    ]


def imports_of(name: str, file: str, text: str, modules: set[str]) -> Iterator[Import]:
    """Yield the imports of one module; `modules` are all modules of the tree."""
    for node, is_eager, is_typing in _statements(ast.parse(text).body):
        for imported in dict.fromkeys(_targets(node, modules)):
            first = imported.split(".")[0]
            if first in sys.stdlib_module_names:
                continue
            is_library = first not in OURS
            target = first if is_library else imported
            yield Import(name, target, is_library, is_eager, is_typing, f"{file}:{node.lineno}")


def _targets(node: ast.Import | ast.ImportFrom, modules: set[str]) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
        return
    if node.level or node.module is None:
        raise ValueError(f"line {node.lineno}: relative import; write the module's full name")
    for alias in node.names:
        submodule = f"{node.module}.{alias.name}"
        if submodule in modules:
            yield submodule
        # Importing any module of `app` runs app/__init__.py already: asking it for the path of
        # the tree adds no dependency.
        elif (node.module, alias.name) != ("app", "ROOT"):
            yield node.module


def _statements(
    body: list[ast.stmt], is_eager: bool = True, is_typing: bool = False
) -> Iterator[tuple[ast.Import | ast.ImportFrom, bool, bool]]:
    for node in body:
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield node, is_eager, is_typing
            continue
        is_function = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        below_typing = isinstance(node, ast.If) and _is_type_checking(node.test)
        for field in ("body", "orelse", "finalbody"):
            yield from _statements(
                getattr(node, field, []),
                is_eager and not is_function and not below_typing,
                is_typing or (below_typing and field == "body"),
            )
        for part in [*getattr(node, "handlers", []), *getattr(node, "cases", [])]:
            yield from _statements(part.body, is_eager and not is_function, is_typing)


def _is_type_checking(test: ast.expr) -> bool:
    return isinstance(test, ast.Name) and test.id == "TYPE_CHECKING"
