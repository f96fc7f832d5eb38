# SPDX-License-Identifier: Apache-2.0
"""What `./bench` takes. Standard library only: `--help` works before anything is installed."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

PARTS = {
    "compare": "every tracer on the same loop, in turn: slow-down, reader CPU, losses, bytes",
    "runtime": "time inside the BPF programs, by the kernel's own measuring",
    "start": "from the request to attached, beside bpftrace's whole start",
    "memory": "by process: before, at the peak, steady and after stop; an idle probe's CPU",
    "delay": "from a call to the websocket frame with its row",
    "scale": "viewers, probes, threads, long names, filters in the kernel",
    "page": "the page in Chromium (what ./test browser installs must be there)",
    "vm": "all modes on a Debian kernel under QEMU, in counted instructions",
}
NATIVE = ("compare", "runtime", "start", "memory", "delay", "scale")
GROUPS = {"native": NATIVE, "quick": NATIVE, "all": tuple(PARTS)}


@dataclass(frozen=True)
class Options:
    """What was asked for. `quick` takes a tenth of the calls, and one round."""

    parts: tuple[str, ...]
    calls: int
    rounds: int
    suite: str
    vm_calls: int
    json: Path | None
    plots: Path | None
    quick: bool


def read(argv: Sequence[str]) -> Options:
    """Ends the process with a message when the words are wrong."""
    lines = "\n".join(f"  {name:8} {text}" for name, text in PARTS.items())
    parser = argparse.ArgumentParser(
        prog="./bench",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Measure Probedeck beside bpftrace and the bpf_printk way, in one run.",
        epilog=f"parts:\n{lines}\n\n"
        f"groups:\n  native   {', '.join(NATIVE)} (the default)\n"
        "  quick    the same, one round of a tenth: to see that it works\n"
        "  all      everything\n\n"
        "Ratios of one run are what counts; docs/performance.md says how it is measured.",
    )
    names = [*PARTS, *GROUPS]
    parser.add_argument("parts", nargs="*", default=["native"], metavar="PART")
    parser.add_argument("--calls", type=_count, default=200_000, help="of a loop (%(default)s)")
    parser.add_argument("--rounds", type=_count, default=5, help="(%(default)s)")
    parser.add_argument("--suite", default="trixie", help="Debian's kernel for vm (%(default)s)")
    parser.add_argument(
        "--vm-calls", type=_count, default=10_000, help="of a loop in the machine (%(default)s)"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures there")
    parser.add_argument("--plots", type=Path, metavar="DIR", help="draw them there, as SVG")
    words = parser.parse_args(argv)
    if unknown := [part for part in words.parts if part not in names]:
        parser.error(f"no such part: {', '.join(unknown)} (there are: {', '.join(names)})")
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
        raise argparse.ArgumentTypeError(f"{text!r} is not a number above 0")
    return int(text)


if __name__ == "__main__":
    read([*sys.argv[1:], "--help"])
