# SPDX-License-Identifier: Apache-2.0
"""Telling BCC from its absence and from its namesake."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from app.kernel import bcc_presence
from app.kernel.bcc_presence import bcc_problem


@pytest.fixture
def packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is the only place to import from."""
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    monkeypatch.delitem(sys.modules, "bcc", raising=False)
    sys.path_importer_cache.clear()
    return tmp_path


def test_absent(packages: Path) -> None:
    problem = bcc_problem()
    assert problem is not None
    reason, hint = problem
    assert "BCC is not installed" in reason
    assert "python3-bpfcc" in hint


@pytest.mark.parametrize("layout", ["package", "module", "namespace"])
def test_namesake(packages: Path, layout: str) -> None:
    if layout == "module":
        (packages / "bcc.py").touch()
    else:
        (packages / "bcc").mkdir()
    if layout == "package":
        (packages / "bcc" / "__init__.py").write_text("raise AssertionError('imported')")
    problem = bcc_problem()
    assert problem is not None
    reason, hint = problem
    assert "unrelated project" in reason
    assert str(packages) in reason
    assert "pip uninstall bcc" in hint


def test_library(packages: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (packages / "bcc").mkdir()
    (packages / "bcc" / "__init__.py").write_text("raise AssertionError('imported')")
    (packages / "bcc" / "libbcc.py").touch()
    monkeypatch.setattr(bcc_presence, "LIBRARY", "libno-such-library.so.0")
    problem = bcc_problem()
    assert problem is not None
    assert "libno-such-library.so.0" in problem[0]
    monkeypatch.setattr(bcc_presence, "LIBRARY", "libc.so.6")
    assert bcc_problem() is None
