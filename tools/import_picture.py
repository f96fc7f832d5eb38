# SPDX-License-Identifier: Apache-2.0
"""Draw the packages of app/ and their imports into docs/architecture.md.

`python3 -m tools.import_picture` rewrites the part between the two marks; a test checks that it
is current. Everything there is read from the source: what a package holds from the first line of
its docstring, arrows from its imports.
"""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Mapping

from tools.import_rules import RULES, rule_name
from tools.imports import ROOT, find_imports, find_modules

DOCUMENT = ROOT / "docs/architecture.md"
BEGIN = "<!-- Made by tools/import_picture.py: do not edit. -->\n"
END = "<!-- End of what tools/import_picture.py made. -->\n"
# Imported by most of the others, and importing nothing of the tree: left out of the picture.
COMMON = ("app.config", "app.errors", "app.linux", "app.timestamps", "app.version")


def edges() -> dict[str, set[str]]:
    """Return what each rule's modules import, by the names of the rules, within the service."""
    found: dict[str, set[str]] = {name: set() for name in RULES if is_drawn(name)}
    for it in find_imports():
        if it.is_library:
            continue
        source, target = rule_name(it.module), rule_name(it.target)
        if source in found and target in found and source != target:
            found[source].add(target)
    return found


def is_drawn(name: str) -> bool:
    return name not in COMMON and (name == "wsgi" or name.split(".", maxsplit=1)[0] == "app")


def reduced(graph: Mapping[str, set[str]]) -> dict[str, set[str]]:
    """Return the graph, which has no cycle, without edges that a longer path implies."""
    below: dict[str, set[str]] = {}

    def reach(name: str) -> set[str]:
        if name not in below:
            below[name] = set().union(graph[name], *map(reach, graph[name]))
        return below[name]

    return {
        name: {to for to in targets if not any(to in reach(other) for other in targets - {to})}
        for name, targets in graph.items()
    }


def shown(name: str) -> str:
    """Return a rule's name as the picture has it."""
    return "app/__init__" if name == "app" else name.removeprefix("app.").replace(".", "/")


def picture(graph: Mapping[str, set[str]]) -> str:
    """Return a graph as Mermaid: one arrow from each importer to what it imports."""
    ids = {name: name.replace(".", "_") for name in graph}
    lines = ["flowchart TD"]
    lines += [f'    {ids[name]}["{shown(name)}"]' for name in graph]
    lines += [
        f"    {ids[name]} --> {ids[target]}" for name in graph for target in sorted(graph[name])
    ]
    return "\n".join(["```mermaid", *lines, "```"])


def packages() -> str:
    """Return a table of the packages of app/, with the first line of each docstring."""
    lines = ["| package | what it holds |", "|---|---|"]
    for name, path in find_modules().items():
        if path.name == "__init__.py" and name.startswith("app."):
            text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
            first, _, rest = text.partition("\n")
            if rest and not rest.startswith("\n"):
                raise ValueError(f"{path}: the docstring's first sentence must fit on one line")
            lines.append(f"| `{name.replace('.', '/')}/` | {first} |")
    return "\n".join(lines)


def libraries() -> str:
    """Return a table of the libraries, with the rules that may import each."""
    importers = defaultdict(list)
    for name in filter(is_drawn, RULES):
        for library in RULES[name].libraries:
            if library != "_typeshed":  # for mypy only; no such package is installed
                importers[library].append(f"`{shown(name)}`")
    lines = ["| library | imported by |", "|---|---|"]
    lines += [f"| {library} | {', '.join(importers[library])} |" for library in sorted(importers)]
    return "\n".join(lines)


def importers_of_common() -> str:
    """Return a sentence on the modules that are left out, by how many rules import them."""
    importers = defaultdict(set)
    for it in find_imports():
        importers[rule_name(it.target)].add(rule_name(it.module))
    names = [f"`{name.replace('.', '/')}` ({len(importers[name] - {name})})" for name in COMMON]
    return (
        f"Not drawn, with how many others import each: {', '.join(names)}.\n"
        "An arrow is left out where a longer path says the same."
    )


def made() -> str:
    """Return all that belongs between the marks."""
    parts = [packages(), picture(reduced(edges())), importers_of_common(), libraries()]
    return "\n\n".join(parts) + "\n"


def with_picture(document: str) -> str:
    """Return the document with the part between the marks replaced; raises ValueError."""
    before, begin, rest = document.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"{DOCUMENT}: the marks are missing")
    return f"{before}{BEGIN}\n{made()}\n{END}{after}"


if __name__ == "__main__":
    DOCUMENT.write_text(with_picture(DOCUMENT.read_text(encoding="utf-8")), encoding="utf-8")
