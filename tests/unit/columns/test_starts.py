# SPDX-License-Identifier: Apache-2.0
"""In which words the arguments are, by mode; fields of tracepoints by their format."""

from __future__ import annotations

import pytest

from app.btf.format import Kind
from app.btf.type_paths import Paths
from app.columns import starts
from app.columns.plan import CONTEXT, DATA_LOC, RESULT
from app.columns.starts import Start
from app.kernel.tracepoint_format import Field
from tests.support.small_kernel import SmallKernel


@pytest.fixture(scope="module")
def paths() -> Paths:
    return Paths(SmallKernel().btf())


def of(paths: Paths, name: str, mode: str) -> tuple[list[Start], Start | None]:
    function = paths.btf.find(Kind.FUNC, name)
    assert function is not None
    return starts.of_function(paths, paths.btf.target(function), mode)


def words(paths: Paths, name: str, mode: str) -> dict[str, int | str]:
    arguments, _ = of(paths, name, mode)
    return {each.name: each.place.base if each.place else each.reason for each in arguments}


@pytest.mark.parametrize("mode", ["fentry", "fexit", "kprobe", "kretprobe"])
def test_a_struct_by_value_takes_a_word_for_8_bytes(paths: Paths, mode: str) -> None:
    assert words(paths, "mixed", mode) == {"a": 0, "t": 1, "b": 3}


def test_a_struct_that_does_not_fit_the_registers(paths: Paths) -> None:
    """With one register left, the struct is on the stack and the next argument in the register."""
    first = {f"p{n}": n for n in range(5)}
    assert words(paths, "spilled", "fentry") == {**first, "t": 5, "last": 7}
    assert words(paths, "spilled", "kprobe") == {**first, "t": 6, "last": 5}


def test_a_struct_of_more_than_16_bytes(paths: Paths) -> None:
    """It is on the stack, in the caller's argument area: words 6 to 8."""
    reason = "trampolines pass structs of up to 16 bytes only"
    assert words(paths, "with_large", "fexit") == {"big": reason, "after": 3}
    assert words(paths, "with_large", "kretprobe") == {"big": 6, "after": 0}


def test_more_arguments_than_words(paths: Paths) -> None:
    for mode in ("fentry", "kprobe"):
        found = words(paths, "many", mode)
        assert [found[f"p{n}"] for n in range(12)] == list(range(12))
        assert found["p12"] == "it is in word 13 of the arguments; the first 12 can be read"


def test_floating_point(paths: Paths) -> None:
    assert words(paths, "takes float", "kprobe") == {
        "x": "floating-point arguments are in registers that programs cannot read"
    }


def test_results(paths: Paths) -> None:
    _, result = of(paths, "to_int", "fexit")
    assert result is not None and result.place is not None
    assert (result.declaration, result.place.base) == ("int ret", RESULT)
    assert of(paths, "to_void", "fexit")[1] is None
    large = of(paths, "to_large", "kretprobe")[1]
    assert large is not None
    assert (large.place, large.reason) == (None, "only return values of up to 8 bytes can be read")


def test_names_of_parameters_without_names(paths: Paths) -> None:
    assert words(paths, "nameless", "fentry") == {"arg0": 0, "arg1": 1}


def test_system_calls(paths: Paths) -> None:
    fields = [
        Field("dfd", "int", 16, 8, False),
        Field("filename", "const char *", 24, 8, False),
        Field("value", "u64", 32, 8, False),  # a type that this BTF does not have
        Field("uservaddr", "struct sockaddr __user *", 40, 8, False),
        Field("other", "struct unknown *", 48, 8, False),
    ]
    arguments, result = starts.of_syscall(paths, fields)
    assert [each.declaration for each in arguments] == [
        *("int dfd", "char *filename", "u64 value", "struct sockaddr *uservaddr", "void *other")
    ]
    assert [each.place.base for each in arguments if each.place] == [0, 1, 2, 3, 4]
    assert result.declaration == "long ret"


@pytest.mark.parametrize(
    ("field", "declaration", "size"),
    [
        (Field("comm", "char[16]", 8, 16, False), "char comm[16]", 16),
        (Field("comm", "char[TASK_COMM_LEN]", 8, 16, False), "char comm[16]", 16),
        (Field("pid", "pid_t", 8, 4, True), "pid_t pid", 4),
        (Field("n", "unsigned long", 8, 8, False), "unsigned long n", 8),
        (Field("c", "enum color", 8, 4, False), "enum color c", 4),
        (Field("e", "enum unknown", 8, 4, True), "enum unknown e", 4),
        (Field("a", "__u8[4]", 8, 4, False), "unsigned char a[4]", 4),
        (Field("s", "struct sock *", 8, 8, False), "struct sock *s", 8),
        (Field("b", "bool", 8, 1, False), "bool b", 1),
        (Field("x", "struct odd", 8, 12, False), "unsigned char x[12]", 12),
    ],
)
def test_fields_of_tracepoints(paths: Paths, field: Field, declaration: str, size: int) -> None:
    (start,) = starts.of_tracepoint(paths, [field])
    assert start.place is not None
    assert (start.declaration, paths.size(start.place.type)) == (declaration, size)
    assert (start.place.base, start.place.offset, start.place.in_words) == (CONTEXT, 8, False)


def test_texts_of_any_size(paths: Paths) -> None:
    text, data, relative = starts.of_tracepoint(
        paths,
        [
            Field("filename", "char[]", 8, 4, False, is_data_loc=True),
            Field("buf", "u8[]", 12, 4, False, is_data_loc=True),
            Field("far", "char[]", 16, 4, False, is_data_loc=True, is_relative=True),
        ],
    )
    assert text.whole is not None and data.whole is not None
    assert (text.whole.decoder, data.whole.decoder) == ("text", "bytes")
    (shown,) = text.whole.texts
    assert (shown.kind, shown.address.base, shown.address.offset) == (DATA_LOC, CONTEXT, 8)
    assert (relative.place, relative.whole) == (None, None)
    assert "__rel_loc" in relative.reason


@pytest.mark.parametrize(
    ("type_", "name", "expected"),
    [
        ("void __percpu *", "ptr", True),
        ('void __attribute__((btf_type_tag("percpu"))) *', "ptr", True),
        ("struct file *", "pcpu_file", True),
        ("struct file *", "file", False),
        ("unsigned long", "percpu_refill", False),
    ],
)
def test_a_field_that_is_a_per_cpu_pointer(
    paths: Paths, type_: str, name: str, expected: bool
) -> None:
    (start,) = starts.of_tracepoint(paths, [Field(name, type_, 8, 8, False)])
    assert start.place is not None
    assert paths.is_per_cpu(start.place) is expected
