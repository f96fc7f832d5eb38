# SPDX-License-Identifier: Apache-2.0
"""The page's modules and style sheets, bundled into one file each when the service starts.

The files under `static/` are edited, tested and debugged as they are; unbundled, a browser would
request some 140 of them at every load. Each module becomes a function that returns its exports,
line for line, so that a source map leads back to it. Only the forms of `import` and `export` that
the page uses are supported: any other is an error at the start, not a page that half works.
"""

from __future__ import annotations

import base64
import hashlib
import json
import posixpath
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

FOLDER = "/static/built/"
STYLESHEET = re.compile(r'^ *<link rel="stylesheet" href="(/static/[^"]+)">\n', re.MULTILINE)
SCRIPT = re.compile(r'<script type="module" src="(/static/[^"]+)"></script>')
MAP_COMMENT = "//# sourceMappingURL="

IMPORT = re.compile(r'^import (?:(\w+)|\{([^{}]*)\}) from "([^"]+)";', re.MULTILINE)
LAZY_IMPORT = re.compile(r'\bimport\("([^"]+)"\)')
DECLARED = re.compile(r"^export (?:(?:async )?function\*? ?|class |const )(\w+)", re.MULTILINE)
LISTED = re.compile(r"^export \{([^{}]*)\};?", re.MULTILINE)
COMMENT = re.compile(r"^/\*.*?\*/", re.MULTILINE | re.DOTALL)
NOT_KNOWN = re.compile(r"^(?:import|export)\b.*|\bimport\s*[(.].*", re.MULTILINE)
BASE64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"


@dataclass(frozen=True)
class File:
    """A file with a digest of its content in its name: it never changes, and can be cached."""

    name: str
    content: bytes
    media_type: str

    @classmethod
    def of(cls, stem: str, extension: str, content: bytes, media_type: str) -> File:
        digest = hashlib.sha256(content).hexdigest()[:16]
        return cls(f"{stem}.{digest}.{extension}", content, media_type)

    @property
    def integrity(self) -> str:
        """The value of Subresource Integrity: a browser runs nothing else, even from its cache."""
        return "sha256-" + base64.b64encode(hashlib.sha256(self.content).digest()).decode()


class Bundle:
    """The files that `page` (HTML, from the template) needs; `static` is their folder."""

    def __init__(self, page: str, static: Path) -> None:
        self._static = static
        self._styles = self._built_styles(STYLESHEET.findall(page))
        scripts = SCRIPT.findall(page)
        if len(scripts) != 1:
            raise ValueError(f"The page must have one module script, not {scripts}")
        self._script, source_map = self._built_script(scripts[0])
        self._files = {each.name: each for each in (self._styles, self._script, source_map)}

    def file(self, name: str) -> File | None:
        return self._files.get(name)

    def page(self, html: str) -> str:
        """Return `html` with its references replaced by one script and one style sheet."""
        script, styles = self._script, self._styles
        link = (
            f'    <link rel="stylesheet" href="{FOLDER}{styles.name}" '
            f'integrity="{styles.integrity}">\n'
        )
        first = STYLESHEET.search(html)
        assert first is not None
        html = html[: first.start()] + link + STYLESHEET.sub("", html[first.end() :])
        return SCRIPT.sub(
            f'<script type="module" src="{FOLDER}{script.name}" '
            f'integrity="{script.integrity}"></script>',
            html,
        )

    def _built_styles(self, paths: list[str]) -> File:
        texts = [f"/* {path} */\n{self._read(path)}" for path in paths]
        return File.of("page", "css", "\n".join(texts).encode(), "text/css")

    def _built_script(self, entry: str) -> tuple[File, File]:
        modules = [Module(path, self._read(path)) for path in self._in_order(entry)]
        names = {module.path: f"$m{number}" for number, module in enumerate(modules)}
        lines: list[str] = []
        origins: list[tuple[int, int] | None] = []  # of each line: module and line in it
        for number, module in enumerate(modules):
            body = module.linked(names).split("\n")
            is_entry = module.path == entry
            before = [] if is_entry else [f"const {names[module.path]} = (() => {{"]
            after = [] if is_entry else [f"return {module.namespace()};", "})();"]
            lines += [*before, *body, *after]
            origins += [None] * len(before)
            origins += [(number, line) for line in range(len(body))]
            origins += [None] * len(after)
        document = {
            "version": 3,
            "sources": [module.path for module in modules],
            "names": [],
            "mappings": mappings(origins),
        }
        source_map = File.of("page", "js.map", json.dumps(document).encode(), "application/json")
        text = "\n".join([*lines, f"{MAP_COMMENT}{FOLDER}{source_map.name}", ""])
        return File.of("page", "js", text.encode(), "text/javascript"), source_map

    def _in_order(self, entry: str) -> list[str]:
        """Return the modules, each after those that it imports; raise ValueError for a cycle."""
        order: list[str] = []
        begun: set[str] = set()

        def visit(path: str) -> None:
            if path in order:
                return
            if path in begun:
                raise ValueError(f"{path} imports itself through other modules: break the cycle")
            begun.add(path)
            for needed in Module(path, self._read(path)).imports():
                visit(needed)
            order.append(path)

        visit(entry)
        return order

    def _read(self, path: str) -> str:
        return (self._static / path.removeprefix("/static/")).read_text(encoding="utf-8")


