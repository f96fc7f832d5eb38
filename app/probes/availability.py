# SPDX-License-Identifier: Apache-2.0
"""Which modes this kernel allows, as the kernel itself answers (`python -m app.kernel`)."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from typing import Any

from app.config import Settings
from app.errors import ProbedeckError
from app.probes.modes import MODES, PREFERENCE
from app.probes.spawner import PROJECT, child_environment

CHECK_TIMEOUT_S = 60.0


@dataclass(frozen=True)
class Availability:
    """One mode's answer; `reason` and `hint` are sentences when it is not available."""

    available: bool
    function: str | None
    reason: str | None
    hint: str | None


@dataclass(frozen=True)
class KernelAnswer:
    """What the kernel is and which modes it allows."""

    release: str
    machine: str
    hostname: str
    modes: dict[str, Availability]
    rename_function: str | None = None  # the kernel's own that our programs can follow

    def working(self) -> list[str]:
        """Modes that work, the most telling first."""
        return [name for name in PREFERENCE if self.modes[name].available]


def ask_kernel(settings: Settings) -> KernelAnswer:
    """Load and attach in a short-lived process. Raises ProbedeckError when that cannot be done."""
    command = [sys.executable, "-m", "app.kernel"]
    try:
        done = subprocess.run(
            command,
            cwd=PROJECT,
            env={**child_environment(), **settings.environment()},
            capture_output=True,
            timeout=CHECK_TIMEOUT_S,
            check=True,
            start_new_session=True,  # Ctrl-C is for the service
        )
        answer: dict[str, Any] = json.loads(done.stdout)
        return KernelAnswer(
            answer["release"],
            answer["machine"],
            answer["hostname"],
            {name: Availability(**answer["modes"][name]) for name in MODES},
            answer["rename_function"],
        )
    except subprocess.CalledProcessError as error:
        detail = error.stderr.decode(errors="replace")[-2000:]
        raise ProbedeckError(500, "internal", f"the kernel check failed: {detail}") from error
    except (OSError, subprocess.TimeoutExpired, ValueError, KeyError, TypeError) as error:
        raise ProbedeckError(500, "internal", f"the kernel check failed: {error}") from error
