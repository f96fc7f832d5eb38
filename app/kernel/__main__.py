# SPDX-License-Identifier: Apache-2.0
"""`python -m app.kernel`: print the running kernel and the modes it allows, as one line of JSON.

A short-lived process of its own, because it loads BCC's library. It is named as tracers are, so
that the calls of its feature probes are not events for them (bpf/canary.c). Settings come from
`PROBEDECK_*` (app.config).
"""

from __future__ import annotations

import json
import os
import sys

from app.btf.reader import Btf
from app.config import Settings
from app.kernel.features import check_modes, load_btf, load_symbols
from app.kernel.renames import find_rename_function
from app.kernel.symbols import TextSymbols
from app.linux.process import set_process_name
from app.probes.modes import (
    DELETION_FUNCTIONS,
    DELETION_SYSCALLS,
    RENAME_FUNCTIONS,
    RENAME_SYSCALLS,
)


def main() -> None:
    set_process_name("pd:check")
    settings = Settings.from_environment()
    btf, symbols = load_btf(settings.btf_path), load_symbols()
    modes = check_modes(
        DELETION_FUNCTIONS,
        DELETION_SYSCALLS + RENAME_SYSCALLS,
        btf=btf,
        symbols=symbols,
        btf_path=settings.btf_path,
        cache_dir=settings.cache_dir,
    )
    renames = None
    if isinstance(btf, Btf) and isinstance(symbols, TextSymbols):
        renames = find_rename_function(RENAME_FUNCTIONS, btf, symbols)
    system = os.uname()
    answer = {
        "release": system.release,
        "machine": system.machine,
        "hostname": system.nodename,
        "rename_function": renames,
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
    json.dump(answer, sys.stdout)
    sys.stdout.write("\n")


if __name__ == "__main__":
    main()
