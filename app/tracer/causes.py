# SPDX-License-Identifier: Apache-2.0
"""Why a tracer or its compiler failed, in words for anyone who may see the probe.

Tracebacks and the paths in them go to standard error, which the service writes to its log.
"""

from __future__ import annotations

import sys
import traceback

from app.kernel.feature_probes import in_words


def log_and_tell(error: Exception) -> str:
    """Write the whole error to standard error; return its cause without paths or code."""
    traceback.print_exception(error)
    sys.stderr.flush()
    if isinstance(error, MemoryError):
        return "out of memory"
    if isinstance(error, OSError) and error.errno is not None:
        return in_words(error)
    # Our own exceptions, and BCC's, which are plain ones, say it in a sentence.
    if type(error) is Exception or type(error).__module__.startswith("app.tracer."):
        return str(error)
    return f"a defect of Probedeck ({type(error).__name__}); the service's log has the details"


def words_without_paths(said: str) -> str:
    """What a program wrote to standard error, if anyone may read it; else nothing.

    A traceback, or a compiler's messages, which name files, are for the log alone.
    """
    said = said.strip()[-4096:]
    return "" if "/" in said or "Traceback" in said else said