class Module:
    """The text of an ES module; `path` is its address, `/static/js/main.js`."""

    def __init__(self, path: str, text: str) -> None:
        self.path = path
        # An `export` in a comment exports nothing; other comments, such as licences, are preserved.
        self._text = COMMENT.sub(
            lambda found: "\n" * found[0].count("\n") if "\nexport " in found[0] else found[0], text
        )

    def imports(self) -> Iterator[str]:
        """Yield the addresses of imported modules, including those loaded lazily."""
        for found in IMPORT.finditer(self._text):
            yield self._address(found[3])
        for found in LAZY_IMPORT.finditer(self._text):
            yield self._address(found[1])

    def exports(self) -> dict[str, str]:
        """Return exported name -> local name."""
        found = {name: name for name in DECLARED.findall(self._text)}
        for names in LISTED.findall(self._text):
            for inner, outer in _pairs(names):
                found[outer] = inner
        return found

    def namespace(self) -> str:
        """Return an expression for the module's exports."""
        members = [f"{outer}: {inner}" for outer, inner in self.exports().items()]
        return f"{{ {', '.join(members)} }}"

    def linked(self, names: dict[str, str]) -> str:
        """Return the text, with as many lines, that uses the variables `names` for modules.

        Raises ValueError for an unsupported `import` or `export`.
        """

        def bound(found: re.Match[str]) -> str:
            default, listed, path = found.groups()
            pairs = [("default", default)] if default else list(_pairs(listed))
            targets = ", ".join(f"{outer}: {inner}" for outer, inner in pairs)
            filling = "\n" * found[0].count("\n")
            return f"const {{ {targets} }} = {names[self._address(path)]};{filling}"

        text = IMPORT.sub(bound, self._text)
        text = LAZY_IMPORT.sub(
            lambda found: f"Promise.resolve({names[self._address(found[1])]})", text
        )
        text = LISTED.sub(lambda found: "\n" * found[0].count("\n"), text)
        text = DECLARED.sub(lambda found: found[0].removeprefix("export "), text)
        if strange := NOT_KNOWN.search(_without_comments(text)):
            raise ValueError(f"{self.path}: cannot bundle {strange[0]!r}")
        return text

    def _address(self, relative: str) -> str:
        if not relative.startswith("."):
            raise ValueError(f"{self.path}: cannot bundle a module named {relative!r}")
        return posixpath.normpath(posixpath.join(posixpath.dirname(self.path), relative))


def _pairs(names: str) -> Iterator[tuple[str, str]]:
    """Split `a, b as c` into (a, a), (b, c)."""
    for each in names.split(","):
        if words := each.split():
            yield words[0], words[-1]


def _without_comments(text: str) -> str:
    """Remove comments that begin a line: they may mention imports."""
    return re.sub(r"^\s*(?://|/?\*).*$", "", text, flags=re.MULTILINE)


def mappings(origins: list[tuple[int, int] | None]) -> str:
    """Return the `mappings` of a source map (ECMA-426): the origin of each line of the text."""
    text, source, line = [], 0, 0
    for origin in origins:
        if origin is None:
            text.append("")
            continue
        text.append("A" + _vlq(origin[0] - source) + _vlq(origin[1] - line) + "A")
        source, line = origin
    return ";".join(text)


def _vlq(value: int) -> str:
    """Encode as base 64 VLQ: five bits a digit, lowest first; bit 0 is the sign."""
    rest = abs(value) << 1 | (value < 0)
    digits = ""
    while True:
        digit, rest = rest & 31, rest >> 5
        digits += BASE64[digit | (32 if rest else 0)]
        if not rest:
            return digits
