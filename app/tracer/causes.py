# SPDX-License-Identifier: Apache-2.0
"""Why a tracer or its compiler failed, in words that every user of the probe may see.

Tracebacks and their paths go to standard error, which the service writes to its log.
"""

from __future__ import annotations

import sys
import traceback

from app.kernel.feature_probes import describe_error


def log_and_describe(error: Exception) -> str:
    """Write the whole error to standard error; return its cause without paths or code."""
    traceback.print_exception(error)
    sys.stderr.flush()
    if isinstance(error, MemoryError):
        return "out of memory"
    if isinstance(error, OSError) and error.errno is not None:
        return describe_error(error)
    # Our own exceptions, and BCC's, which are of type Exception, have a sentence for users.
    if type(error) is Exception or type(error).__module__.startswith("app.tracer."):
        return str(error)
    return f"internal error ({type(error).__name__}): see the service's log"


def public_text(said: str) -> str:
    """Return what a program wrote to standard error if users may see it, else "".

    Tracebacks and compiler messages contain paths and are for the log only.
    """
    said = said.strip()[-4096:]
    return "" if "/" in said or "Traceback" in said else said
