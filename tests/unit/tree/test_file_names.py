# SPDX-License-Identifier: Apache-2.0
"""No two files of one name: a name says which module is meant, whatever its folder."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import pytest

from app import ROOT

# Names that Python gives.
ALLOWED: dict[str, tuple[str, ...]] = {"app": ("__init__.py", "__main__.py"), "static/js": ()}


def files_by_name(folder: Path) -> dict[str, list[str]]:
    found = defaultdict(list)
    for path in sorted(folder.rglob("*")):
        if path.suffix in (".py", ".js"):
            found[path.name].append(str(path.relative_to(folder)))
    return found


# Of the C and the Python that know of the same thing; any other name is of one of the two.
IN_C_TOO = {"caller", "canary", "groups", "renames", "rings", "slots", "filter_tests"}


def test_c_and_python_have_one_name_for_one_thing() -> None:
    in_c = {path.stem for path in (ROOT / "bpf").rglob("*.c")}
    in_python = {path.stem for path in (ROOT / "app").rglob("*.py")}
    assert in_c & in_python == IN_C_TOO


@pytest.mark.parametrize("folder", ALLOWED)
def test_no_two_files_have_one_name(folder: str) -> None:
    found = files_by_name(ROOT / folder)
    assert len(found) > 80
    twice = {name: paths for name, paths in found.items() if len(paths) > 1}
    assert {name: twice[name] for name in twice if name not in ALLOWED[folder]} == {}
    assert [name for name in ALLOWED[folder] if name not in twice] == []
