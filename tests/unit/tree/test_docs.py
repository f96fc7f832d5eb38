# SPDX-License-Identifier: Apache-2.0
"""What a user can name is documented: routes, members, codes, modes, columns, settings."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from dataclasses import fields
from functools import cache
from http import HTTPStatus
from itertools import product
from pathlib import Path

import pytest
from flask import Flask

from app import ROOT, create_app
from app.config import Settings, as_text
from app.hub import Hub
from app.presets.deletions.columns import columns_of
from app.presets.deletions.not_seen import ALL, NOT_SEEN
from app.presets.table import PRESETS
from app.probes.manager import ProbeManager
from app.probes.modes import MODES
from app.probes.spec import MODES_OF_KIND, Filter, ProbeSpec
from app.web.api.problem import CODES
from app.web.api.requests import FilterChangeSchema, FilterSchema, SpecSchema
from app.web.context import Service
from app.web.stream_limit import StreamLimit

PROTOCOL = (ROOT / "docs/protocol.md").read_text()
SETTINGS = (ROOT / "docs/settings.md").read_text()
README = (ROOT / "README.md").read_text()
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
PAGES += [page for page in (ROOT / "CONTRIBUTING.md",) if page.exists()]
# The tests of the tree hold the paths of the others.
WITH_PATHS = [page for page in PAGES if page.name not in ("architecture.md", "CONTRIBUTING.md")]


@cache
def application() -> Flask:
    settings = Settings()
    hub = Hub(1, 1)
    return create_app(Service(settings, hub, ProbeManager(settings, hub), StreamLimit(1)))


def routes() -> list[tuple[str, str]]:
    """Method and path of every route, paths as the documents write them."""
    found = []
    for rule in application().url_map.iter_rules():
        path = re.sub(r"<string:probe_id>", "{id}", rule.rule)
        path = re.sub(r"/functions/<string:name>", "/functions/{name}", path)
        path = re.sub(r"<path:filename>|(?<=built/)<string:name>", "", path)
        methods = (rule.methods or {"GET"}) - {"HEAD", "OPTIONS"}
        found.extend((method, path) for method in methods)
    return sorted(found)


def constants(code: ast.expr, assigned: dict[str, list[ast.expr]]) -> Iterator[str]:
    """The codes that an expression may have: constants, one of two, or a name for those."""
    if isinstance(code, ast.Constant):
        yield code.value
    elif isinstance(code, ast.IfExp):
        yield from constants(code.body, assigned)
        yield from constants(code.orelse, assigned)
    elif isinstance(code, ast.Name):
        for value in assigned.get(code.id, []):
            yield from constants(value, {})


def raised_codes() -> Iterator[tuple[str, int | None, str]]:
    """Every `ProbedeckError(status, "code", …)` in the sources, with its place."""
    for path in sorted((ROOT / "app").rglob("*.py")):
        nodes = list(ast.walk(ast.parse(path.read_text())))
        assigned: dict[str, list[ast.expr]] = {}
        for node in nodes:
            if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
                assigned.setdefault(node.targets[0].id, []).append(node.value)
        for node in nodes:
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name)):
                continue
            if node.func.id == "ProbedeckError" and len(node.args) >= 2:
                status, code = node.args[:2]
                number = status.value if isinstance(status, ast.Constant) else None
                for each in constants(code, assigned):
                    yield f"{path.relative_to(ROOT)}:{node.lineno}", number, each


def documented_codes() -> dict[str, set[int]]:
    """The table of codes: code -> its statuses."""
    section = PROTOCOL.split("### Codes")[1].split("\n### ")[0]
    table: dict[str, set[int]] = {}
    for statuses, codes in re.findall(r"^\| ([0-9, ]*)\| ([^|]*) \|", section, re.MULTILINE):
        for code in re.findall(r"`([a-z_]+)`", codes):
            table.setdefault(code, set()).update(int(s) for s in re.findall(r"\d+", statuses))
    return table


@pytest.mark.parametrize(("method", "path"), routes())
def test_routes(method: str, path: str) -> None:
    calls = re.findall(r"`(GET|POST|PATCH|DELETE) ([^`?]*)[^`]*`", PROTOCOL)
    assert (method, path) in calls or f"`{path}`" in PROTOCOL


def test_no_route_is_documented_that_is_not_there() -> None:
    table = PROTOCOL.split("| call | answer |")[1].split("\n\n")[0]
    documented = re.findall(r"^\| `([A-Z]+) ([^`?]*)", table, re.MULTILINE)
    assert len(documented) > 10
    assert set(documented) <= set(routes())


def test_each_row_is_there_once() -> None:
    """Of the tables of calls and codes, to which several branches add."""
    calls = re.findall(r"^\| `([A-Z]+ [^`?]*)", PROTOCOL, re.MULTILINE)
    codes = re.findall(r"^\| ([0-9]+ \| `[a-z_]+`)", PROTOCOL, re.MULTILINE)
    for rows in (calls, codes):
        assert len(rows) > 10
        assert sorted(rows) == sorted(set(rows))


def test_codes() -> None:
    table = documented_codes()
    raised = list(raised_codes())
    assert len(raised) > 20
    for place, status, code in raised:
        assert code in table, f"{place}: {code} is not in docs/protocol.md"
        if status is not None and table[code]:
            assert status in table[code], f"{place}: {code} is documented for another status"
    for status, code in CODES.items():
        assert status in table[code]
    for statuses in table.values():
        for status in statuses:
            HTTPStatus(status)  # raises for what is no status
    assert set(table) == {code for _, _, code in raised} | set(CODES.values())


@pytest.mark.parametrize("mode", MODES.values(), ids=lambda mode: mode.name)
def test_modes_and_their_columns(mode: object) -> None:
    assert f"| `{mode.name}` |" in README  # type: ignore[attr-defined]
    for column in columns_of(mode.name):  # type: ignore[attr-defined]
        assert re.search(rf"^\| `{column.name}` \| ", PROTOCOL, re.MULTILINE)


def test_filters() -> None:
    """One declaration, one documentation, one thing that is traced by."""
    names = {field.name for field in fields(Filter)}
    assert set(FilterSchema().fields) == names
    for name in names:
        assert f"| `filter.{name}` |" in PROTOCOL
        assert f'"{name}"' in README


def test_what_is_not_seen() -> None:
    """The list is one: the README's table has each line, and no other."""
    table = README.split("| not seen | by |")[1].split("\n\n")[0]
    rows = re.findall(r"^\| ([^|-][^|]*) \| ([^|]*) \|$", table, re.MULTILINE)
    names = {ALL: "all modes"}
    assert rows == [
        (text, names.get(modes, ", ".join(f"`{mode}`" for mode in modes)))
        for modes, text in NOT_SEEN
    ]
    assert set(ALL) == set(MODES)


