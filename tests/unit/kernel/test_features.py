# SPDX-License-Identifier: Apache-2.0
"""Which modes are available, and the reasons when one is not."""

from __future__ import annotations

import errno
import json
import os
import struct
import subprocess
import traceback
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import pytest

from app import ROOT
from app.config import Settings
from app.kernel import feature_probes, features, hints
from app.kernel.availability import Availability
from app.kernel.features import check_modes, load_btf, load_symbols
from app.kernel.hints import may_trace
from app.kernel.symbols import TextSymbols
from app.linux import bpf, perf_events
from app.linux.bpf import ProgramRefusedError
from app.linux.syscalls import fail_to
from app.linux.tracefs import opened
from app.presets.deletions.hooks import FUNCTIONS, REACHED_BY, SYSCALLS
from app.presets.deletions.not_seen import not_seen
from app.probes.kernel_check import check_command
from app.probes.modes import MODES
from tests.support.btf_builder import BtfBuilder
from tests.support.waiting import wait_until

MAP_TYPE_ARRAY = 2
RUNNING = Path("/sys/kernel/btf/vmlinux")
TRACEPOINTS = "sys_enter/exit: unlink, unlinkat, rmdir"


def raising(error: Exception) -> Callable[..., None]:
    def refuse(*arguments: object) -> None:
        raise error

    return refuse


