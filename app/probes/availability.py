# SPDX-License-Identifier: Apache-2.0
"""Which modes this kernel allows, as the kernel itself answers (`python -m app.kernel`)."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from dataclasses import dataclass
from typing import Any

from app import ROOT
from app.config import Settings
from app.errors import ProbedeckError
from app.kernel.availability import Availability
from app.probes.modes import MODES, PREFERENCE
from app.probes.spawner import child_environment

CHECK_TIMEOUT_S = 60.0  # at least; who allows a start more time has a slow machine
MOST_LOGGED_LINES = 50
log = logging.getLogger(__name__)


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
    timeout_s = max(CHECK_TIMEOUT_S, settings.start_timeout_s)
    try:
        done = subprocess.run(
            command,
            cwd=ROOT,
            env={**child_environment(), **settings.environment()},
            capture_output=True,
            timeout=timeout_s,
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
        said = error.stderr.decode(errors="backslashreplace").splitlines()
        for line in said[-MOST_LOGGED_LINES:]:
            log.error("kernel check: %s", line)
        raise _check_failed(f"it ended with status {error.returncode}") from error
    except subprocess.TimeoutExpired as error:
        raise _check_failed(f"no answer for {timeout_s:g} s") from error
    except OSError as error:
        log.exception("the kernel check cannot be started")
        raise _check_failed(f"it cannot be started: {error.strerror}") from error
    except (ValueError, KeyError, TypeError) as error:
        log.exception("the kernel check's answer is malformed")
        raise _check_failed("its answer is malformed") from error


def _check_failed(why: str) -> ProbedeckError:
    detail = f"The kernel check failed: {why}. The service's log has the details."
    return ProbedeckError(500, "internal", detail)