def test_members_of_a_start() -> None:
    accepted = set(SpecSchema().fields)
    in_spec = {field.name for field in fields(ProbeSpec)} - {"target"}
    assert accepted == in_spec | MODES_OF_KIND.keys()
    table = PROTOCOL.split("### Starting")[1].split("### A probe")[0]
    first_cells = "".join(re.findall(r"^\| (`[^|]*) \|", table, re.MULTILINE))
    documented = {name.split(".")[0] for name in re.findall(r"`([\w.]+)`", first_cells)}
    assert documented == accepted


def test_starts_in_the_readme() -> None:
    """The bodies that it sends are ones that the service takes."""
    calls = re.findall(r"-X (POST|PATCH) [^']*'[^']*' \\\n *-d '([^']*)'", README)
    assert len(calls) >= 7
    schemas = {"POST": SpecSchema(), "PATCH": FilterChangeSchema()}
    for method, body in calls:
        schemas[method].load(json.loads(body))  # raises for others


def test_presets_in_the_readme() -> None:
    table = README.split("localhost:5000/presets |")[1].split("```")[0]
    assert re.findall(r"^([a-z-]+)\t", table, re.MULTILINE) == list(PRESETS)


def queries() -> dict[str, list[str]]:
    """The query parameters of every call that has some, by its path."""
    paths = application().extensions["probedeck.api"].spec.to_dict()["paths"]
    names = {
        path: [each["name"] for each in call["get"].get("parameters", []) if each["in"] == "query"]
        for path, call in paths.items()
        if "get" in call
    }
    return {path: found for path, found in names.items() if found}


def test_queries() -> None:
    documented = re.findall(r"^\| `GET ([^`?]*)\?([^`]*)`", PROTOCOL, re.MULTILINE)
    assert {path: sorted(re.findall(r"(\w+)=", query)) for path, query in documented} == {
        path: sorted(names) for path, names in queries().items()
    }


@pytest.mark.parametrize("field", fields(Settings), ids=lambda field: field.name)
def test_settings(field: object) -> None:
    name: str = field.name  # type: ignore[attr-defined]
    option = "--" + name.replace("_", "-")
    row = re.search(rf"^\| `{option}` \| ([^|]*) \|", SETTINGS, re.MULTILINE)
    assert row, f"{option} is not in docs/settings.md"
    if name not in ("owner_uid", "trusted_peer"):  # whose defaults are told in words
        assert row[1] == f"`{as_text(field.default)}`"  # type: ignore[attr-defined]


