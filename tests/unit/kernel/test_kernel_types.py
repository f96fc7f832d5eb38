# SPDX-License-Identifier: Apache-2.0
"""BTF of the kernel and its modules, read once."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.btf.format import Kind
from app.kernel.kernel_types import KernelTypes
from tests.support.btf_builder import BtfBuilder


def function(name: str) -> bytes:
    builder = BtfBuilder()
    builder.function(name, builder.integer("int", 4, signed=True), [])
    return builder.build()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "vmlinux").write_bytes(function("vfs_read"))
    return tmp_path


def test_the_kernel_is_read_once(folder: Path) -> None:
    types = KernelTypes(folder / "vmlinux")
    first = types.btf()
    (folder / "vmlinux").unlink()
    assert types.btf() is first
    assert types.of_function("vfs_read") == (first, None)


@pytest.mark.parametrize("module", ["../vmlinux", "", "a/b", "x" * 65, "é", "missing"])
def test_what_is_not_a_module(folder: Path, module: str) -> None:
    with pytest.raises(OSError):
        KernelTypes(folder / "vmlinux").btf(module)


def test_functions_of_modules(folder: Path) -> None:
    types = KernelTypes(folder / "vmlinux")
    base = types.btf()
    assert types.of_function("xfs_open") is None
    # Split BTF: its types and strings continue those of the kernel.
    text = b"\0xfs_open\0"
    strings_from = len(function("vfs_read")) - function("vfs_read").index(b"\0int\0")
    words = [strings_from + 1, Kind.FUNC << 24, len(base) - 2]
    body = b"".join(word.to_bytes(4, "little") for word in words)
    header = b"\x9f\xeb\x01\0" + b"".join(
        word.to_bytes(4, "little") for word in (24, 0, len(body), len(body), len(text))
    )
    (folder / "xfs").write_bytes(header + body + text)
    found = types.of_function("xfs_open")
    assert found is not None
    btf, module = found
    assert module == "xfs"
    assert btf is types.btf("xfs")
    assert btf.find(Kind.FUNC, "vfs_read") is not None
    # After the module was loaded again, its BTF is another file.
    (folder / "xfs").unlink()
    (folder / "other").write_bytes(b"")
    (folder / "xfs").write_bytes(header + body + text)
    assert types.btf("xfs") is not btf
