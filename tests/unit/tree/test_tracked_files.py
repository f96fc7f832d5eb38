# SPDX-License-Identifier: Apache-2.0
"""What is in the tree: text, with its licence named; nothing that was downloaded."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from app import ROOT

MAY_BE_BINARY = ("static/vendor/", "tests/vendor/", "docs/img/")
SOURCES = {".py", ".js", ".mjs", ".mts", ".c", ".css", ".html", ".sh", ".service"}
BPF_IN_TESTS = {"every_feature.c"}
LARGEST_BYTES = 512 << 10


def tracked() -> list[str]:
    """The files of the tree; without git (a tarball), those that are there."""
    listed = subprocess.run(
        ["git", "-c", f"safe.directory={ROOT}", "ls-files", "-z"],
        cwd=ROOT,
        capture_output=True,
        encoding="utf-8",
        check=False,
        timeout=60,
    )
    if listed.returncode != 0:
        pytest.skip("this tree is not a git repository")
    return [name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]


def outside_vendor() -> list[Path]:
    return [ROOT / name for name in tracked() if not name.startswith(MAY_BE_BINARY)]


def test_files_are_text() -> None:
    binary = []
    for path in outside_vendor():
        data = path.read_bytes()
        try:
            data.decode("utf-8")
        except UnicodeDecodeError:
            binary.append(path)
        else:
            if b"\0" in data or len(data) > LARGEST_BYTES:
                binary.append(path)
    assert binary == []


def licence(path: Path) -> str | None:
    found = re.search(r"SPDX-License-Identifier: ([\w.-]+)", path.read_text()[:200])
    return found and found[1]


def test_every_source_names_its_licence() -> None:
    """BPF programs are GPL-2.0, as the kernel's helpers require; all else is Apache-2.0."""
    sources = [path for path in outside_vendor() if path.suffix in SOURCES and path.stat().st_size]
    is_bpf = {
        path: path.is_relative_to(ROOT / "bpf") or path.name in BPF_IN_TESTS for path in sources
    }
    assert any(is_bpf.values())
    found = {path: licence(path) for path in sources}
    assert found == {path: "GPL-2.0" if bpf else "Apache-2.0" for path, bpf in is_bpf.items()}


def test_both_licences_are_there() -> None:
    assert (ROOT / "LICENSE").read_text().lstrip().startswith("Apache License")
    assert (ROOT / "bpf/LICENSE").read_text().lstrip().startswith("GNU GENERAL PUBLIC LICENSE")
