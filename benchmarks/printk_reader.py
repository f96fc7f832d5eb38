# SPDX-License-Identifier: Apache-2.0
"""A reader of bpf_printk lines: python -m benchmarks.printk_reader MODE FUNCTION PID CACHE.

Attaches a program, prints a line once it is attached, and counts the lines of trace_pipe. Answers
each line on standard input with the counts so far.
"""

from __future__ import annotations

import json
import os
import select
import sys
from pathlib import Path

from app.kernel.bcc_headers import BTF_PATH, find_headers
from app.linux.tracefs import opened
from benchmarks.printk_source import source
from benchmarks.trace_pipe import read_stats, read_text

PIECE_BYTES = 1 << 16  # the kernel returns whole lines, at most a page at once


def stats(tracefs: Path) -> dict[str, int]:
    """Return what the kernel's trace buffers hold, and what they have lost."""
    return read_stats(path.read_text() for path in tracefs.glob("per_cpu/cpu*/stats"))


def main() -> None:
    """Attach and read until standard input is closed."""
    mode, function, pid, cache = sys.argv[1:]
    find_headers(BTF_PATH, Path(cache)).apply()
    with opened() as tracefs:
        trace(tracefs, mode, function, pid)


def trace(tracefs: Path, mode: str, function: str, pid: str) -> None:
    """Attach and read until standard input ends."""
    from bcc import BPF

    pipe = os.open(tracefs / "trace_pipe", os.O_RDONLY | os.O_NONBLOCK)
    # Loading a program that calls bpf_trace_printk enables this event for good, so it is restored
    # below. Enabling it here also makes the kernel expand its trace buffers from their initial few
    # KiB.
    event = tracefs / "events/bpf_trace/bpf_trace_printk/enable"
    was_on = event.read_text().strip()
    event.write_text("1")
    try:
        bpf = BPF(text=source(mode), cflags=[f"-DPID={pid}", f"-DFUNCTION={function}"])
        try:
            if mode == "kretprobe":
                bpf.attach_kretprobe(event=function, fn_name="on_return")
            if mode in ("kprobe", "kretprobe"):
                bpf.attach_kprobe(event=function, fn_name="on_entry")
            read_until_told(tracefs, pipe)
        finally:
            bpf.cleanup()
    finally:
        event.write_text(was_on)


def read_until_told(tracefs: Path, pipe: int) -> None:
    """Count lines until standard input is closed."""
    while select.select([pipe], [], [], 0)[0] and os.read(pipe, PIECE_BYTES):
        pass  # lines of earlier programs
    before = stats(tracefs)
    lines = told = size = 0
    print(json.dumps({}), flush=True)
    while True:
        ready, _, _ = select.select([pipe, sys.stdin], [], [])
        if pipe in ready:
            try:
                piece = os.read(pipe, PIECE_BYTES)
            except BlockingIOError:
                continue
            text = read_text(piece)
            lines, told, size = lines + text.lines, told + text.lost, size + len(piece)
        if sys.stdin in ready:
            if not sys.stdin.readline():
                return
            now = stats(tracefs)
            lost = sum(now[name] - before[name] for name in ("overrun", "dropped events"))
            answer = {"lines": lines, "lost": lost, "told": told, "bytes": size}
            print(json.dumps({**answer, "waiting": now["entries"]}), flush=True)


if __name__ == "__main__":
    main()
