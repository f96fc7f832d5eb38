# SPDX-License-Identifier: Apache-2.0
"""What the terminal shows at the start: the address, then the modes that the kernel supports."""

from __future__ import annotations

import logging
import os
import shlex
import sys
import threading
from collections.abc import Iterable, Mapping
from typing import Any

from app import ROOT
from app.access.tokens import TokenFile
from app.config import Settings
from app.errors import ProbedeckError
from app.linux.standard_streams import say
from app.probes.modes import MODES
from app.server.gunicorn_api import Arbiter
from app.server.tls import fingerprint
from app.server.worker import Worker
from app.web.context import Service

# If one is missing, suggest a virtual machine, whose kernel supports all of them.
TRACING = frozenset({"fentry", "fexit", "kprobe", "kretprobe"})


def announce(worker: Worker) -> None:
    """In the new worker, ready to serve: print the address, and check the modes in a thread."""
    service = worker.service
    settings = service.settings
    say(f"Probedeck on {settings.address} (Ctrl-C ends it)")
    if settings.is_remote and not settings.host_names:
        say("  other machines use this machine's address (--host-names adds names)")
    # These files were checked a moment ago (app/server/arbiter.py). A change since then must not
    # end the service, which is already serving.
    try:
        if settings.tls_self_signed:
            certificate = fingerprint(settings)
            say("  browsers warn of its certificate once; accept it if its SHA-256 fingerprint is")
            say(f"  {certificate}")
        announce_tokens(TokenFile(settings.run_dir).make_first(), settings)
    except ProbedeckError as error:
        logging.getLogger(__name__).error("%s", error.detail)
    # The check takes seconds: in a thread, so that the service answers at once.
    threading.Thread(target=_check, args=(service,), name="availability", daemon=True).start()


def _check(service: Service) -> None:
    try:
        service.manager.start_service()
        lines = summary(service.manager.describe_all()["probes"])
    except Exception as error:
        if isinstance(error, ProbedeckError) and error.code == "stopping":
            return  # the service was stopped during the check
        logging.getLogger(__name__).exception("The probe manager cannot start")
        # Without it the service is useless: exit with a status that a service manager sees.
        os._exit(Arbiter.WORKER_BOOT_ERROR)
    for line in lines:
        say(line)


def summary(probes: Iterable[Mapping[str, Any]]) -> list[str]:
    """Describe the modes that work, those that do not with the reason, and what would help."""
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


def announce_tokens(made: Mapping[str, str], settings: Settings) -> None:
    """Show the first tokens (name -> token) on a terminal, but never in a file or a log."""
    if not made:
        return
    if not sys.stdout.isatty():
        command = token_command(settings, "rotate", "NAME")
        say(f"  tokens for others were made; {command} shows a new one")
        return
    say(f"For others, each with a token, shown only once ({token_command(settings, 'list')}):")
    for name, token in made.items():
        say(f"  {name}: {token_address(token, settings.address)}")


def token_command(settings: Settings, *words: str) -> str:
    """Return the command, to be copied, that acts on the tokens of exactly this service."""
    command = ["./run", "token", *words]
    if settings.run_dir != Settings.run_dir:
        command += ["--run-dir", str(settings.run_dir.absolute())]
    if settings.trusted_peer:  # in a virtual machine, which has its own run folder
        port = [] if settings.port == Settings.port else ["--port", str(settings.port)]
        command = ["./run", *port, "--vm-exec", str(ROOT / "run"), *command[1:]]
    sudo = ["sudo"] if settings.owner_uid else []
    return shlex.join([*sudo, *command])


def token_address(token: str, address: str) -> str:
    """Return the address to open. A fragment is never sent: it is in no log and no Referer."""
    return f"{address}#token={token}"
