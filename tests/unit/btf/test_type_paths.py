# SPDX-License-Identifier: Apache-2.0
"""Where fields are: widths, bit-fields, nesting, against memory laid out by other means."""

from __future__ import annotations

import ctypes
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.btf.format import Kind
from app.btf.reader import Btf
from app.btf.type_paths import Integer, PathError, Paths, Place, Type, c_integer
from app.columns.plan import ENTRY
from app.columns.rendering import read
from tests.support.btf_builder import BtfBuilder
from tests.support.plan_reader import Memory, value_of
from tests.support.running_types import RUNNING, running_btf
from tests.support.small_kernel import SmallKernel

AT = 0x1000


@pytest.fixture(scope="module")
def kernel() -> SmallKernel:
    return SmallKernel()


@pytest.fixture(scope="module")
def paths(kernel: SmallKernel) -> Paths:
    return Paths(kernel.btf())


@pytest.fixture(scope="module")
def real_paths() -> Paths:
    if not RUNNING.exists():
        pytest.skip("this kernel has no BTF")
    return Paths(running_btf())


def argument(paths: Paths, keyword: str, name: str) -> Place:
    """The first argument: a pointer to a type."""
    return Place(paths.named(keyword, name, 1), 0, in_words=True, name="x")


BIT_FIELDS = st.lists(st.tuples(st.integers(1, 32), st.booleans()), min_size=1, max_size=12)


@settings(deadline=None)
@given(BIT_FIELDS, st.data())
def test_bit_fields(widths: list[tuple[int, bool]], data: st.DataObject) -> None:
    """Values written by ctypes, whose layout is the compiler's, are read by way of BTF."""
    fields = [
        (f"f{n}", ctypes.c_int32 if signed else ctypes.c_uint32, bits)
        for n, (bits, signed) in enumerate(widths)
    ]
    layout: Any = type("Layout", (ctypes.Structure,), {"_fields_": fields})
    builder = BtfBuilder()
    kinds = (builder.integer("unsigned int", 4), builder.integer("int", 4, signed=True))
    members, values = [], []
    memory = layout()
    for (name, _, bits), (_, signed) in zip(fields, widths, strict=True):
        place = getattr(layout, name)
        # In ctypes a bit-field's size holds its width (upper half) and first bit (lower half).
        bit_offset = place.offset * 8 + (place.size & 0xFFFF)
        members.append((name, kinds[signed], bit_offset, bits))
        low = -(1 << (bits - 1)) if signed else 0
        value = data.draw(st.integers(low, low + (1 << bits) - 1))
        setattr(memory, name, value)
        values.append(value)
    builder.record("s", ctypes.sizeof(layout), members)
    paths = Paths(Btf(builder.build()))
    pointer = argument(paths, "struct", "s")
    objects = Memory({AT: bytes(memory)})
    for (name, _, bits), expected in zip(fields, values, strict=True):
        place = paths.member(pointer, name)
        assert place.bit_size == bits
        found = read(paths.number(place), place, ENTRY)
        assert value_of(found, {0: AT}, objects) == expected


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from((1, 2, 4, 8)), st.booleans()), min_size=1, max_size=10),
    st.integers(0, 3),
    st.data(),
)
def test_integers_in_nested_structs(
    kinds: list[tuple[int, bool]], depth: int, data: st.DataObject
) -> None:
    """Every width and sign, through structs, anonymous ones and pointers."""
    builder = BtfBuilder()
    image, members, values = bytearray(), [], []
    for n, (size, signed) in enumerate(kinds):
        image += bytes(-len(image) % size)
        low = -(1 << (8 * size - 1)) if signed else 0
        value = data.draw(st.integers(low, low + (1 << 8 * size) - 1))
        type_id = builder.integer(f"i{n}", size, signed=signed)
        members.append((f"f{n}", builder.typedef(f"t{n}", type_id), len(image) * 8))
        image += value.to_bytes(size, "little", signed=signed)
        values.append(value)
    inner = builder.record("inner", len(image), members)
    steps: list[str] = []
    offset = 0
    for level in range(depth):
        name = data.draw(st.sampled_from(["", f"m{level}"]))
        before = data.draw(st.sampled_from([0, 8, 24]))
        inner = builder.record(
            "" if not name else f"s{level}", before + len(image) + 64, [(name, inner, before * 8)]
        )
        offset += before
        steps = [name, *steps] if name else steps
    builder.record("outer", 1 << 16, [("it", builder.pointer(inner), 64)])
    paths = Paths(Btf(builder.build()))
    holder = paths.member(argument(paths, "struct", "outer"), "it")
    objects = Memory({AT: bytes(8) + (0x5000).to_bytes(8, "little"), 0x5000 + offset: bytes(image)})
    for n, expected in enumerate(values):
        place = holder
        for step in (*steps, f"f{n}"):
            place = paths.member(place, step)
        found = read(paths.number(place), place, ENTRY)
        assert found.derefs == (8,)
        assert value_of(found, {0: AT}, objects) == expected


