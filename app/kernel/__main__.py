# SPDX-License-Identifier: Apache-2.0
"""`python -m app.kernel`: print the running kernel and the modes it allows, as one line of JSON.

It detaches its tracepoint programs after that, which takes up to a second.

A short-lived process of its own, because it loads BCC's library. It is named as tracers are, so
that the calls of its feature probes are not events for them (bpf/presets/deletions/canary.c).
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from app.btf.reader import Btf
from app.kernel.features import check_modes, load_btf, load_symbols
from app.kernel.symbols import TextSymbols
from app.linux.process import set_process_name
from app.presets.deletions.hooks import (
    FUNCTIONS,
    REACHED_BY,
    RENAME_FUNCTIONS,
    RENAME_SYSCALLS,
    SYSCALLS,
)
from app.presets.deletions.not_seen import not_seen
from app.presets.deletions.renames import find_rename_function


def main(argv: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(prog="python -m app.kernel", allow_abbrev=False)
    parser.add_argument("--btf-path", type=Path, required=True)
    parser.add_argument("--cache-dir", type=Path, required=True)
    options = parser.parse_args(argv)
    set_process_name("pd:check")
    with ExitStack() as attached:
        json.dump(_answer(options.btf_path, options.cache_dir, attached), sys.stdout)
        sys.stdout.write("\n")
        sys.stdout.flush()


def _answer(btf_path: Path, cache_dir: Path, attached: ExitStack) -> dict[str, Any]:
    btf, symbols = load_btf(btf_path), load_symbols()
    modes = check_modes(
        FUNCTIONS,
        SYSCALLS + RENAME_SYSCALLS,
        reached_by=REACHED_BY,
        btf=btf,
        symbols=symbols,
        btf_path=btf_path,
        cache_dir=cache_dir,
        attached=attached,
    )
    sees_renames = (
        isinstance(btf, Btf)
        and isinstance(symbols, TextSymbols)
        and find_rename_function(RENAME_FUNCTIONS, btf, symbols) is not None
    )
    system = os.uname()
    return {
        "release": system.release,
        "machine": system.machine,
        "hostname": system.nodename,
        "not_seen": {mode: not_seen(mode, sees_renames) for mode in modes},
        "modes": {
            name: {
                "available": found.available,
                "function": found.function,
                "reason": found.reason,
                "hint": found.hint,
            }
            for name, found in modes.items()
        },
    }


if __name__ == "__main__":
    main(sys.argv[1:])