def test_no_setting_is_documented_that_is_not_there() -> None:
    options = set(re.findall(r"^\| `--([a-z-]+)`", SETTINGS, re.MULTILINE))
    assert options == {field.name.replace("_", "-") for field in fields(Settings)}


def prose(page: Path) -> Iterator[tuple[int, str]]:
    """The lines of a page outside tables, code blocks and headings, with their numbers."""
    in_fence = in_long_item = False
    for number, line in enumerate(page.read_text().splitlines(), 1):
        text = line.strip()
        if text.startswith("```"):
            in_fence = not in_fence
        elif text and not in_fence:
            if not line.startswith(" "):
                in_long_item = re.match(r"\d\d\. ", line) is not None  # continued by 4 spaces
            is_code = line.startswith("    ") and not in_long_item
            if not is_code and not text.startswith(("|", "#", "![", "<!--")):
                yield number, text


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    text = page.read_text()
    for target in re.findall(r"\]\(([^)#:]+)\)", text):
        assert (page.parent / target).exists(), f"link to {target}"
    for target, section in re.findall(r"\]\((\w+\.md)\), \"([^\"]+)\"", text):
        headings = re.findall(r"^#+ (.*)$", (page.parent / target).read_text(), re.MULTILINE)
        assert section in headings, f"link to {section} in {target}"


def test_sections_that_the_sources_name_exist() -> None:
    """As in `docs/protocol.md, "A probe"`: a heading, or the bold beginning of a paragraph."""
    named = set()
    for folder, suffix in product(("app", "static/js", "tests/vectors"), ("py", "js", "md")):
        for path in sorted((ROOT / folder).rglob(f"*.{suffix}")):
            text = re.sub(r"\s*\n[\s#/*]*", " ", path.read_text())
            named |= set(re.findall(r"(docs/\w+\.md), \"([^\"]+)\"", text))
    assert len(named) >= 5
    for page, section in named:
        text = (ROOT / page).read_text()
        title = re.escape(section)
        assert re.search(rf"^#+ {title}$|^\*\*{title}\.?\*\*", text, re.MULTILINE), (page, section)


def is_in_tree(name: str) -> bool:
    """Whether a name, which may have a wildcard or lack `.py`, is a file or folder of the tree."""
    return any(ROOT.glob(name.rstrip("/"))) or (ROOT / f"{name}.py").is_file()


@pytest.mark.parametrize("page", WITH_PATHS, ids=lambda page: page.name)
def test_paths_exist(page: Path) -> None:
    folders = "app|benchmarks|bpf|docs|static|templates|tests|tools"
    text = page.read_text()
    named = re.findall(rf"`((?:{folders})/[^`\s]*)`", text)
    named += re.findall(r"`([\w./-]+\.(?:c|css|html|js|mjs|py|sh|svg))`", text)
    assert [name for name in named if not is_in_tree(name)] == []
    for module in re.findall(r"python -m ([a-z_]+\.[\w.]+\w)", text):
        path = module.replace(".", "/")
        assert is_in_tree(f"{path}.py") or is_in_tree(f"{path}/__main__.py"), module


@pytest.mark.parametrize(
    ("page", "message"),
    [
        ("README.md", "does not work here: "),
        (
            "README.md",
            "forbids it even to root; ./run --vm runs Probedeck on a kernel that allows it",
        ),
        ("README.md", "stopped on request"),
        ("docs/settings.md", "cannot be made: "),
        ("docs/settings.md", "Change that, or name another "),
        ("docs/systemd.md", "tracing file system cannot be used: "),
        ("docs/systemd.md", "the kernel has no function "),
        ("README.md", "the kernel refused to "),
    ],
)
def test_messages_are_quoted_as_they_are(page: str, message: str) -> None:
    assert message in (ROOT / page).read_text(), "the page no longer quotes it"
    sources = (path.read_text() for path in (ROOT / "app").rglob("*.py"))
    assert any(message in re.sub(r"\"\s*\n\s*f?\"", "", text) for text in sources)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_one_sentence_a_line(page: Path) -> None:
    """No line holds two sentences, and none ends within one."""
    for number, line in prose(page):
        text = re.sub(r"`[^`]*`", "x", re.sub(r"^(?:> ?|- |\d+\. )+", "", line))
        assert not re.search(r"[\w)\]*\"]{2}[.?!][*)]* +[A-Z*]", text), f"{number}: {line}"
        assert re.search(r"[.:?!][*)]*$", text), f"{number}: {line}"
