"""Vendored libraries are the published files, unedited, and each has its licence."""

from __future__ import annotations

import hashlib
from pathlib import Path

VENDOR = Path(__file__).resolve().parents[2] / "static" / "vendor"


def checksums() -> dict[str, str]:
    lines = (VENDOR / "SHA256SUMS").read_text().splitlines()
    return {name: digest for digest, name in (line.split() for line in lines)}


def test_every_vendored_file_has_its_checksum() -> None:
    files = {path.name for path in VENDOR.iterdir()} - {"README.md", "SHA256SUMS"}
    assert files == set(checksums())


def test_no_vendored_file_was_edited() -> None:
    found = {name: hashlib.sha256((VENDOR / name).read_bytes()).hexdigest() for name in checksums()}
    assert found == checksums()


def test_every_library_has_its_licence_and_its_line() -> None:
    readme = (VENDOR / "README.md").read_text()
    for name in checksums():
        assert (VENDOR / f"{Path(name).stem}.LICENSE").exists()
        assert f"`{name}`" in readme
