# SPDX-License-Identifier: Apache-2.0
"""Every path that CONTRIBUTING.md and docs/architecture.md name is there."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from app import ROOT
from tools.import_picture import BEGIN, END
from tools.imports import module_name

# A path in back-quotes: with a folder, or with a suffix that the tree has.
PATH = re.compile(r"`(?!/|https?:)([\w.-]+(?:/[\w.*-]+)*/?)`")
SUFFIXES = {".c", ".css", ".html", ".in", ".js", ".md", ".mjs", ".py", ".sh", ".toml", ".txt"}
MADE = (".cache/",)  # by ./test
# In architecture.md, a file after one in the same folder goes by its name alone.
SHELVES = ("static/js", "app/web/routes", "app/tracer")


def by_hand(document: str) -> str:
    """Return a document without what tools/import_picture.py made of the tree."""
    text = (ROOT / document).read_text(encoding="utf-8")
    return text.partition(BEGIN)[0] + text.partition(END)[2]


def named(text: str) -> Iterator[str]:
    for path in PATH.findall(text):
        last = path.rstrip("/").rpartition("/")[2]
        if not path.startswith(MADE) and ("/" in path or f".{last.rpartition('.')[2]}" in SUFFIXES):
            yield path


def exists(path: str) -> bool:
    """Whether it is there; NAME stands for any name, so its folder must be."""
    if "NAME" in path:
        return (ROOT / path).parent.is_dir()
    return any(any(ROOT.glob(f"{folder}{path}")) for folder in ("", *(f"{s}/**/" for s in SHELVES)))


@pytest.mark.parametrize("document", ["CONTRIBUTING.md", "docs/architecture.md"])
def test_every_path_exists(document: str) -> None:
    paths = sorted(set(named(by_hand(document))))
    assert len(paths) > 20
    assert [path for path in paths if not exists(path)] == []


def test_every_module_that_is_run_exists() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    names = set(re.findall(r"python3? -m ((?:tests|tools|app)[\w.]+)", text))
    assert names >= {"tests.support.answers", "tools.import_picture"}
    modules = {module_name(path) for path in ROOT.glob("t*/**/*.py")}
    assert names <= modules


def test_what_counts_as_a_path() -> None:
    text = (
        "`app/web/`, `app/config.py`, `README.md`, `/proc/x`, `Settings.checked`, `a b/c`, `lint`"
    )
    assert list(named(text)) == ["app/web/", "app/config.py", "README.md"]
    assert not exists("app/nowhere.py")
    assert exists("app/web/routes/NAME.py")
