# SPDX-License-Identifier: Apache-2.0
"""Choosing the function to trace among candidates."""

from __future__ import annotations

import pytest

from app.btf.reader import Btf
from app.kernel.symbols import (
    KALLSYMS,
    Resolution,
    TextSymbols,
    resolve_in_btf,
    resolve_in_symbols,
)
from tests.support.btf_builder import BtfBuilder

KERNEL_6 = b"""\
ffffffff816d24b0 T __pfx_do_unlinkat
ffffffff816d24c0 T do_unlinkat
ffffffff816d24d0 D do_unlinkat_data
ffffffff816d24e0 t t_show
ffffffff816d24f0 t t_show
ffffffff816d2500 t do_rmdir.isra.0
ffffffff816d2510 t do_rmdir.cold
ffffffff816d2520 d vfs_data
ffffffffc0001000 t in_a_module\t[ext4]
ffffffffc0002000 W weak_one
"""


@pytest.mark.parametrize(
    ("candidates", "function", "reason"),
    [
        (["filename_unlinkat", "do_unlinkat"], "do_unlinkat", None),
        (["in_a_module"], "in_a_module", None),
        (["weak_one"], "weak_one", None),
        (["filename_unlinkat"], None, "the kernel has no function filename_unlinkat"),
        (["do_unlink"], None, "no function do_unlink"),
        (["vfs_data"], None, "no function vfs_data"),
        (["t_show"], None, "2 functions named t_show"),
        (
            ["do_rmdir"],
            None,
            "only variants that the compiler made of it: do_rmdir.cold, do_rmdir.isra.0",
        ),
        (["do_rmdir.isra.0"], None, "'do_rmdir.isra.0' is not a function's name"),
        (["x; rm"], None, "not a function's name"),
        (["do_unlinkat\n"], None, "not a function's name"),
        ([""], None, "not a function's name"),
        ([], None, "no candidate was given"),
    ],
)
def test_resolve_in_symbols(
    candidates: list[str], function: str | None, reason: str | None
) -> None:
    found = resolve_in_symbols(candidates, TextSymbols(KERNEL_6))
    assert found.function == function
    assert (reason is None and found.reason is None) or (reason or "") in (found.reason or "")


def test_every_candidate_has_its_reason() -> None:
    found = resolve_in_symbols(["do_rmdir", "nothing"], TextSymbols(KERNEL_6))
    assert found.reason is not None
    assert "do_rmdir.isra.0" in found.reason
    assert "no function nothing" in found.reason


def test_resolve_in_btf() -> None:
    b = BtfBuilder()
    b.function("do_unlinkat", 0, [])
    btf = Btf(b.build())
    assert resolve_in_btf(["filename_unlinkat", "do_unlinkat"], btf) == Resolution("do_unlinkat")
    assert resolve_in_btf(["nothing"], btf).reason == "the kernel's BTF has no function nothing"


@pytest.mark.skipif(not KALLSYMS.exists(), reason="this kernel has no kallsyms")
def test_running_kernel_has_one_of_the_deletion_functions() -> None:
    found = resolve_in_symbols(["filename_unlinkat", "do_unlinkat"], TextSymbols.load())
    assert found.function in ("filename_unlinkat", "do_unlinkat")
