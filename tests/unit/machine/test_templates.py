# SPDX-License-Identifier: Apache-2.0
"""Templates for a machine; the compiler's command is replaced."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.link.compiler import TEMPLATES_OF
from app.machine import templates

NAMES = {name for names in TEMPLATES_OF.values() for name in names}


@pytest.fixture
def compiled(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was to be compiled: a command that makes a file, but for kprobe, which fails."""
    asked: list[str] = []

    def command(name: str, _btf: Path, cache: Path) -> list[str]:
        asked.append(name)
        if name == "kprobe":
            return ["sh", "-c", "echo first; echo 'no headers' >&2; exit 3"]
        return ["sh", "-c", 'echo byte code > "$0"', str(cache / name)]

    monkeypatch.setattr(templates, "template_command", command)
    return asked


def test_all_are_copied_but_what_does_not_compile(tmp_path: Path, compiled: list[str]) -> None:
    said: list[str] = []
    templates.compile_into(tmp_path / "share", said.append, tmp_path / "cache" / "templates")
    assert set(compiled) == NAMES
    assert {path.name for path in (tmp_path / "share").iterdir()} == NAMES - {"kprobe"}
    assert said == ["The template kprobe is not compiled on this host: no headers"]


def test_the_folder_is_private_as_a_cache_must_be(tmp_path: Path, compiled: list[str]) -> None:
    templates.compile_into(tmp_path / "share", lambda _: None, tmp_path / "cache" / "templates")
    assert (tmp_path / "share").stat().st_mode & 0o777 == 0o700
    assert compiled
