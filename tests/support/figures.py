"""Figures of what was promised, for the report of a run: pytest keeps what goes to standard error
of a test, but not to that of the process."""

from __future__ import annotations

import sys


def figure(name: str, value: str) -> None:
    """Print one, on a line of its own."""
    assert sys.__stderr__ is not None
    sys.__stderr__.write(f"\nfigure: {name}: {value}\n")
    sys.__stderr__.flush()
