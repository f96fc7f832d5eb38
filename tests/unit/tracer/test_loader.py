# SPDX-License-Identifier: Apache-2.0
"""Maps and programs of an object in the running kernel, and nothing of them afterwards."""

from __future__ import annotations

import os
import struct
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from app.errors import ProbedeckError
from app.filters.kernel_filter import KernelFilter
from app.kernel.hints import may_trace
from app.linux import bpf
from app.linux.bpf import ProgramRefusedError, instruction
from app.presets.deletions.own_plan import own_plan
from app.presets.deletions.programs import Programs
from app.tracer import loader
from app.tracer.compiled_object import CompiledObject, MapSpec, ProgramSpec
from app.tracer.loader import LoadedObject
from tests.support.compiled_objects import RETURN_0, load_64

pytestmark = pytest.mark.skipif(not may_trace(), reason="needs the capabilities to use BPF")

OBJECT = CompiledObject(
    (
        MapSpec("counts", bpf.MAP_TYPE_PERCPU_ARRAY, 4, 8, 3, 0),
        MapSpec("calls", bpf.MAP_TYPE_HASH, 4, 8, 5, 0),
    ),
    (
        ProgramSpec("first", bpf.PROG_TYPE_TRACEPOINT, 0, 0, load_64(1, 0) + RETURN_0),
        ProgramSpec("second", bpf.PROG_TYPE_TRACEPOINT, 0, 0, load_64(1, 1) + RETURN_0),
    ),
)
ONLY_EXIT = instruction(0x95)  # returns r0, which nobody has set
REFUSED = replace(
    OBJECT,
    programs=(*OBJECT.programs, ProgramSpec("bad", bpf.PROG_TYPE_TRACEPOINT, 0, 0, ONLY_EXIT)),
)


@pytest.fixture(autouse=True)
def no_descriptor_is_left() -> Iterator[None]:
    before = os.listdir("/proc/self/fd")  # noqa: PTH208 - which opens one itself, both times
    yield
    assert os.listdir("/proc/self/fd") == before  # noqa: PTH208


def test_maps_are_read_and_written() -> None:
    with LoadedObject(OBJECT) as loaded:
        assert {name: info.name for name, info in loaded.infos().items()} == {
            "first": "first",
            "second": "second",
        }
        counts, calls = loaded.maps["counts"], loaded.maps["calls"]
        cpus = bpf.possible_cpus()
        each = b"".join(struct.pack("=Q", (1 << 40) + cpu) for cpu in range(cpus))
        bpf.map_update(counts.fd, struct.pack("=I", 2), each)
        assert counts.sum(struct.pack("=I", 2)) == sum((1 << 40) + cpu for cpu in range(cpus))
        assert counts.sum(struct.pack("=I", 1)) == 0
        assert counts.sum(struct.pack("=I", 3)) == 0  # there is none: the map has three
        calls.set(b"call", bytes(range(8)))
        assert bpf.map_lookup(calls.fd, b"call", 8) == bytes(range(8))


@pytest.mark.parametrize(("key", "value"), [(b"123", bytes(8)), (b"1234", bytes(7)), (b"", b"")])
def test_what_does_not_fit_is_not_given_to_the_kernel(key: bytes, value: bytes) -> None:
    with LoadedObject(OBJECT) as loaded, pytest.raises(ValueError, match="has keys of"):
        loaded.maps["calls"].set(key, value)


def test_a_refused_program_takes_the_rest_with_it() -> None:
    with pytest.raises(ProgramRefusedError) as caught:
        LoadedObject(REFUSED)
    assert "R0 !read_ok" in caught.value.log


def test_the_verifiers_complaint_is_told() -> None:
    with pytest.raises(ProbedeckError, match="R0 !read_ok") as caught:
        Programs(own_plan("deletions", "tracepoint"), "", REFUSED, 1 << 16, KernelFilter())
    assert (caught.value.status, caught.value.code) == (502, "tracer_failed")


def test_a_tracepoint_that_is_not_there(tmp_path: Path) -> None:
    with LoadedObject(OBJECT) as loaded, pytest.raises(FileNotFoundError):
        loaded.attach_tracepoint("first", tmp_path, "syscalls", "sys_enter_nothing")


def test_programs_are_loaded_without_memory_for_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    def cannot_start(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    def refuse() -> int:
        raise OSError(1, "no")

    for _ in range(2):
        results = loader._at_once([lambda: 1, refuse, lambda: 3])
        assert isinstance(results[1].exception(), OSError)
        assert (results[0].result(), results[2].result()) == (1, 3)
        monkeypatch.setattr(threading.Thread, "start", cannot_start)