@settings(deadline=None)
@given(st.sampled_from((1, 2, 4, 8)), st.booleans(), st.integers(0, (1 << 64) - 1))
def test_arguments_are_narrowed(size: int, signed: bool, word: int) -> None:
    """Whatever the upper bits of a register hold."""
    paths = Paths(SmallKernel().btf())
    place = Place(Type(integer=Integer(size, signed, "t")), 3, in_words=True)
    expected = int.from_bytes(word.to_bytes(8, "little")[:size], "little", signed=signed)
    assert value_of(read(paths.number(place), place, ENTRY), {3: word}, Memory({})) == expected


def test_a_struct_in_registers(paths: Paths) -> None:
    place = Place(paths.named("struct", "pair"), 2, in_words=True)
    bases = {2: 0xFFFE_8000_FFFF_FFFD}
    low, high = paths.member(place, "low"), paths.member(place, "high")
    assert value_of(read(paths.number(low), low, ENTRY), bases, Memory({})) == -3
    assert value_of(read(paths.number(high), high, ENTRY), bases, Memory({})) == -32768
    time = Place(paths.named("struct", "timespec64"), 2, in_words=True)
    second = paths.member(time, "tv_nsec")
    assert read(paths.number(second), second, ENTRY).base == 3
    name = paths.member(Place(paths.named("struct", "qstr"), 4, in_words=True), "name")
    first = paths.element(name, 1)
    assert (first.base, first.derefs, first.offset, first.in_words) == (5, (), 1, False)


def test_steps(paths: Paths) -> None:
    file = argument(paths, "struct", "file")
    dentry = paths.member(paths.member(file, "f_path"), "dentry")
    assert (dentry.derefs, dentry.offset) == ((), 72)
    name = paths.member(paths.member(dentry, "d_name"), "name")
    assert (name.base, name.derefs, name.offset) == (0, (72,), 40)
    parent = paths.member(paths.member(dentry, "d_parent"), "d_parent")
    assert (parent.derefs, parent.offset) == ((72, 24), 24)  # a struct that is only declared
    three = paths.member(argument(paths, "struct", "bag"), "three")
    assert paths.element(three, 2).offset == 16
    cast = paths.cast(argument(paths, "struct", "sock"), paths.named("struct", "tcp_sock"))
    assert paths.member(cast, "snd_cwnd").offset == 200


@pytest.mark.parametrize(
    ("steps", "message"),
    [
        (("f_inod",), "`struct file` has no field f_inod; did you mean f_inode or f_mode?"),
        (("f_mode", "x"), "f_mode has no fields: it is `unsigned int`"),
        (("f_mode", 0), "f_mode is not an array but `unsigned int`"),
        (("f_path", 1), "f_path is not an array but `struct path`"),
    ],
)
def test_faults(paths: Paths, steps: tuple[str | int, ...], message: str) -> None:
    place = argument(paths, "struct", "file")
    with pytest.raises(PathError) as raised:
        for step in steps:
            is_name = isinstance(step, str)
            place = paths.member(place, step) if is_name else paths.element(place, int(step))
    assert raised.value.message == message


def test_more_faults(paths: Paths) -> None:
    bag = argument(paths, "struct", "bag")
    with pytest.raises(PathError, match="three has the elements 0 to 2 only"):
        paths.element(paths.member(bag, "three"), 3)
    with pytest.raises(PathError, match="counter is a per-CPU pointer"):
        paths.element(paths.member(bag, "counter"), 0)
    with pytest.raises(PathError, match="the kernel's BTF has no struct nothing"):
        paths.named("struct", "nothing")
    with pytest.raises(PathError, match="many is not a number or pointer but `int"):
        paths.number(paths.member(bag, "many"))
    with pytest.raises(PathError, match="f_mode has fewer bytes than `unsigned long`"):
        mode = paths.member(argument(paths, "struct", "file"), "f_mode")
        paths.cast(mode, paths.named("", "unsigned long"))
    with pytest.raises(PathError, match="f_mode has more bytes than `_Bool`"):
        paths.cast(mode, paths.named("", "_Bool"))
    with pytest.raises(PathError, match="has no size"):
        paths.element(Place(Type(0, 1), 0, in_words=True), 1)  # void *


def followed(paths: Paths, start: str, *steps: str) -> Place:
    place = argument(paths, "struct", start)
    for step in steps:
        place = paths.member(place, step)
    return place


def test_a_cast_per_cpu_pointer_is_still_one(paths: Paths) -> None:
    """As is one without a type tag: its name, struct or type tells."""
    counter = followed(paths, "bag", "counter")
    for type_ in (paths.named("", "long", 1), paths.named("struct", "file", 1)):
        with pytest.raises(PathError, match="counter is a per-CPU pointer"):
            paths.pointee(paths.cast(counter, type_))
    assert not paths.is_per_cpu(followed(paths, "file", "f_inode"))


