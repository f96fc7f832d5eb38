# SPDX-License-Identifier: Apache-2.0
"""Which kernels let programs load from their memory."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.btf.reader import Btf
from app.kernel import plain_loads
from app.kernel.plain_loads import WORDS, Cast, cast_of, find_cast
from app.linux import bpf
from app.tracer.template_source import SOURCES
from tests.support.btf_builder import BtfBuilder


def kernel(function: str = "bpf_rdonly_cast", words: int = WORDS, size: int = 8) -> BtfBuilder:
    """BTF of a kernel whose pt_regs begins with so many words of this size."""
    builder = BtfBuilder()
    word = builder.typedef("word", builder.integer("unsigned long", size))
    builder.function(function, 0, [])
    members = [(f"r{n}", word, n * size * 8) for n in range(words)]
    builder.record("pt_regs", (words + 1) * size, [*members, ("ss", word, words * size * 8)])
    return builder


def test_a_kernel_that_has_both() -> None:
    # word, its typedef, a prototype, the function, the struct
    assert cast_of(Btf(kernel().build())) == Cast(function_id=4, type_id=5)


@pytest.mark.parametrize(
    "builder", [kernel("another"), kernel(words=WORDS - 2), kernel(size=4), BtfBuilder()]
)
def test_kernels_that_do_not(builder: BtfBuilder) -> None:
    assert cast_of(Btf(builder.build())) is None


def test_a_pointer_is_no_number() -> None:
    """What is loaded from there could not be calculated with."""
    builder = BtfBuilder()
    pointer = builder.pointer(0)
    builder.function("bpf_rdonly_cast", 0, [])
    builder.record("pt_regs", 168, [(f"r{n}", pointer, 64 * n) for n in range(21)])
    assert cast_of(Btf(builder.build())) is None


def test_the_source_reads_as_many_words() -> None:
    text = (SOURCES / "words.c").read_text()
    assert re.search(rf"#define CAST_WORDS {WORDS}\n", text)
    for name in ("words.c", "path_walk.c", "caller.c", "template/any_trampoline.c"):
        loads = re.findall(r"(?:LOAD|_WORD|_NAME)\(.*?(\d+)\)", (SOURCES / name).read_text())
        assert loads
        assert all(int(offset) < 8 * WORDS for offset in loads)


@pytest.fixture
def running(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The file with the running kernel's BTF."""
    path = tmp_path / "vmlinux"
    path.write_bytes(kernel().build())
    monkeypatch.setattr(plain_loads, "BTF_PATH", path)
    find_cast.cache_clear()
    yield path
    find_cast.cache_clear()


def refuse(*args: object, **more: object) -> int:
    assert args or more
    raise PermissionError


def test_a_kernel_that_refuses(running: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert running.exists()
    monkeypatch.setattr(bpf, "load_program", refuse)
    assert find_cast() is None


@pytest.mark.parametrize("content", [None, b"no BTF"])
def test_no_btf(running: Path, monkeypatch: pytest.MonkeyPatch, content: bytes | None) -> None:
    monkeypatch.setattr(bpf, "load_program", refuse)
    running.unlink()
    if content is not None:
        running.write_bytes(content)
    assert find_cast() is None


def test_a_kernel_that_allows(running: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = []

    def load(kind: int, code: bytes, **more: object) -> int:
        loaded.append((kind, code, more))
        return os.open(running, os.O_RDONLY)

    monkeypatch.setattr(bpf, "load_program", load)
    cast = find_cast()
    assert cast == Cast(4, 5)
    assert cast.call() in loaded[0][1]
