# SPDX-License-Identifier: Apache-2.0
"""What a tracer that died had counted: its map outlives it, as the service holds the descriptor."""

from __future__ import annotations

import logging
import subprocess
import sys

from app import ROOT
from app.probes.kernel_ledger import KernelLedger
from app.probes.spawner import child_environment

TIMEOUT_S = 60.0  # it reads what a tracer reads each second, but loads numpy and Arrow first
log = logging.getLogger(__name__)


def last_counts(request: bytes, ledger: KernelLedger) -> bytes | None:
    """Return the last snapshot of a run with this request, as a tracer sends it.

    None, and a line in the log, if it cannot be read: then the one before stays the last. The
    programs must be detached.
    """
    groups, counts = ledger.groups, ledger.counts
    assert groups is not None
    command = [sys.executable, "-m", "app.tracer.read_counts", str(groups), str(counts)]
    try:
        done = subprocess.run(
            command,
            input=request,
            capture_output=True,
            check=True,
            cwd=ROOT,
            env=child_environment(),
            pass_fds=(groups, counts),
            start_new_session=True,  # so that Ctrl-C reaches the service only
            timeout=TIMEOUT_S,
        )
    except (OSError, subprocess.SubprocessError) as error:
        said = getattr(error, "stderr", None) or b""
        log.error("what was counted cannot be read: %s\n%s", error, said.decode(errors="replace"))
        return None
    return done.stdout
