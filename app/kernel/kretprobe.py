# SPDX-License-Identifier: Apache-2.0
"""kretprobes that follow as many concurrent calls as the kernel allows.

A kretprobe has a number of instances, and a call occupies one until it returns; further calls are
not seen. A kretprobe made by perf_event_open(2) has the default: the number of CPUs, or twice that
and at least ten (register_kretprobe, kernel/kprobes.c). tracefs accepts a number, but an event made
there stays until it is removed. So a separate process removes it when this one has ended, for
whatever reason (app/kernel/kprobe_event_remover.py).
"""

from __future__ import annotations

import fcntl
import os
import secrets
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from app.kernel.kprobe_event_remover import remove
from app.linux import perf_events
from app.linux.tracefs import tracepoint_id

GROUP = "probedeck"
MAX_ACTIVE = 4096  # KRETPROBE_MAXACTIVE_MAX, kernel/trace/trace_kprobe.c
REMOVER = Path(__file__).with_name("kprobe_event_remover.py")


@contextmanager
def events(functions: Sequence[str], tracefs: Path) -> Iterator[list[int]]:
    """Open a perf event for the return of each function, in their order; raises OSError.

    If tracefs is not writable, each has the kernel's default number of instances.
    """
    with ExitStack() as stack:
        try:
            control = os.open(tracefs / "kprobe_events", os.O_RDWR | os.O_CLOEXEC)
        except OSError:
            yield [stack.enter_context(perf_events.kprobe_event(each, True)) for each in functions]
            return
        stack.callback(os.close, control)
        names = [f"{GROUP}/r{secrets.token_hex(8)}" for _ in functions]
        stack.enter_context(_removed_at_exit(control, names))
        # Another tracer would take events that are not yet in use for stale ones.
        fcntl.flock(control, fcntl.LOCK_EX)
        try:
            _remove_stale(control)
            for name, function in zip(names, functions, strict=True):
                os.write(control, f"r{MAX_ACTIVE}:{name} {function}\n".encode())
            ids = [tracepoint_id(tracefs, *name.split("/")) for name in names]
            opened = [stack.enter_context(perf_events.tracepoint_event(each)) for each in ids]
        finally:
            fcntl.flock(control, fcntl.LOCK_UN)
        yield opened


@contextmanager
def _removed_at_exit(control: int, names: Sequence[str]) -> Iterator[None]:
    """Remove these events on exit, also when this process is killed; raises OSError."""
    remover = subprocess.Popen(
        [sys.executable, "-I", "-S", "-B", str(REMOVER), str(control), *names],
        stdin=subprocess.PIPE,
        pass_fds=[control],
        start_new_session=True,  # so that Ctrl-C does not reach it
    )
    with remover:  # closes the pipe and waits
        yield


def _remove_stale(control: int) -> None:
    """Remove unused events of ours: those of a tracer whose remover was killed too."""
    os.lseek(control, 0, os.SEEK_SET)
    listed = b"".join(iter(lambda: os.read(control, 65536), b"")).decode(errors="replace")
    for line in listed.splitlines():
        definition = line.split()[0]  # r4096:group/event
        _, _, name = definition.partition(":")
        if name.startswith(f"{GROUP}/"):
            remove(control, name)  # fails for one in use
