# SPDX-License-Identifier: Apache-2.0
"""What must be done, and may fail, before the server's modules are imported.

Importing gunicorn's worker and flask takes half a second, in which the kernel can work.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING

from app.access.tokens import TokenFile
from app.config import Settings
from app.linux.allocator import limit_heap_growth
from app.linux.capabilities import drop_capabilities
from app.server.instance import cannot_start, check_places, listening, sole_instance
from app.server.server_log import log_to_stderr
from app.server.tls import server_context

if TYPE_CHECKING:
    from flask import Flask

# By these variables gunicorn would take sockets, or a path prefix, from its parent process.
NOT_FOR_GUNICORN = ("GUNICORN_PID", "GUNICORN_FD", "LISTEN_FDS", "LISTEN_PID", "SCRIPT_NAME")


def serve(
    settings: Settings,
    load: Callable[[], Flask],
    begin: Callable[[], Callable[[], object]] = lambda: lambda: None,
) -> None:
    """Serve until a signal ends it; then raise SystemExit, as gunicorn does.

    `load` makes the application, in the worker. `begin` begins what takes long, once nothing
    prevents the start any more, and returns what is to be called once the server is ready. Raises
    ProbedeckError `cannot_start` when another instance runs, the port is taken, or what serving
    other machines needs is missing.
    """
    log_to_stderr()
    limit_heap_growth()
    for name in NOT_FOR_GUNICORN:
        os.environ.pop(name, None)
    with sole_instance(settings.run_dir):
        check_places(settings)
        require_tokens(settings)
        context = server_context(settings)
        listeners = listening(settings.listen, settings.port)
        drop_capabilities()  # the port, which may be below 1024, and the key are in our hands now
        on_ready = begin()
        from app.server.arbiter import run  # noqa: PLC0415  # takes half a second

        run(settings, load, context, listeners, on_ready)


def require_tokens(settings: Settings) -> None:
    """Raise `cannot_start` for an unusable token file, or a remote service with no valid token."""
    tokens = TokenFile(settings.run_dir)
    known = tokens.all()
    if settings.is_remote and tokens.path.exists() and not known:
        from app.server.announce import token_command  # noqa: PLC0415  # imports all of the service

        raise cannot_start(
            f"--listen {settings.listen} serves callers with a token, but all tokens are revoked. "
            f"Make one: {token_command(settings, 'add', 'NAME')}"
        )
