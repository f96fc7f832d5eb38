# SPDX-License-Identifier: Apache-2.0
"""One level of fields below an expression."""

from __future__ import annotations

import pytest

from app.btf.reader import Btf
from app.columns import field_level
from app.columns.expression import ExpressionError
from app.columns.field_level import Level, level_at
from app.columns.subject import subject_of
from app.columns.trace_target import FUNCTION, Target
from tests.support.small_kernel import SmallKernel


@pytest.fixture(scope="module")
def btf() -> Btf:
    return SmallKernel().btf()


def level(btf: Btf, name: str, at: str = "", mode: str = "fexit") -> Level:
    return level_at(subject_of(btf, Target(FUNCTION, name), mode), at)


def shown(found: Level) -> dict[str, str | None]:
    return {each.expression: each.shown_as for each in found.fields}


def test_the_arguments(btf: Btf) -> None:
    found = level(btf, "mixed")
    assert found.declaration == "int mixed(int a, struct timespec64 t, long int b)"
    assert shown(found) == {"a": "number", "t": "fields", "b": "number", "ret": "number"}
    assert level(btf, "to_void").declaration == "void to_void(int x)"
    assert level(btf, "to_file").declaration == "struct file *to_file(int x)"


def test_below_a_pointer_and_a_struct(btf: Btf) -> None:
    found = level(btf, "takes file *", "x")
    assert shown(found) == {"x->f_mode": "number", "x->f_inode": "inode", "x->f_path": "path"}
    assert (found.type, found.left_out) == ("struct file *", 0)
    assert found.declaration == (
        "struct file {\n\tunsigned int f_mode;\n\tstruct inode *f_inode;\n\tstruct path f_path;\n}"
    )
    inode = found.fields[1]
    assert (inode.name, inode.type, inode.declaration) == (
        "f_inode",
        "struct inode *",
        "struct inode *f_inode",
    )
    assert (inode.size_bytes, inode.bit_size, inode.column_type, inode.has_fields) == (
        *(8, None, "text"),
        True,
    )
    assert shown(level(btf, "takes file *", " x->f_path ")) == {
        "x->f_path.mnt": "hex",
        "x->f_path.dentry": "text",
    }


def test_every_expression_leads_on(btf: Btf) -> None:
    """What a level says of a field is what is found there."""
    for each in level(btf, "takes bag *", "x").fields:
        assert each.has_fields or each.name != "three"
        if each.has_fields:
            assert level(btf, "takes bag *", each.expression).type == each.type
    assert shown(level(btf, "takes bag *", "x->three")) == {"x->three[0]": "number"}
    assert shown(level(btf, "takes int *", "x")) == {"x[0]": "number"}
    assert shown(level(btf, "takes void *", "x")) == {}
    assert shown(level(btf, "to_int", "x")) == {}


def test_an_argument_called_ret_is_written_by_its_number(btf: Btf) -> None:
    found = level(btf, "pids")
    assert [each.expression for each in found.fields] == ["pid", "comm", "arg2", "ret"]
    assert found.fields[2].name == "ret"


def test_why_a_field_cannot_be_shown(btf: Btf) -> None:
    (large, after, _) = level(btf, "with_large").fields
    assert (large.shown_as, large.column_type, large.has_fields) == (None, None, False)
    assert large.reason == "trampolines pass structs of up to 16 bytes only"
    assert after.reason is None
    (double, *_) = level(btf, "takes float", mode="kprobe").fields
    assert double.reason is not None


@pytest.mark.parametrize(
    ("at", "message", "position"),
    [
        ("y", "takes file * has no y. Its arguments: x", 0),
        ("x->f_mod", "`struct file` has no field f_mod; did you mean f_mode or f_inode?", 3),
        ("cpu", "cpu is a column as it is: it has no fields and takes no renderer", 0),
        ("ppid", "ppid is a column as it is: it has no fields and takes no renderer", 0),
        ("path(x)", "path() can only be the outermost part", 0),
        ("x as y", "unexpected 'as'", 2),
    ],
)
def test_faults(btf: Btf, at: str, message: str, position: int) -> None:
    with pytest.raises(ExpressionError) as raised:
        level(btf, "takes file *", at)
    assert (raised.value.message, raised.value.position) == (message, position)


def test_a_level_is_bounded(btf: Btf, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(field_level, "MAX_FIELDS", 2)
    found = level(btf, "takes file *", "x")
    assert (len(found.fields), found.left_out) == (2, 1)
    assert "/* 1 more */" in found.declaration
