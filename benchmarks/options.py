# SPDX-License-Identifier: Apache-2.0
"""The options of `./bench`. `--help` works before anything is installed."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

PARTS = {
    "compare": "all tracers in turn on the same loop: slow-down, reader CPU, losses, bytes",
    "traced": "openat by system call, beside bpftrace's program for the same",
    "runtime": "time inside the BPF programs, as measured by the kernel",
    "start": "time from the request until attached, beside bpftrace's start",
    "answers": "starts of system calls never traced before; the index of functions",
    "memory": "memory by process: before, peak, steady, after stop; CPU of an idle probe",
    "delay": "time from a call to the websocket frame with its row",
    "scale": "viewers, probes, threads, long names, filters in the kernel",
    "page": "the page in Chromium (what ./test browser installs must be there)",
    "programs": "what the programs alone add to a call, on a Debian kernel under QEMU",
    "vm": "all modes on a Debian kernel under QEMU, in instructions",
}
NATIVE = ("compare", "traced", "runtime", "start", "answers", "memory", "delay", "scale")
GROUPS = {"native": NATIVE, "quick": NATIVE, "all": tuple(PARTS)}


@dataclass(frozen=True)
class Options:
    """The chosen options. `quick` makes a tenth of the calls, in one round."""

    parts: tuple[str, ...]
    calls: int
    rounds: int
    suite: str
    vm_calls: int
    json: Path | None
    plots: Path | None
    quick: bool


def read(argv: Sequence[str]) -> Options:
    """Parse the command line; an invalid one ends the process with a message."""
    lines = "\n".join(f"  {name:9}{text}" for name, text in PARTS.items())
    parser = argparse.ArgumentParser(
        prog="./bench",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Compare Probedeck with bpftrace and bpf_printk on the same loop.",
        epilog=f"parts:\n{lines}\n\n"
        f"groups:\n  native   {', '.join(NATIVE)} (the default)\n"
        "  quick    the same, in one round of a tenth of the calls, as a smoke test\n"
        "  all      everything\n\n"
        "Compare ratios within one run only; docs/performance.md describes the method.",
    )
    names = [*PARTS, *GROUPS]
    parser.add_argument("parts", nargs="*", default=["native"], metavar="PART")
    parser.add_argument("--calls", type=_count, default=200_000, help="calls a loop (%(default)s)")
    parser.add_argument("--rounds", type=_count, default=5, help="rounds (%(default)s)")
    parser.add_argument(
        "--suite", default="trixie", help="Debian suite for vm, programs (%(default)s)"
    )
    parser.add_argument(
        "--vm-calls", type=_count, default=10_000, help="calls a loop for these (%(default)s)"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures to FILE")
    parser.add_argument("--plots", type=Path, metavar="DIR", help="write plots to DIR, as SVG")
    words = parser.parse_args(argv)
    if unknown := [part for part in words.parts if part not in names]:
        parser.error(f"unknown part: {', '.join(unknown)} (choose from: {', '.join(names)})")
    quick = "quick" in words.parts
    parts = [part for name in words.parts for part in GROUPS.get(name, (name,))]
    return Options(
        tuple(part for part in PARTS if part in parts),
        words.calls // 10 if quick else words.calls,
        1 if quick else words.rounds,
        words.suite,
        words.vm_calls,
        words.json,
        words.plots,
        quick,
    )


def _count(text: str) -> int:
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a positive integer")
    return int(text)


if __name__ == "__main__":
    read([*sys.argv[1:], "--help"])
