# SPDX-License-Identifier: Apache-2.0
"""The bytecode that machines use: of the tree's own sources, and not in the tree."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from app import ROOT
from tests.runner import bytecode

# Loads each module's code, and says where its source is.
PROGRAM = """
import importlib.util, sys
for name in sys.argv[1:]:
    spec = importlib.util.find_spec(name)
    code = spec.loader.get_code(name)
    assert code.co_filename == spec.origin, code.co_filename
    print(name, spec.origin)
"""
MODULES = ("app.errors", "app.tracer.decode_plan", "tests.support.waiting")


def bytecode_files(folder: Path) -> set[Path]:
    return {path for name in bytecode.FOLDERS for path in (folder / name).rglob("*.pyc")}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount")
def test_the_copy_has_bytecode_and_the_tree_stays_without(tmp_path: Path) -> None:
    before = bytecode_files(ROOT)
    bytecode.compile_tree(tmp_path, "tests/kernels/test_machine.py")
    assert bytecode_files(ROOT) == before
    names = {path.relative_to(tmp_path).as_posix() for path in bytecode_files(tmp_path)}
    tag = sys.implementation.cache_tag
    assert f"app/__pycache__/errors.{tag}.pyc" in names
    # pytest's own, with rewritten assertions.
    assert f"tests/kernels/__pycache__/test_machine.{tag}-pytest-{pytest.__version__}.pyc" in names
    for source in (tmp_path / "app").rglob("*.py"):
        assert source.read_bytes() == (ROOT / source.relative_to(tmp_path)).read_bytes()
    # A stale file would be compiled again and, as writing is allowed here, be a newer one.
    written = {path: path.stat().st_mtime_ns for path in bytecode_files(tmp_path)}
    program = bytecode.mounted(tmp_path, [sys.executable, "-c", PROGRAM, *MODULES])
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    done = subprocess.run(
        ["unshare", "--mount", *program],
        cwd=ROOT,
        env=environment,
        check=True,
        capture_output=True,
        text=True,
    )
    lines = [line.split(maxsplit=1) for line in done.stdout.splitlines()]
    assert [name for name, _ in lines] == list(MODULES)
    assert all(Path(origin).is_relative_to(ROOT) for _, origin in lines)
    assert {path: path.stat().st_mtime_ns for path in bytecode_files(tmp_path)} == written
