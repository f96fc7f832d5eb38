# SPDX-License-Identifier: Apache-2.0
"""`./run --vm-exec COMMAND...`: run a command in the machine of `./run --vm`."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from app.cli import vm
from app.cli.command import Need
from app.linux.standard_streams import show
from app.vm_mode.commands import NoMachineError, execute

NO_MACHINE = 125


def needs(argv: Sequence[str]) -> Sequence[Need]:
    """Return what these arguments need: the machine that runs is only asked.

    Exits with 2 for wrong arguments.
    """
    vm.parse(argv)
    return ("root",)


def main(argv: Sequence[str]) -> int:
    """Run the command and return its exit status; 125 without a machine on that port."""
    options, _ = vm.parse(argv)
    if os.geteuid() != 0:
        sys.stderr.write(f"{vm.NEEDS_ROOT}\n")
        return 1
    try:
        return execute(options.port, options.vm_exec)
    except NoMachineError as error:
        sys.stderr.write(f"{error}\n")
        return NO_MACHINE
    except OSError:
        show("")  # raises OutputError if this is why
        raise