class FakeKernel:
    """A kernel that allows everything; the tests take things away."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.monkeypatch = monkeypatch
        self.folder = folder
        b = BtfBuilder()
        char, long = b.integer("char", 1), b.integer("long unsigned int", 8)
        b.record("task_struct", 24, [("group_leader", long, 0), ("comm", b.array(char, 16), 64)])
        b.record("pt_regs", 8, [("di", long, 0)])
        filename = b.record("filename", 8, [("name", b.pointer(char), 0)])
        b.function("do_unlinkat", char, [("dfd", char), ("name", b.pointer(filename))])
        self.btf = folder / "vmlinux"
        self.btf.write_bytes(b.build())
        self.symbols(b"ffffffff80000000 T do_unlinkat\n")
        self.pmu = folder / "kprobe"
        self.pmu.mkdir()
        monkeypatch.setattr(perf_events, "KPROBE_PMU", self.pmu)
        monkeypatch.setattr(features, "bcc_problem", lambda: None)
        monkeypatch.setattr(hints, "may_trace", lambda: True)
        monkeypatch.setattr(hints, "lockdown_mode", lambda: None)
        for probe in ("ring_buffer", "trampolines", "kprobes", "tracepoints"):
            monkeypatch.setattr(feature_probes, probe, lambda *arguments: None)

    def symbols(self, kallsyms: bytes) -> None:
        self.monkeypatch.setattr(TextSymbols, "load", lambda: TextSymbols(kallsyms))

    def refuse(self, probe: str, number: int, needs: str = "run another kernel") -> None:
        error = feature_probes.RefusedError(f"do {probe}", OSError(number, ""), needs)
        self.monkeypatch.setattr(feature_probes, probe, raising(error))

    def modes(self) -> dict[str, Availability]:
        return check_modes(
            ("filename_unlinkat", "do_unlinkat"),
            ("unlink", "unlinkat", "rmdir"),
            reached_by="unlinkat",
            btf=load_btf(self.btf),
            symbols=load_symbols(),
            btf_path=self.btf,
            cache_dir=self.folder / "cache",
            open_tracefs=lambda: nullcontext(self.folder),
        )


@pytest.fixture
def kernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeKernel:
    return FakeKernel(tmp_path, monkeypatch)


def test_all_modes(kernel: FakeKernel) -> None:
    modes = kernel.modes()
    assert list(modes) == list(MODES)
    assert modes.pop("tracepoint") == Availability(True, TRACEPOINTS)
    assert set(modes.values()) == {Availability(True, "do_unlinkat")}


@pytest.mark.parametrize(
    ("probe", "refused"),
    [
        ("ring_buffer", {"fentry", "fexit", "kprobe", "kretprobe", "tracepoint"}),
        ("trampolines", {"fentry", "fexit"}),
        ("kprobes", {"kprobe", "kretprobe"}),
        ("tracepoints", {"tracepoint"}),
    ],
)
def test_refusals_are_told_in_the_kernels_words(
    kernel: FakeKernel, probe: str, refused: set[str]
) -> None:
    kernel.refuse(probe, errno.EINVAL)
    modes = kernel.modes()
    assert {name for name, found in modes.items() if not found.available} == refused
    for name in refused:
        assert modes[name].reason == f"the kernel refused to do {probe}: EINVAL, Invalid argument"
        assert modes[name].hint == "run another kernel"
        assert modes[name].errno == "EINVAL"
        assert modes[name].function == (TRACEPOINTS if name == "tracepoint" else "do_unlinkat")


@pytest.mark.parametrize(
    ("probe", "silent"),
    [
        ("trampolines", {"fentry", "fexit"}),
        ("kprobes", {"kprobe", "kretprobe"}),
        ("tracepoints", {"tracepoint"}),
    ],
)
def test_programs_that_are_attached_and_do_not_run(
    kernel: FakeKernel, probe: str, silent: set[str]
) -> None:
    kernel.monkeypatch.setattr(
        feature_probes, probe, raising(feature_probes.SilentError(["the entry of f"]))
    )
    modes = kernel.modes()
    assert {name for name, found in modes.items() if not found.available} == silent
    for name in silent:
        assert "does not run them (the entry of f)" in (modes[name].reason or "")
        assert modes[name].hint


def test_while_ftrace_is_off_nothing_is_attached_by_it(kernel: FakeKernel) -> None:
    """Linux disables ftrace later if hooks were attached and detached while it was off."""
    kernel.monkeypatch.setattr(hints, "FTRACE_ENABLED", kernel.folder / "ftrace_enabled")
    (kernel.folder / "ftrace_enabled").write_text("0\n")
    for probe in ("trampolines", "kprobes"):
        kernel.monkeypatch.setattr(
            feature_probes, probe, raising(AssertionError(f"{probe} were tried"))
        )
    modes = kernel.modes()
    assert {name for name, found in modes.items() if found.available} == {"tracepoint"}
    for name in modes.keys() - {"tracepoint"}:
        assert (modes[name].reason or "").endswith("kernel.ftrace_enabled is 0")
        assert modes[name].hint == "run: sysctl -w kernel.ftrace_enabled=1"


def test_the_kernels_own_refusal_comes_before_what_can_be_installed(kernel: FakeKernel) -> None:
    kernel.monkeypatch.setattr(features, "bcc_problem", lambda: ("no BCC", "install it"))
    kernel.refuse("trampolines", errno.EPERM)
    modes = kernel.modes()
    assert "EPERM, Operation not permitted" in (modes["fexit"].reason or "")
    assert modes["kprobe"].reason == modes["tracepoint"].reason == "no BCC"
    assert modes["kprobe"].hint == "install it"
    assert not any(found.available for found in modes.values())


def test_without_btf_and_headers_nothing_works(kernel: FakeKernel) -> None:
    kernel.btf.unlink()
    modes = kernel.modes()
    for name in ("fentry", "fexit"):
        assert "offers no BTF" in (modes[name].reason or "")
        assert "CONFIG_DEBUG_INFO_BTF" in (modes[name].hint or "")
        assert modes[name].errno == "ENOENT"
    for name in ("kprobe", "kretprobe", "tracepoint"):
        assert "no kernel headers" in (modes[name].reason or "")
        assert "linux-headers" in (modes[name].hint or "")


def test_without_btf_but_with_headers_kprobes_and_tracepoints_work(kernel: FakeKernel) -> None:
    kernel.btf.unlink()
    kernel.monkeypatch.setattr(features, "find_headers", lambda *arguments: None)
    available = {name for name, found in kernel.modes().items() if found.available}
    assert available == {"kprobe", "kretprobe", "tracepoint"}


def test_without_kprobes(kernel: FakeKernel) -> None:
    kernel.pmu.rmdir()
    modes = kernel.modes()
    assert {name for name, found in modes.items() if not found.available} == {"kprobe", "kretprobe"}
    assert "no kprobes" in (modes["kprobe"].reason or "")
    assert "CONFIG_KPROBES" in (modes["kprobe"].hint or "")
    assert modes["kprobe"].function == "do_unlinkat"


def test_without_the_function(kernel: FakeKernel) -> None:
    kernel.symbols(b"ffffffff80000000 t do_unlinkat.isra.0\n")
    modes = kernel.modes()
    assert modes["fentry"].available
    for name in ("kprobe", "kretprobe"):
        assert modes[name].function is None
        assert "do_unlinkat.isra.0" in (modes[name].reason or "")
        assert "tracepoint" in (modes[name].hint or "")


def test_without_tracefs(kernel: FakeKernel) -> None:
    found = check_modes(
        (),
        ("unlink",),
        reached_by="unlinkat",
        btf=load_btf(kernel.btf),
        symbols=load_symbols(),
        btf_path=kernel.btf,
        cache_dir=kernel.folder / "cache",
        open_tracefs=raising(PermissionError(errno.EPERM, "no mount")),  # type: ignore[arg-type]
    )["tracepoint"]
    assert not found.available
    assert "EPERM, Operation not permitted" in (found.reason or "")


@pytest.mark.parametrize(
    "log",
    [
        "func#0 @0\nunknown func bpf_x#113\nprocessed 4 insns (limit 1)\n",
        # Linux 7.3 explains.
        "0: R1=ctx()\nunknown func bpf_x#113\n\nVerification failed: Helper\n\nReason:\n  ...\n\n"
        "processed 4 insns (limit 1)\n",
        "unknown func bpf_x#113",
    ],
)
def test_the_verifiers_complaint_is_in_the_reason(log: str) -> None:
    error = ProgramRefusedError(errno.EINVAL, "Invalid argument")
    error.log = log
    assert str(feature_probes.RefusedError("load", error, "")) == (
        "the kernel refused to load: EINVAL, Invalid argument (verifier: unknown func bpf_x#113)"
    )


needs_bpf = pytest.mark.skipif(
    not may_trace() or not RUNNING.exists(), reason="needs the capabilities to use BPF, and BTF"
)


def in_child(check: Callable[[], None]) -> None:
    """Run a check in a process of its own, as it may take itself into a mount namespace."""
    child = os.fork()
    if child == 0:
        try:
            check()
        except BaseException:  # noqa: BLE001 - shown, and a failure for the parent
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


@needs_bpf
def test_running_kernel_is_left_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = []
    load = bpf.load_program

    def remember(*arguments: object, **options: object) -> int:
        fd = load(*arguments, **options)  # type: ignore[arg-type]
        made.append(bpf.prog_info(fd).id)
        return fd

    monkeypatch.setattr(bpf, "load_program", remember)
    # Several checks at once do not disturb each other: only this one's are checked.
    own = f"check_{os.getpid()}"
    monkeypatch.setattr(feature_probes, "_NAME", own)

    def check() -> None:
        descriptors = open_descriptors()
        modes = check_modes(
            FUNCTIONS,
            SYSCALLS,
            reached_by=REACHED_BY,
            btf=load_btf(RUNNING),
            symbols=load_symbols(),
            btf_path=RUNNING,
            cache_dir=tmp_path / "cache",
        )
        assert len(made) >= sum(found.available for found in modes.values())
        assert made, modes
        assert open_descriptors() == descriptors
        wait_until(lambda: not set(made) & set(bpf.prog_ids()), "the programs to be freed")
        assert own not in {name_of(prog_id) for prog_id in bpf.prog_ids()}

    in_child(check)


def open_descriptors() -> list[str]:
    return sorted(path.name for path in Path("/proc/self/fd").iterdir())


def name_of(prog_id: int) -> str | None:
    try:
        with bpf.program(prog_id) as fd:
            return bpf.prog_info(fd).name
    except FileNotFoundError:  # somebody else's, freed in the meantime
        return None


@needs_bpf
def test_command_prints_the_modes_and_keeps_its_mounts_to_itself(tmp_path: Path) -> None:
    mounts = Path("/proc/self/mountinfo").read_text()
    done = subprocess.run(
        check_command(Settings(cache_dir=tmp_path / "cache")),
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
    )
    assert done.stderr == ""
    answer = json.loads(done.stdout)
    system = os.uname()
    assert answer.pop("release") == system.release
    assert answer.pop("machine") == system.machine
    assert answer.pop("hostname") == system.nodename
    modes = answer.pop("modes")
    sentences = answer.pop("not_seen")
    assert sentences in ({m: not_seen(m, sees) for m in MODES} for sees in (True, False))
    assert answer == {}
    assert list(modes) == list(MODES)
    for found in modes.values():
        assert list(found) == ["available", "function", "reason", "hint"]
        assert found["available"] is (found["reason"] is None)
    assert Path("/proc/self/mountinfo").read_text() == mounts


@needs_bpf
def test_a_program_that_does_not_run_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Natively: the calls that the probe makes reach one of its three tracepoints only."""
    made = []

    def call_less(call: str, token: int) -> None:
        made.append(call)
        fail_to("unlinkat", token)

    monkeypatch.setattr(feature_probes, "fail_to", call_less)
    with opened() as tracefs, pytest.raises(feature_probes.SilentError) as silence:
        feature_probes.tracepoints(tracefs, SYSCALLS)
    assert silence.value.missing == [
        f"sys_{side}_{call}" for call in ("unlink", "rmdir") for side in ("enter", "exit")
    ]
    assert set(made) == set(SYSCALLS)
    assert len(made) > len(SYSCALLS)  # more than once: one call may go unseen