@pytest.mark.parametrize(
    ("start", "steps"),
    [
        ("task_struct", ("nsproxy", "net_ns", "mib", "tcp_statistics")),
        ("task_struct", ("nsproxy", "net_ns", "mib", "ip_statistics")),
        ("task_struct", ("mm", "pcpu_cid")),
        ("net_device", ("pcpu_refcnt",)),
        ("net_device", ("lstats",)),
        ("percpu_counter", ("counters",)),
        ("mount", ("mnt_pcp",)),
        ("request_queue", ("queue_ctx",)),
        ("zone", ("per_cpu_pageset",)),
    ],
)
def test_per_cpu_pointers_of_the_running_kernel(
    real_paths: Paths, start: str, steps: tuple[str, ...]
) -> None:
    """Its BTF need not have type tags for them."""
    place = followed(real_paths, start, *steps)
    with pytest.raises(PathError, match=rf"{steps[-1]} is a per-CPU pointer: it has no one addre"):
        real_paths.element(place, 0)


def test_what_is_about_all_cpus_or_shared_by_them_is_followed(real_paths: Paths) -> None:
    mib = followed(real_paths, "net", "mib")
    assert real_paths.element(real_paths.member(mib, "icmpmsg_statistics"), 0)
    assert real_paths.pointee(followed(real_paths, "irq_desc", "percpu_affinity"))
    assert real_paths.pointee(followed(real_paths, "trace_array", "percpu_dir"))


def test_enums_of_old_kernels_are_signed(kernel: SmallKernel, paths: Paths) -> None:
    """Before Linux 6.0 no enum says that it is."""
    assert paths.is_signed(Type(kernel["old"]))
    assert not paths.is_signed(Type(kernel["color"]))
    assert not paths.is_signed(Type(kernel["wide"]))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("int", (4, True)),
        ("unsigned int", (4, False)),
        ("unsigned", (4, False)),
        ("long unsigned int", (8, False)),
        ("long long", (8, True)),
        ("short int", (2, True)),
        ("unsigned char", (1, False)),
        ("char", (1, True)),
        ("_Bool", (1, False)),
        ("size_t", None),
        ("", None),
    ],
)
def test_integers_of_c(text: str, expected: tuple[int, bool] | None) -> None:
    found = c_integer(text)
    assert (found and (found.size_bytes, found.signed)) == expected


class SockaddrIn(ctypes.Structure):
    _fields_ = (
        ("sin_family", ctypes.c_uint16),
        ("sin_port", ctypes.c_uint16),
        ("sin_addr", ctypes.c_uint32),
    )


class SockaddrIn6(ctypes.Structure):
    _fields_ = (
        ("sin6_family", ctypes.c_uint16),
        ("sin6_port", ctypes.c_uint16),
        ("sin6_flowinfo", ctypes.c_uint32),
        ("sin6_addr", ctypes.c_uint8 * 16),
        ("sin6_scope_id", ctypes.c_uint32),
    )


class Rusage(ctypes.Structure):
    _fields_ = tuple(
        (name, ctypes.c_int64)
        for name in (
            *("ru_utime", "_", "ru_stime", "__", "ru_maxrss", "ru_ixrss", "ru_idrss", "ru_isrss"),
            *("ru_minflt", "ru_majflt", "ru_nswap", "ru_inblock", "ru_oublock", "ru_msgsnd"),
            *("ru_msgrcv", "ru_nsignals", "ru_nvcsw", "ru_nivcsw"),
        )
    )


class IoVec(ctypes.Structure):
    _fields_ = (("iov_base", ctypes.c_void_p), ("iov_len", ctypes.c_size_t))


class EpollEvent(ctypes.Structure):
    _pack_ = 1
    _fields_ = (("events", ctypes.c_uint32), ("data", ctypes.c_uint64))


@pytest.mark.parametrize(
    ("name", "layout"),
    [
        ("sockaddr_in", SockaddrIn),
        ("sockaddr_in6", SockaddrIn6),
        ("rusage", Rusage),
        ("iovec", IoVec),
        ("epoll_event", EpollEvent),
    ],
)
def test_structs_of_the_running_kernel(real_paths: Paths, name: str, layout: Any) -> None:
    """Structs that user space shares with the kernel have the layout of the C library."""
    pointer = argument(real_paths, "struct", name)
    for field, *_ in layout._fields_:
        if not field.startswith("_"):
            assert real_paths.member(pointer, field).offset == getattr(layout, field).offset, field


def test_members_beyond_kinds(real_paths: Paths) -> None:
    """An anonymous union's members are found, and its struct's offset is the first one's."""
    common = argument(real_paths, "struct", "sock_common")
    remote, ours = (real_paths.member(common, name) for name in ("skc_daddr", "skc_rcv_saddr"))
    pair = real_paths.member(common, "skc_addrpair")
    assert (pair.offset, remote.offset, ours.offset) == (
        remote.offset,
        remote.offset,
        pair.offset + 4,
    )
    assert real_paths.kind(remote.type) == Kind.INT
