# SPDX-License-Identifier: Apache-2.0
"""Every import is allowed by tools/import_rules.py, and every entry there is used."""

from __future__ import annotations

from collections import defaultdict
from graphlib import CycleError, TopologicalSorter
from textwrap import dedent

import pytest

from tools.import_rules import PROCESSES, RULES, WITHOUT_RULE, rule_name
from tools.imports import Import, find_imports, find_modules, imports_of

IMPORTS = find_imports()
MODULES = find_modules()


def is_allowed(found: Import) -> bool:
    name = rule_name(found.module)
    if name is None:
        return False
    if found.is_library:
        return found.target in RULES[name].libraries
    target = rule_name(found.target)
    return target == name or target in RULES[name].ours


def test_there_is_something_to_check() -> None:
    assert len(MODULES) > 100
    assert len(IMPORTS) > 300


def test_every_module_has_a_rule() -> None:
    assert [module for module in MODULES if rule_name(module) is None] == []


def test_every_package_has_a_rule_of_its_own() -> None:
    """A folder of app/ with modules, rather than leaving them to the folder above."""
    folders = [name for name, path in MODULES.items() if path.name == "__init__.py"]
    assert [name for name in folders if name not in RULES] == []


def test_every_import_is_allowed() -> None:
    wrong = [
        f"{found.where}: {found.module} imports {found.target}"
        for found in IMPORTS
        if not is_allowed(found)
    ]
    assert wrong == []


def test_imported_modules_exist() -> None:
    wrong = [
        f"{found.where}: {found.target}"
        for found in IMPORTS
        if not found.is_library
        and found.target not in MODULES
        and rule_name(found.target) not in WITHOUT_RULE
    ]
    assert wrong == []


def test_every_rule_and_every_entry_is_used() -> None:
    used = defaultdict(set)
    for found in IMPORTS:
        name = rule_name(found.module)
        used[name].add(found.target if found.is_library else rule_name(found.target))
    unused = [name for name in RULES if not any(rule_name(module) == name for module in MODULES)]
    unused += [
        f"{name}: {entry}"
        for name, rule in RULES.items()
        for entry in (*rule.ours, *rule.libraries)
        if entry not in used[name]
    ]
    assert unused == []


def test_rules_name_only_rules_above_them() -> None:
    """So there are no cycles between packages."""
    above: set[str] = set(WITHOUT_RULE)
    wrong = []
    for name, rule in RULES.items():
        wrong += [f"{name}: {entry}" for entry in rule.ours if entry not in above]
        above.add(name)
    assert wrong == []


def test_no_cycle_between_modules() -> None:
    graph: dict[str, set[str]] = defaultdict(set)
    for found in IMPORTS:
        if not found.is_library and found.target != found.module:
            graph[found.module].add(found.target)
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(" imports ".join(reversed(error.args[1])))


@pytest.mark.parametrize("start", PROCESSES)
def test_a_process_loads_no_other_library(start: str) -> None:
    """Followed through all modules; the parents of a module are imported before it."""
    assert start in MODULES
    by_module = defaultdict(list)
    for found in IMPORTS:
        if not found.is_typing:
            by_module[found.module].append(found)
    seen: dict[str, str] = {}
    libraries: dict[str, str] = {}
    todo = [(start, start)]
    while todo:
        module, way = todo.pop()
        if module in seen:
            continue
        seen[module] = way
        todo += [(parent, way) for parent in parents(module)]
        for found in by_module[module]:
            if module == "app" and not found.is_eager:
                continue  # create_app(), which only wsgi.py calls
            if found.is_library:
                libraries[found.target] = way
            else:
                todo.append((found.target, f"{way}, {found.target}"))
    assert "app" in seen
    assert set(libraries) == set(PROCESSES[start]), libraries


def parents(module: str) -> list[str]:
    parts = module.split(".")
    names = [".".join(parts[:length]) for length in range(1, len(parts))]
    return [name for name in names if name in MODULES]


def test_only_wsgi_makes_the_application() -> None:
    assert {found.module for found in IMPORTS if found.target == "app"} == {"wsgi"}


def test_imports_are_found_wherever_they_are() -> None:
    text = dedent(
        """
        import json
        import numpy.linalg
        from app import ROOT, config
        from app.linux.bpf import program
        if TYPE_CHECKING:
            from flask import Flask
        def later():
            with open("x"):
                from app.hub import Hub
            try:
                pass
            except OSError:
                import bcc
            match x:
                case 1:
                    import gunicorn.config
        class Body:
            import wsgi
        """
    )
    found = {
        it.target: (it.is_library, it.is_eager, it.is_typing)
        for it in imports_of("app.columns", "here", text, {"app.config", "app.linux.bpf"})
    }
    assert found == {
        "numpy": (True, True, False),
        "app.config": (False, True, False),
        "app.linux.bpf": (False, True, False),
        "flask": (True, False, True),
        "app.hub": (False, False, False),
        "bcc": (True, False, False),
        "gunicorn": (True, False, False),
        "wsgi": (False, True, False),
    }
    with pytest.raises(ValueError, match="relative"):
        list(imports_of("app.columns", "here", "from . import names", set()))


def test_a_module_belongs_to_the_longest_name() -> None:
    assert rule_name("app.kernel.hints") == "app.kernel"
    assert rule_name("app.tracer.compile") == "app.tracer.compile"
    assert rule_name("app.kernels") is None
    assert rule_name("app") == "app"
    assert rule_name("tests.support.calls") == "tests.support"
