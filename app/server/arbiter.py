# SPDX-License-Identifier: Apache-2.0
"""gunicorn, held to one worker: its settings, its signals, its processes' ends.

The traps that each setting avoids are listed in docs/architecture.md.
"""

from __future__ import annotations

import math
import os
import signal
import socket
import ssl
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from flask import Flask

from app.access.tokens import TokenFile
from app.config import Settings
from app.linux.allocator import hold_little
from app.linux.capabilities import bound
from app.linux.syscalls import end_with_parent
from app.server.announce import announce, token_command
from app.server.gunicorn_api import Arbiter, BaseApplication, TCP6Socket, TCPSocket
from app.server.incoming import MAX_LINE_BYTES
from app.server.instance import cannot_start, check_places, listening, sole_instance
from app.server.log import ServerLogger, log_to_stderr
from app.server.tls import server_context
from app.server.worker import MAX_PENDING, Worker

# Variables by which gunicorn would take over sockets, or a path prefix, from who started it.
NOT_FOR_GUNICORN = ("GUNICORN_PID", "GUNICORN_FD", "LISTEN_FDS", "LISTEN_PID", "SCRIPT_NAME")


def serve(settings: Settings, load: Callable[[], Flask]) -> None:
    """Serve until a signal ends it; ends by SystemExit, as gunicorn does.

    `load` makes the application, in the worker. Raises ProbedeckError `cannot_start` when
    another instance runs, the port is taken, or what serving other machines needs is missing.
    """
    log_to_stderr()
    hold_little()
    for name in NOT_FOR_GUNICORN:
        os.environ.pop(name, None)
    with sole_instance(settings.run_dir):
        check_places(settings)
        require_tokens(settings)
        values = {**gunicorn_settings(settings), **tls_settings(server_context(settings))}
        listeners = listening(settings.listen, settings.port)
        bound()  # the port, which may be below 1024, and the key are in our hands now
        Application(values, load, listeners).run()


def require_tokens(settings: Settings) -> None:
    """Refuse to serve with a file of tokens that cannot be used, and to serve other machines when
    nobody there could be let in, or told from others."""
    tokens = TokenFile(settings.run_dir)
    known = tokens.all()
    if settings.is_remote and tokens.path.exists() and not known:
        raise cannot_start(
            f"--listen {settings.listen} is for those who have a token, and all are revoked. "
            f"Make one: {token_command(settings, 'add', 'NAME')}"
        )


def tls_settings(context: ssl.SSLContext | None) -> dict[str, Any]:
    """gunicorn's settings for TLS; none without a context."""
    if context is None:
        return {}
    return {
        "certfile": "-",  # what says that TLS is meant; it is the context that is used
        "ssl_context": lambda _config, _default: context,
        "http_protocols": "h1",
    }


def gunicorn_settings(settings: Settings) -> dict[str, Any]:
    """gunicorn's settings, but for the sockets, which it is handed."""
    return {
        "workers": 1,  # probes are state of one process
        "worker_class": Worker,
        "threads": settings.threads,
        "timeout": 60,  # of the worker's main thread only: long streams are in others
        "graceful_timeout": math.ceil(settings.stop_timeout_s)
        + 5,  # then SIGKILL; the kernel detaches
        "keepalive": 5,
        # More than may wait without a thread (app/server/worker.py): the oldest makes room.
        "worker_connections": 2 * MAX_PENDING,
        "worker_tmp_dir": str(settings.run_dir),  # the heartbeat's file; not on a disk
        "forwarded_allow_ips": "",  # by default loopback is a trusted proxy
        "proxy_protocol": "off",
        "proxy_allow_ips": "",
        "header_map": "refuse",  # a header with an underscore, which WSGI cannot tell from `-`
        "control_socket_disable": True,
        "http_parser": "python",  # whatever else is installed
        "limit_request_line": MAX_LINE_BYTES,
        "limit_request_fields": 64,
        "limit_request_field_size": 8190,
        "umask": 0o077,
        "proc_name": "probedeck",
        "logger_class": ServerLogger,
        "loglevel": "warning",
        "accesslog": None,
        "errorlog": "-",
        "post_fork": die_with_arbiter,
        "post_worker_init": announce,
    }


class Application(BaseApplication):  # type: ignore[misc]  # gunicorn carries no types
    """gunicorn with these settings and no others: neither its command line nor its file."""

    def __init__(
        self,
        gunicorn_settings: Mapping[str, Any],
        load: Callable[[], Flask],
        listeners: Sequence[socket.socket],
    ) -> None:
        self._settings, self._load, self._listeners = gunicorn_settings, load, listeners
        super().__init__()

    def load_config(self) -> None:
        for name, value in self._settings.items():
            self.cfg.set(name, value)

    def load(self) -> Flask:
        return self._load()

    def run(self) -> None:
        SoleWorkerArbiter(self, self._listeners).run()


class SoleWorkerArbiter(Arbiter):  # type: ignore[misc]  # gunicorn carries no types
    """gunicorn's master, without the signals that would start a second worker.

    A second worker would own no probes, and two would answer by turns.
    """

    def __init__(self, app: Application, listeners: Sequence[socket.socket]) -> None:
        self._outlives_terminal = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN  # nohup
        super().__init__(app)
        # gunicorn would try a port that is in use five times, and then say so five times.
        kinds = {socket.AF_INET: TCPSocket, socket.AF_INET6: TCP6Socket}
        self.LISTENERS = [
            kinds[each.family](each.getsockname(), self.cfg, self.log, fd=each.detach())
            for each in listeners
        ]

    def handle_int(self) -> None:
        """Ctrl-C: as SIGTERM, so that probes are stopped; a second one does not wait."""
        raise StopIteration

    def handle_hup(self) -> None:
        """The terminal closed. gunicorn would reload, that is start a second worker."""
        if not self._outlives_terminal:
            raise StopIteration

    def handle_ttin(self) -> None:
        self.log.warning("There is one worker; SIGTTIN is ignored.")

    def handle_ttou(self) -> None:
        self.log.warning("There is one worker; SIGTTOU is ignored.")

    def handle_usr2(self) -> None:
        self.log.warning("Probes cannot be handed to a new process; SIGUSR2 is ignored.")


def die_with_arbiter(arbiter: Arbiter, _worker: Worker) -> None:
    """In the new worker: have the kernel kill it when the arbiter dies, by whatever cause.

    The signal follows the thread that forked, which is the arbiter's only one.
    """
    end_with_parent()
    if os.getppid() != arbiter.pid:  # it died before the call above
        sys.exit(1)
