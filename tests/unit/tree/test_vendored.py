# SPDX-License-Identifier: Apache-2.0
"""What others wrote is here as they wrote it."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from app import ROOT

NOT_LISTED = {"SHA256SUMS", "README.md"}
DECLARATIONS = ".d.mts"  # ours: what tsc is told of a library


@pytest.mark.parametrize("folder", ["static/vendor", "tests/vendor"])
def test_every_vendored_file_has_its_checksum(folder: str) -> None:
    sums = dict(
        reversed(line.split(maxsplit=1))
        for line in (ROOT / folder / "SHA256SUMS").read_text().splitlines()
    )
    files = [path for path in (ROOT / folder).rglob("*") if path.is_file()]
    found = {
        str(path.relative_to(ROOT / folder)): digest(path)
        for path in files
        if path.name not in NOT_LISTED and not path.name.endswith(DECLARATIONS)
    }
    assert found == sums


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize("folder", ["static/vendor", "tests/vendor"])
def test_every_library_has_its_licence_and_its_line(folder: str) -> None:
    readme = (ROOT / folder / "README.md").read_text()
    files = [
        path
        for path in (ROOT / folder).iterdir()
        if path.name not in NOT_LISTED and not path.name.endswith(DECLARATIONS)
    ]
    assert files
    for path in files:
        assert f"`{path.name}`" in readme
        assert path.with_name(f"{path.name.partition('.')[0]}.LICENSE").exists()
