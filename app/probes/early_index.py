# SPDX-License-Identifier: Apache-2.0
"""The first index of functions, begun while the service's modules are imported.

Both take a second. The process leaves the index in the cache folder, where the service's own
(app/probes/function_index.py) finds it, or waits for it (app.kernel.functions_cache.ensure).
"""

from __future__ import annotations

import os
import subprocess

from app import ROOT
from app.config import Settings
from app.link.indexer import functions_command
from app.probes.spawner import child_environment


def begin(settings: Settings) -> subprocess.Popen[bytes] | None:
    """Start the process, which ends with this one at the latest; None if that is impossible.

    It reports nothing: whatever prevents an index prevents the service's own too.
    """
    try:
        return subprocess.Popen(
            functions_command(settings.btf_path, settings.cache_dir, os.getpid()),
            cwd=ROOT,
            env=child_environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # so that Ctrl-C reaches the service only
        )
    except OSError:
        return None
