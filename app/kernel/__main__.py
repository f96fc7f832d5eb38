# SPDX-License-Identifier: Apache-2.0
"""`python -m app.kernel`: the running kernel and the modes it allows, as JSON on one line.

A short process of its own, as it loads BCC's library, and named as tracers are: what it calls to
see programs run is no event for them (bpf/record.c, is_canary).
Settings come from `PROBEDECK_*` (app.config).
"""

from __future__ import annotations

import json
import os
import sys

from app.config import Settings
from app.kernel.features import check_modes
from app.kernel.renames import find_rename_function
from app.kernel.traced_calls import (
    DELETION_FUNCTIONS,
    DELETION_SYSCALLS,
    RENAME_FUNCTIONS,
    RENAME_SYSCALLS,
)
from app.linux.syscalls import set_process_name


def main() -> None:
    set_process_name("pd:check")
    settings = Settings.from_environment()
    modes = check_modes(
        DELETION_FUNCTIONS,
        DELETION_SYSCALLS + RENAME_SYSCALLS,
        btf_path=settings.btf_path,
        cache_dir=settings.cache_dir,
    )
    system = os.uname()
    answer = {
        "release": system.release,
        "machine": system.machine,
        "hostname": system.nodename,
        "rename_function": find_rename_function(RENAME_FUNCTIONS, settings.btf_path),
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