@needs_bpf
def test_an_attached_program_runs() -> None:
    """Else a probe that attaches nothing would call everything available."""
    in_child(runs_on_unlink)


def runs_on_unlink() -> None:
    with opened() as tracefs:
        number = feature_probes.tracepoint_id(tracefs, "syscalls", "sys_enter_unlink")
    array = bpf.create_map(MAP_TYPE_ARRAY, 4, 8, 1, "test_ran")
    # Stores 7 in the array; written down by hand, as there is no assembler here.
    store_zero_key = bytes([0x62, 10]) + struct.pack("<hi", -4, 0)  # *(u32 *)(r10 - 4) = 0
    store_seven = bytes([0x7A, 10]) + struct.pack("<hi", -16, 7)  # *(u64 *)(r10 - 16) = 7
    program = bpf.load_program(
        bpf.PROG_TYPE_TRACEPOINT,
        store_zero_key
        + store_seven
        + bpf.instruction(0x18, dst=1, src=1, immediate=array)  # r1 = array
        + bytes(8)
        + bpf.instruction(0xBF, dst=2, src=10)  # r2 = key
        + bpf.instruction(0x07, dst=2, immediate=-4)
        + bpf.instruction(0xBF, dst=3, src=10)  # r3 = value
        + bpf.instruction(0x07, dst=3, immediate=-16)
        + bpf.instruction(0xB7, dst=4)  # r4 = BPF_ANY
        + bpf.instruction(0x85, immediate=2)  # bpf_map_update_elem
        + bpf.instruction(0xB7)
        + bpf.instruction(0x95),
        name="test_ran",
    )
    with perf_events.tracepoint_event(number) as event:
        perf_events.attach_program(event, program)
        with pytest.raises(FileNotFoundError):
            os.unlink("/nonexistent")  # noqa: PTH108 - the system call itself
    assert bpf.map_lookup(array, bytes(4), 8) == struct.pack("<Q", 7)
