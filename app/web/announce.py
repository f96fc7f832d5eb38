# SPDX-License-Identifier: Apache-2.0
"""What the terminal shows at the start: the address, then the modes that this kernel allows."""

from __future__ import annotations

import logging
import os
import sys
import threading
from collections.abc import Iterable, Mapping
from typing import Any

from gunicorn.arbiter import Arbiter

from app.errors import ProbedeckError
from app.probes.modes import MODES
from app.tokens import TokenFile
from app.web.service import Service
from app.web.tls import fingerprint
from app.web.worker import Worker

# Shown to be what a virtual machine would add: its kernel allows all of them.
TRACING = frozenset({"fentry", "fexit", "kprobe", "kretprobe"})


def announce(worker: Worker) -> None:
    """In the new worker, which can serve now: say where, and check the modes meanwhile."""
    service = worker.service
    settings = service.settings
    _say(f"Probedeck on {settings.address} (Ctrl-C ends it)")
    if settings.is_remote and not settings.host_names:
        _say("  other machines open it by this one's address (--host-names gives it names)")
    if settings.tls_self_signed:
        _say("  a browser warns of its certificate once; it is the right one if SHA-256 is")
        _say(f"  {fingerprint(settings)}")
    announce_tokens(TokenFile(settings.run_dir).make_first(), settings.address)
    # A thread, for the check takes seconds and the service answers from the first moment.
    threading.Thread(target=_check, args=(service,), name="availability", daemon=True).start()


def _check(service: Service) -> None:
    try:
        service.manager.start_service()
        lines = summary(service.manager.describe_all()["probes"])
    except Exception as error:
        if isinstance(error, ProbedeckError) and error.code == "stopping":
            return  # the service was ended meanwhile
        logging.getLogger(__name__).exception("The probe manager cannot start")
        # A service without one serves nothing: end it, with a status that says so.
        os._exit(Arbiter.WORKER_BOOT_ERROR)
    for line in lines:
        _say(line)


def summary(probes: Iterable[Mapping[str, Any]]) -> list[str]:
    """Lines for people: the modes that work, those that do not and why, and what would help."""
    modes = [probe for probe in probes if probe["id"] in MODES]
    working = [probe["id"] for probe in modes if probe["available"]]
    reasons: dict[str, list[str]] = {}
    for probe in modes:
        if not probe["available"]:
            reasons.setdefault(probe["reason"] or "no reason given", []).append(probe["id"])
    lines = ["  modes: " + (", ".join(working) or "none on this kernel")]
    lines.extend(
        f"  not on this kernel: {', '.join(names)} ({reason})" for reason, names in reasons.items()
    )
    if TRACING - set(working):
        lines.append("  ./run --vm shows all modes inside a virtual machine")
    return lines


def announce_tokens(made: Mapping[str, str], address: str) -> None:
    """Show the first tokens (name -> token) to a person; what goes to a file or a log has none."""
    if not made:
        return
    if not sys.stdout.isatty():
        _say("  tokens for others were made; ./run token rotate NAME shows a new one")
        return
    _say("For others, with a token, which is shown this once (./run token --help):")
    for name, token in made.items():
        _say(f"  {name}: {token_address(token, address)}")


def token_address(token: str, address: str) -> str:
    """What to open in a browser. A fragment is never sent: it is in no log and no Referer."""
    return f"{address}#token={token}"


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
