# SPDX-License-Identifier: Apache-2.0
"""The page's modules as one: what each exports is what node finds, and errors lead to its lines."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
from base64 import b64decode
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from app import ROOT
from app.web.bundle import BASE64, Bundle, Module, mappings

PAGE = """
<link rel="stylesheet" href="/static/a.css">
<script type="module" src="/static/a.js"></script>
"""
STATIC = ROOT / "static"
MODULES = [*sorted(STATIC.glob("js/**/*.js")), *sorted(STATIC.glob("vendor/*.mjs"))]


def bundle(folder: Path, **modules: str) -> Bundle:
    for name, text in modules.items():
        (folder / f"{name}.js").write_text(text)
    (folder / "a.css").write_text("p {}")
    return Bundle(PAGE, folder)


def script(made: Bundle) -> str:
    (path,) = re.findall(r'src="/static/built/([^"]*)"', made.page(PAGE))
    file = made.file(path)
    assert file is not None
    return file.content.decode()


def run(made: Bundle, folder: Path) -> str:
    (folder / "built.mjs").write_text(script(made))
    return subprocess.run(
        ["node", folder / "built.mjs"], capture_output=True, text=True, check=True
    ).stdout


def test_every_form_of_import(tmp_path: Path) -> None:
    made = bundle(
        tmp_path,
        a='import def from "./b.js";\nimport { one, two as zwei } from "./b.js";\n'
        'import {\n  Three,\n  four,\n} from "./b.js";\n'
        'const { five } = await import("./c.js");\n'
        "console.log(def, one, zwei(), new Three().it, [...four()], five);\n",
        b='// export const no = 1;\nimport { deep } from "./c.js";\n'
        "const inner = deep;\nexport const one = 1;\nexport function two() {\n  return 2;\n}\n"
        "export class Three {\n  it = 3;\n}\nexport function* four() {\n  yield 4;\n}\n"
        "export { inner as default };\n",
        c='export const deep = "deep";\nexport const five = 5;\n',
    )
    assert run(made, tmp_path) == "deep 1 2 3 [ 4 ] 5\n"


@pytest.mark.parametrize(
    "text",
    [
        "export let a = 1;",
        "export default 1;",
        'export * from "./b.js";',
        'import * as b from "./b.js";',
        'import "./b.js";',
        'import b from "b";',
        "const b = await import(name);",
        "console.log(import.meta.url);",
        'import { a } from "./a.js";',  # of itself
    ],
)
def test_what_is_not_understood_is_an_error(tmp_path: Path, text: str) -> None:
    with pytest.raises(ValueError, match=r"/static/a\.js"):
        bundle(tmp_path, a=text, b="export const a = 1;")


def test_each_module_of_the_page_exports_what_node_says(tmp_path: Path) -> None:
    reader = tmp_path / "exports.mjs"
    reader.write_text(
        "const found = {};\n"
        "for (const path of process.argv.slice(2))\n"
        "  found[path] = Object.keys(await import(path));\n"
        "console.log(JSON.stringify(found));\n"
    )
    # These two do something when they are loaded, in a page, and export nothing.
    paths = [path for path in MODULES if path.name not in ("main.js", "first-paint.js")]
    found = json.loads(subprocess.check_output(["node", reader, *paths], text=True))
    for path in paths:
        module = Module(f"/{path.relative_to(ROOT)}", path.read_text())
        assert sorted(module.exports()) == sorted(found[str(path)]), path


def test_the_page_asks_for_few_files_that_can_be_kept(client: FlaskClient) -> None:
    html = client.get("/").text
    # Of all that the page has to load: its documents' own references.
    addresses = re.findall(r'(?:src|href)="(/[^"]*)"', html)
    assert len(set(addresses)) <= 5
    for address, integrity in re.findall(
        r'"(/static/built/[^"]*)" integrity="sha256-([^"]*)"', html
    ):
        answer = client.get(address)
        assert answer.headers["Cache-Control"] == "private, max-age=31536000, immutable"
        assert hashlib.sha256(answer.data).digest() == b64decode(integrity)
    assert client.get("/static/built/page.0.js").status_code == 404


def test_every_line_is_mapped_to_where_it_is_from(client: FlaskClient) -> None:
    (address,) = re.findall(r'src="(/static/built/[^"]*)"', client.get("/").text)
    text = client.get(address).text
    (source_map,) = re.findall(r"^//# sourceMappingURL=(.*)$", text, re.MULTILINE)
    document = client.get(source_map).json
    lines = text.split("\n")
    mapped = document["mappings"].split(";")
    assert len(mapped) == len(lines) - 2
    source = line = checked = 0
    sources = [(ROOT / name[1:]).read_text().split("\n") for name in document["sources"]]
    for built, segment in zip(lines, mapped, strict=False):
        if not segment:
            assert re.fullmatch(r"const \$m\d+ = \(\(\) => \{|return \{.*\};|\}\)\(\);", built)
            continue
        _, by_source, by_line, _ = decoded(segment)
        source, line = source + by_source, line + by_line
        original = sources[source][line]
        if original == built:
            checked += 1
        elif built:
            assert re.search(r"import|export|^}? ?(from|\w+,?$)|^  \w+,$", original), original
    assert checked > 10_000


def decoded(segment: str) -> list[int]:
    values, value, shift = [], 0, 0
    for digit in map(BASE64.index, segment):
        value |= (digit & 31) << shift
        shift += 5
        if not digit & 32:
            values.append(-(value >> 1) if value & 1 else value >> 1)
            value = shift = 0
    return values


@pytest.mark.parametrize("line", [0, 1, 15, 16, 17, 1023, 1024, 100_000])
def test_numbers_of_a_source_map(line: int) -> None:
    text = mappings([(0, line), (0, 0), None, (1, line)])
    first, back, nothing, other = text.split(";")
    assert decoded(first) == [0, 0, line, 0]
    assert decoded(back) == [0, 0, -line, 0]
    assert nothing == ""
    assert decoded(other) == [0, 1, line, 0]
