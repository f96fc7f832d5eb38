# SPDX-License-Identifier: Apache-2.0
"""gunicorn with exactly one worker: its settings, signals, and how its processes end.

docs/architecture.md lists the traps that these settings avoid.
"""

from __future__ import annotations

import math
import signal
import socket
import ssl
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from flask import Flask

from app.config import Settings
from app.linux.process import end_with_parent
from app.server.announce import announce
from app.server.gunicorn_api import Arbiter, BaseApplication, TCP6Socket, TCPSocket
from app.server.incoming import MAX_LINE_BYTES
from app.server.server_log import ServerLogger
from app.server.worker import MAX_PENDING, Worker


def run(
    settings: Settings,
    load: Callable[[], Flask],
    context: ssl.SSLContext | None,
    listeners: Sequence[socket.socket],
    on_ready: Callable[[], object],
) -> None:
    """Serve until a signal ends it; then raise SystemExit, as gunicorn does.

    `load` makes the application, in the worker. `on_ready` is called before that begins.
    """
    values = {
        **gunicorn_settings(settings),
        **tls_settings(context),
        "when_ready": lambda _arbiter: on_ready(),
    }
    Application(values, load, listeners).run()


def tls_settings(context: ssl.SSLContext | None) -> dict[str, Any]:
    """Return gunicorn's settings for TLS; empty without a context."""
    if context is None:
        return {}
    return {
        "certfile": "-",  # enables TLS; the context is used in its place
        "ssl_context": lambda _config, _default: context,
        "http_protocols": "h1",
    }


def gunicorn_settings(settings: Settings) -> dict[str, Any]:
    """Return gunicorn's settings, except for the sockets, which it is given."""
    return {
        "workers": 1,  # probes are state of one process
        "worker_class": Worker,
        "threads": settings.threads,
        "timeout": 60,  # of the worker's main thread only; streams are in other threads
        # Then the worker is killed, and the kernel detaches its programs.
        "graceful_timeout": math.ceil(settings.stop_timeout_s) + 5,
        "keepalive": 5,
        # Above the limit of pending connections, beyond which the oldest is dropped.
        "worker_connections": 2 * MAX_PENDING,
        "worker_tmp_dir": str(settings.run_dir),  # of the heartbeat's file; in memory
        "forwarded_allow_ips": "",  # the default trusts loopback as a proxy
        "proxy_protocol": "off",
        "proxy_allow_ips": "",
        "header_map": "refuse",  # headers with `_`: WSGI cannot tell it from `-`
        "control_socket_disable": True,
        "http_parser": "python",  # not another one that happens to be installed
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
    """gunicorn with these settings only: it reads neither its command line nor its file."""

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
    """gunicorn's arbiter, without the signals that would start a second worker.

    A second worker would own no probes, and requests would reach either at random.
    """

    def __init__(self, app: Application, listeners: Sequence[socket.socket]) -> None:
        self._outlives_terminal = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN  # nohup
        super().__init__(app)
        # gunicorn would retry a port that is in use five times, and report it each time.
        kinds = {socket.AF_INET: TCPSocket, socket.AF_INET6: TCP6Socket}
        self.LISTENERS = [
            kinds[each.family](each.getsockname(), self.cfg, self.log, fd=each.detach())
            for each in listeners
        ]

    def handle_int(self) -> None:
        """Ctrl-C: stop as on SIGTERM, so that probes are stopped; a second one does not wait."""
        raise StopIteration

    def handle_hup(self) -> None:
        """The terminal closed: stop. gunicorn would reload, which starts a second worker."""
        if not self._outlives_terminal:
            raise StopIteration

    def handle_ttin(self) -> None:
        self.log.warning("SIGTTIN ignored: the service has exactly one worker.")

    def handle_ttou(self) -> None:
        self.log.warning("SIGTTOU ignored: the service has exactly one worker.")

    def handle_usr2(self) -> None:
        self.log.warning("SIGUSR2 ignored: probes cannot be handed over to a new process.")


def die_with_arbiter(arbiter: Arbiter, _worker: Worker) -> None:
    """Have the kernel kill the new worker when the arbiter dies, for whatever reason.

    The signal is tied to the thread that forked, which is the arbiter's only one (prctl(2)).
    """
    try:
        end_with_parent(arbiter.pid)
    except ProcessLookupError:
        sys.exit(1)
