# SPDX-License-Identifier: Apache-2.0
"""The bpf(2) layer, on the running kernel."""

from __future__ import annotations

import errno
import os
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from app import ROOT
from app.kernel import feature_probes
from app.kernel.hints import may_trace
from app.linux import bpf, tracefs
from app.linux.bpf import ProgramRefusedError
from app.linux.bpf_attr import BtfInfoLayout, MapInfoLayout, ProgInfoLayout, ProgLoad
from tests.support.waiting import wait_until

needs_bpf = pytest.mark.skipif(not may_trace(), reason="needs the capabilities to use BPF")

RETURN_0 = bpf.instruction(0xB7) + bpf.instruction(0x95)


@pytest.fixture
def close() -> Iterator[Callable[[int], int]]:
    """Close the descriptors that it is called with, at the end of the test."""
    with ExitStack() as stack:

        def later(fd: int) -> int:
            stack.callback(os.close, fd)
            return fd

        yield later


@pytest.mark.parametrize(
    ("text", "count"), [("0\n", 1), ("0-7\n", 8), ("0-3,8\n", 5), ("0,2-3,6-6\n", 4)]
)
def test_possible_cpus(tmp_path: Path, text: str, count: int) -> None:
    (tmp_path / "possible").write_text(text)
    assert bpf.possible_cpus(tmp_path / "possible") == count


def test_layouts_are_the_kernels() -> None:
    """Offsets from include/uapi/linux/bpf.h."""
    load, info = ProgLoad, ProgInfoLayout
    assert (load.kern_version.offset, load.expected_attach_type.offset) == (40, 68)
    assert (load.attach_btf_id.offset, load.attach_btf_obj_fd.offset) == (108, 112)
    assert info.name.offset == 64
    assert (BtfInfoLayout.name.offset, BtfInfoLayout.kernel_btf.offset) == (16, 28)
    assert MapInfoLayout.name.offset == 24
    assert (info.run_time_ns.offset, info.recursion_misses.offset) == (192, 208)


@needs_bpf
def test_hash_map(close: Callable[[int], int]) -> None:
    fd = close(bpf.create_map(bpf.MAP_TYPE_HASH, 4, 12, 2, "test_hash"))
    assert bpf.map_lookup(fd, b"key1", 12) is None
    bpf.map_update(fd, b"key1", b"a value, 12b")
    assert bpf.map_lookup(fd, b"key1", 12) == b"a value, 12b"
    bpf.map_update(fd, b"key2", bytes(12))
    with pytest.raises(OSError) as caught:
        bpf.map_update(fd, b"key3", bytes(12))
    assert caught.value.errno == errno.E2BIG


@needs_bpf
def test_a_map_is_as_it_was_asked_for(close: Callable[[int], int]) -> None:
    no_preallocation = 1  # BPF_F_NO_PREALLOC
    fd = close(bpf.create_map(bpf.MAP_TYPE_HASH, 4, 12, 5, "x" * 20, flags=no_preallocation))
    info = bpf.map_info(fd)
    assert info.id in bpf.map_ids()
    assert info == bpf.MapInfo(info.id, bpf.MAP_TYPE_HASH, 4, 12, 5, no_preallocation, "x" * 15)


@needs_bpf
def test_percpu_array_is_read_at_once(close: Callable[[int], int]) -> None:
    fd = close(bpf.create_map(bpf.MAP_TYPE_PERCPU_ARRAY, 4, 12, 1, "test_percpu"))
    cpus = bpf.possible_cpus()
    assert bpf.percpu_size(12) == 16 * cpus
    values = b"".join(struct.pack("=QII", 1 << 40 | cpu, cpu, 0) for cpu in range(cpus))
    bpf.map_update(fd, bytes(4), values)
    assert bpf.map_lookup(fd, bytes(4), bpf.percpu_size(12)) == values


