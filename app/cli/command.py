# SPDX-License-Identifier: Apache-2.0
"""What a command of `./run` is: a module with `needs` and `main`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal, Protocol

from app.linux.standard_streams import show

if TYPE_CHECKING:
    from _typeshed import SupportsWrite

# What `run` sees to before it hands over. The packages of the groups are in tools/install.sh.
Need = Literal[
    "root",  # refused without; nothing is installed then
    "service",  # packages: Python and BCC
    "machine",  # packages: QEMU and what boots a kernel under it
    "openssl",  # a package
    "environment",  # run by the virtual environment's Python, not by the system's
]
SERVE: tuple[Need, ...] = ("root", "service", "environment")


class Command(Protocol):
    """A command's module. It is imported before anything is installed."""

    def needs(self, argv: Sequence[str], /) -> Sequence[Need]:
        """Return what these arguments need; exit with 2 for wrong ones.

        For `--help` nothing is needed, and nothing printed: `main` does that.
        """

    def main(self, argv: Sequence[str], /) -> int:
        """Run the command and return the exit status; exit with 2 for wrong arguments."""


class Parser(argparse.ArgumentParser):
    """A parser that takes options by their whole names only.

    `--vm-exe` must not be taken for `--vm-exec` by one parser and for nothing by another.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options, allow_abbrev=False)

    def print_help(self, file: SupportsWrite[str] | None = None) -> None:
        """Print the help; raises OutputError, where argparse raises OSError or says nothing."""
        if file is None:
            show(self.format_help())
        else:
            super().print_help(file)
