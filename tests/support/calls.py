# SPDX-License-Identifier: Apache-2.0
"""The workload's controller: start it, read the calls it made, say what each row must look like."""

from __future__ import annotations

import errno
import json
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.child import Child
from tests.support.workload import FIELDS, PATH_MAX

WORKLOAD = Path(__file__).with_name("workload.py")
HELD_NAMES = Path(__file__).with_name("held_names.py")
CUT_MARK = "…"  # shown after a name that was longer than the kernel accepts
FUNCTION_MODES = ("fentry", "fexit", "kprobe", "kretprobe")
EXIT_MODES = ("fexit", "kretprobe", "tracepoint")


@dataclass(frozen=True)
class Call:
    """One call that the workload made; see `tests.support.workload.FIELDS`."""

    syscall: str
    pid: int
    tid: int
    uid: int
    comm: bytes
    dfd: int
    name: bytes | None
    ret: int
    before_ns: int
    after_ns: int
    in_function: bool

    @classmethod
    def from_json(cls, values: list[Any]) -> Call:
        fields = dict(zip(FIELDS, values, strict=True))
        fields["comm"] = bytes.fromhex(fields["comm"])
        if fields["name"] is not None:
            fields["name"] = bytes.fromhex(fields["name"])
        return cls(**fields)


def text(raw: bytes) -> str:
    """Bytes as the console shows them: what is not UTF-8 as `\\xNN` (docs/protocol.md)."""
    return raw.decode("utf-8", "backslashreplace")


def shown_name(call: Call, mode: str) -> str | None:
    """The filename that a row of this mode must hold.

    A function is handed the kernel's own copy of the name; when there is none, because the
    name is empty, too long or not readable, it gets an error in its place (getname_flags
    in fs/namei.c). The tracepoint is before that and sees the caller's memory.
    """
    if call.name is None:
        return None
    if mode == "tracepoint":
        taken = call.name[: PATH_MAX - 1]
        return text(taken) + (CUT_MARK if len(taken) < len(call.name) else "")
    return text(call.name) if 0 < len(call.name) < PATH_MAX else None


def expected_row(call: Call, mode: str) -> dict[str, Any]:
    """Return every column of the call's row that is known in advance: all but time and latency."""
    row: dict[str, Any] = {
        "pid": call.pid,
        "tid": call.tid,
        "uid": call.uid,
        "comm": text(call.comm),
        "dfd": call.dfd,
        "filename": shown_name(call, mode),
    }
    if mode == "tracepoint":
        row["syscall"] = call.syscall
    if mode in EXIT_MODES:
        row["ret"] = call.ret
        row["errno"] = errno.errorcode[-call.ret] if call.ret else None
    return row


def seen_by(mode: str, calls: Iterable[Call]) -> list[Call]:
    """Return the calls that this mode must show, each exactly once."""
    return [call for call in calls if call.in_function or mode == "tracepoint"]


def folder_in_memory() -> Path:
    """A new folder on a tmpfs; the caller removes it."""
    for line in Path("/proc/self/mounts").read_text().splitlines():
        _, place, kind, *_ = line.split()
        if kind == "tmpfs" and place in {"/dev/shm", "/run", "/tmp"}:
            return Path(tempfile.mkdtemp(prefix="pd-", dir=place))
    raise RuntimeError("no tmpfs at /dev/shm, /run or /tmp")


class Script(Child):
    """A Python script that takes each command as one line of JSON."""

    def __init__(self, script: Path, *arguments: str) -> None:
        super().__init__([sys.executable, "-I", "-S", "-B", str(script), *arguments])

    def command(self, **command: Any) -> None:
        """Send a command; `answer` waits for what it answers."""
        self.tell(json.dumps(command))


class Workload(Script):
    """The workload's process, waiting for commands; a context manager."""

    def __init__(self, uid: int = 0, comm: str = "workload") -> None:
        super().__init__(WORKLOAD, "--uid", str(uid), "--comm", comm)
        self.uid = uid
        self.comm = comm
        self.folder = folder_in_memory()
        self.folder.chmod(0o755)
        self.pid = self.answer()["pid"]
        self._runs = 0

    def close(self) -> None:
        super().close()
        shutil.rmtree(self.folder)

    def begin(self, run: str, **parameters: Any) -> Path:
        """Start a command and return the folder it works in. `answer` waits for its end."""
        self._runs += 1
        base = self.folder / str(self._runs)
        self.command(run=run, base=str(base), **parameters)
        return base

    def run(self, run: str, **parameters: Any) -> list[Call]:
        """Run a command to its end and return its calls, in order within each thread."""
        self.begin(run, **parameters)
        return self.calls()

    def calls(self) -> list[Call]:
        """Wait for the command started last and return its calls."""
        return [Call.from_json(values) for values in self.answer()["calls"]]

    def made(self) -> dict[int, int]:
        """Wait for the flood started last; return each thread's number of calls, by id."""
        return {int(tid): count for tid, count in self.answer()["made"].items()}

    def end_flood(self) -> dict[int, int]:
        """Tell the flood to stop, and wait for it."""
        self.process.send_signal(signal.SIGUSR1)
        return self.made()


@dataclass(frozen=True)
class HeldNames:
    """The result of `hold_names`: the process, and the name that each of its threads passed."""

    pid: int
    names: dict[int, str]


class Holder(Script):
    """Deletions with names of these sizes that block in the kernel until `release` or `kill`.

    The names are overwritten while the calls are in the kernel. A context manager.
    """

    def __init__(self, sizes: list[int], prefix: str, **options: bool) -> None:
        self._place = tempfile.mkdtemp(prefix="pd-held-")
        super().__init__(HELD_NAMES, self._place)
        self.pid = self.answer()["pid"]
        self.command(sizes=sizes, prefix=prefix, **options)
        assert self.answer() == {"held": True}

    def close(self) -> None:
        super().close()
        Path(self._place).rmdir()

    def pass_by(self, threads: int) -> None:
        """Have this many short-lived threads, one after the other, delete something else."""
        self.command(passers=threads)
        assert self.answer() == {"passed": threads}

    def release(self) -> HeldNames:
        """Let the calls return; a child (`child=True`) is killed during its calls instead."""
        self.command()
        found = self.answer()
        names = found["names"].items()
        return HeldNames(found["pid"], {int(t): text(bytes.fromhex(n)) for t, n in names})


def hold_names(sizes: list[int], prefix: str) -> HeldNames:
    """Make deletions whose names, of these sizes, are overwritten during the call."""
    with Holder(sizes, prefix) as holder:
        return holder.release()