@needs_bpf
def test_program_is_listed_while_it_lives() -> None:
    fd = bpf.load_program(bpf.PROG_TYPE_TRACEPOINT, RETURN_0, name="test_listed")
    try:
        info = bpf.prog_info(fd)
        assert (info.name, info.type) == ("test_listed", bpf.PROG_TYPE_TRACEPOINT)
        assert len(bytes.fromhex(info.tag)) == 8
        assert (info.run_time_ns, info.run_cnt) == (0, 0)
        assert info.recursion_misses in (0, None)
        assert info.id in bpf.prog_ids()
        with bpf.program(info.id) as again:
            assert bpf.prog_info(again) == info
    finally:
        os.close(fd)
    wait_until(lambda: info.id not in bpf.prog_ids(), "the program to be freed")
    with pytest.raises(FileNotFoundError), bpf.program(info.id):
        pass


@needs_bpf
def test_map_is_listed_while_it_lives() -> None:
    fd = bpf.create_map(bpf.MAP_TYPE_RINGBUF, 0, 0, os.sysconf("SC_PAGE_SIZE"), "test_listed")
    try:
        facts = dict(
            line.split(":\t") for line in Path(f"/proc/self/fdinfo/{fd}").read_text().splitlines()
        )
        map_id = int(facts["map_id"])
        assert map_id in bpf.map_ids()
    finally:
        os.close(fd)
    wait_until(lambda: map_id not in bpf.map_ids(), "the map to be freed")


@needs_bpf
def test_links_can_be_listed() -> None:
    assert all(link > 0 for link in bpf.link_ids())


@needs_bpf
def test_the_verifiers_words_come_along() -> None:
    only_exit = bpf.instruction(0x95)  # returns r0, which is not initialised
    with pytest.raises(ProgramRefusedError, match="Permission denied") as caught:
        bpf.load_program(bpf.PROG_TYPE_TRACEPOINT, only_exit)
    assert caught.value.errno == errno.EACCES
    assert "R0 !read_ok" in caught.value.log
    assert (
        feature_probes.describe_error(caught.value)
        == "EACCES, Permission denied (verifier: R0 !read_ok)"
    )


@needs_bpf
def test_descriptors_do_not_survive_exec(close: Callable[[int], int]) -> None:
    program = close(bpf.load_program(bpf.PROG_TYPE_TRACEPOINT, RETURN_0))
    ring = close(bpf.create_map(bpf.MAP_TYPE_RINGBUF, 0, 0, os.sysconf("SC_PAGE_SIZE")))
    assert not os.get_inheritable(program)
    assert not os.get_inheritable(ring)


def test_errors_have_their_names() -> None:
    assert feature_probes.error_name(errno.EPERM) == "EPERM"
    assert feature_probes.error_name(524) == "ENOTSUPP"
    assert feature_probes.error_name(9999) == "errno 9999"
    assert feature_probes.error_name_of(OSError("no number")) is None
    assert feature_probes.describe_error(OSError("no number")) == "no number"
    assert (
        feature_probes.describe_error(OSError(errno.ENOENT, "x"))
        == "ENOENT, No such file or directory"
    )


def test_tracepoint_ids_come_from_tracefs(tmp_path: Path) -> None:
    place = tmp_path / "events" / "syscalls" / "sys_enter_unlink"
    place.mkdir(parents=True)
    (place / "id").write_text("817\n")
    assert tracefs.tracepoint_id(tmp_path, "syscalls", "sys_enter_unlink") == 817


def test_the_limit_on_locked_memory_is_lifted() -> None:
    script = (
        "import resource; from app.linux import bpf; memory = resource.RLIMIT_MEMLOCK\n"
        "resource.setrlimit(memory, (65536, resource.getrlimit(memory)[1]))\n"
        "bpf.allow_locked_memory()\n"
        "soft, hard = resource.getrlimit(memory)\n"
        "assert soft == hard, (soft, hard)"
    )
    subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=True)


@needs_bpf
def test_the_btf_of_what_is_no_module() -> None:
    with bpf.module_btf("vmlinux") as fd:
        assert os.get_inheritable(fd) is False
    with pytest.raises(FileNotFoundError), bpf.module_btf("nonesuch"):
        pass
