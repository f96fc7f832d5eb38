# SPDX-License-Identifier: Apache-2.0
"""Nothing outside of the presets' folders knows what a deletion is: any target is a plan.

The page and the documents do, as its users look for deletions first.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from app import ROOT

WORDS = re.compile(r"deletion|delet(?:e|ing) a file|unlink|rmdir|renam", re.IGNORECASE)
PRESETS = (ROOT / "app/presets", ROOT / "bpf/presets")
# What is meant by a word otherwise.
OTHERWISE = (
    r"os\.(?:rename|unlink|rmdir)\(|\.(?:rename|unlink|rmdir)\(",  # files of our own
    r"presets[./]deletions",  # where somebody uses what the preset has
)
# Files whose words are about something else, or that must know; and why.
KNOWING = {
    "app/columns/planner.py": "columns are renamed by `as`",
    "app/kernel/__main__.py": "checks the modes by what they trace without a target",
    "app/linux/paths.py": "who may rename files",
    "app/linux/syscalls.py": "numbers and arguments of system calls",
    "app/machine/kernels.py": "a folder is renamed",
    "app/server/gunicorn_api.py": "what gunicorn has renamed",
    "app/tracer/template.py": "the offsets of the preset's programs have slots",
    "app/web/routes/probes.py": "tells users what is traced without a target",
}


def files() -> list[Path]:
    found = [*(ROOT / "app").rglob("*.py"), *(ROOT / "bpf").rglob("*.c")]
    return [path for path in found if not any(path.is_relative_to(folder) for folder in PRESETS)]


def knowing_lines(path: Path) -> list[str]:
    lines = path.read_text().splitlines()
    return [line for line in lines if WORDS.search(re.sub("|".join(OTHERWISE), "", line))]


def test_only_presets_know_a_deletion() -> None:
    assert len(files()) > 200
    found = {str(path.relative_to(ROOT)): knowing_lines(path) for path in files()}
    assert {name: lines for name, lines in found.items() if lines and name not in KNOWING} == {}
    assert [name for name in KNOWING if not found.get(name)] == []


@pytest.mark.parametrize(
    ("line", "is_found"),
    [
        ('if target.name == "deletions":', True),
        ('calls = ("unlinkat", "renameat2")', True),
        ("os.rename(path, name)", False),
        ("path.unlink(missing_ok=True)", False),
        ("from app.presets.deletions.own_plan import own_plan", False),
    ],
)
def test_what_is_found(tmp_path: Path, line: str, is_found: bool) -> None:
    path = tmp_path / "module.py"
    path.write_text(line)
    assert bool(knowing_lines(path)) == is_found
