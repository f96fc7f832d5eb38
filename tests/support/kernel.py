# SPDX-License-Identifier: Apache-2.0
"""What the kernel holds and runs, found independently of the product's own code."""

from __future__ import annotations

import ctypes
import os
import platform
import struct
import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

BPF_SYSCALL = {"x86_64": 321, "aarch64": 280}
PERF_EVENT_OPEN = {"x86_64": 298, "aarch64": 241}
# uapi/linux/bpf.h: bpf_cmd values that take an id and give the next one.
BPF_NEXT_ID = {"prog": 11, "map": 12, "link": 31}
PROC_PID_INIT_INO = 0xEFFFFFFC  # include/linux/proc_ns.h: the initial pid namespace

BpfObject = tuple[str, int]


def forced() -> bool:
    """Whether every kernel test must run: a test that would be skipped fails instead."""
    return os.environ.get("PROBEDECK_KERNEL_TESTS") == "force"


def in_test_machine() -> bool:
    """Whether this is a test machine, whose clock may be set."""
    return "init=/run/vm/init" in Path("/proc/cmdline").read_text().split()


def in_initial_pid_namespace() -> bool:
    return Path("/proc/self/ns/pid").stat().st_ino == PROC_PID_INIT_INO


def bpf_objects() -> set[BpfObject]:
    """The kind and id of every BPF program, map and link in the kernel."""
    return {(kind, number) for kind in BPF_NEXT_ID for number in _bpf_ids(kind)}


def _bpf_ids(kind: str) -> Iterator[int]:
    libc = ctypes.CDLL(None, use_errno=True)
    number = 0
    while True:
        attribute = ctypes.create_string_buffer(struct.pack("=III", number, 0, 0))
        size = ctypes.sizeof(attribute) - 1  # without the NUL that ctypes adds
        if libc.syscall(BPF_SYSCALL[platform.machine()], BPF_NEXT_ID[kind], attribute, size):
            error = ctypes.get_errno()
            if error == 2:  # ENOENT: that was the last
                return
            raise OSError(error, f"bpf(next {kind} id)")
        number = struct.unpack_from("=I", attribute.raw, 4)[0]
        yield number


def bpf_objects_held_by(pids: Iterable[int]) -> set[BpfObject]:
    """The BPF objects that these processes hold open."""
    held = set()
    for pid in pids:
        try:
            for info in Path(f"/proc/{pid}/fdinfo").iterdir():
                for line in info.read_text().splitlines():
                    kind, _, number = line.partition("_id:\t")
                    if kind in BPF_NEXT_ID and number.isdecimal():
                        held.add((kind, int(number)))
        except (FileNotFoundError, ProcessLookupError):
            pass  # the process or descriptor has gone
        except PermissionError:
            pass  # a sandbox hides its own process 1 even from root; it is not ours
    return held


def tracefs_events() -> set[str]:
    """kprobe and uprobe events made through tracefs, by anyone.

    Looked at in a mount namespace of its own: tracefs need not be mounted here.
    """
    script = "mount -t tracefs tests /mnt && cd /mnt && cat kprobe_events uprobe_events"
    shown = subprocess.run(
        ["unshare", "--mount", "sh", "-c", script + " 2>/dev/null || test -f available_events"],
        check=True,
        capture_output=True,
        text=True,
    )
    return set(shown.stdout.splitlines())


def mounts() -> set[str]:
    """What is mounted here, but for the tracefs that debugfs mounts when anyone looks into it."""
    lines = Path("/proc/self/mounts").read_text().splitlines()
    return {line for line in lines if " /sys/kernel/debug/tracing tracefs " not in line}


def symbols(*names: str) -> set[str]:
    """Which of these functions the running kernel has."""
    with Path("/proc/kallsyms").open() as lines:
        return {line.split()[2] for line in lines} & set(names)


def deletion_function() -> str:
    """The function that deletes: fs/namei.c renamed do_unlinkat in Linux 7.0."""
    found = symbols("filename_unlinkat", "do_unlinkat")
    return "filename_unlinkat" if "filename_unlinkat" in found else found.pop()


@dataclass(frozen=True)
class Process:
    """A process as /proc shows it. `started` is in clock ticks since boot: pids are reused."""

    pid: int
    parent: int
    started: int
    state: str
    command: tuple[str, ...]

    @property
    def alive(self) -> bool:
        return self.state not in "ZX"


def processes() -> list[Process]:
    """Every process there is."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdecimal():
            try:
                stat = (folder / "stat").read_bytes().rpartition(b")")[2].split()
                command = (folder / "cmdline").read_bytes().split(b"\0")[:-1]
            except (FileNotFoundError, ProcessLookupError):
                continue  # it ended meanwhile
            found.append(
                Process(
                    pid=int(folder.name),
                    parent=int(stat[1]),
                    started=int(stat[19]),
                    state=stat[0].decode(),
                    command=tuple(os.fsdecode(word) for word in command),
                )
            )
    return found


def descendants(pid: int) -> list[Process]:
    """The processes below `pid`, nearest first; not itself."""
    everyone = processes()
    below, parents = [], {pid}
    while parents:
        children = [process for process in everyone if process.parent in parents]
        below += children
        parents = {child.pid for child in children}
    return below


def worker_of(arbiter: int) -> Process:
    """gunicorn's only worker; `arbiter` is the process that it serves with."""
    children = [
        process
        for process in processes()
        # Beside it, at first, the process that makes the index of functions: for a second, or,
        # as it has a low priority, for long on a busy machine.
        if process.parent == arbiter
        and process.alive
        and "app.kernel.functions_cache" not in process.command
    ]
    assert len(children) == 1, children
    return children[0]


def open_connections(port: int) -> int:
    """How many connections to this TCP port its listener has not closed, proc_pid_net(5)."""
    count = 0
    for line in Path("/proc/self/net/tcp").read_text().splitlines()[1:]:
        _, local, _, state, *_ = line.split()
        open_ends = state in {"01", "08"}  # ESTABLISHED, CLOSE_WAIT
        count += open_ends and int(local.rpartition(":")[2], 16) == port
    return count
