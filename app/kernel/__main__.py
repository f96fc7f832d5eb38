# SPDX-License-Identifier: Apache-2.0
"""`python -m app.kernel`: the running kernel and the modes it allows, as JSON on one line.

A short process of its own, as it loads BCC's library, and named as tracers are: what it calls to
see programs run is no event for them (bpf/record.c, is_canary).
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from app.kernel.features import check_modes
from app.kernel.renames import find_rename_function
from app.linux.syscalls import set_process_name
from app.probes.modes import (
    DELETION_FUNCTIONS,
    DELETION_SYSCALLS,
    RENAME_FUNCTIONS,
    RENAME_SYSCALLS,
)


def main(argv: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(prog="python -m app.kernel")
    parser.add_argument("--btf-path", type=Path, required=True)
    parser.add_argument("--cache-dir", type=Path, required=True)
    options = parser.parse_args(argv)
    set_process_name("pd:check")
    modes = check_modes(
        DELETION_FUNCTIONS,
        DELETION_SYSCALLS + RENAME_SYSCALLS,
        btf_path=options.btf_path,
        cache_dir=options.cache_dir,
    )
    system = os.uname()
    answer = {
        "release": system.release,
        "machine": system.machine,
        "hostname": system.nodename,
        "rename_function": find_rename_function(RENAME_FUNCTIONS, options.btf_path),
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
    main(sys.argv[1:])
