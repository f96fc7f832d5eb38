# SPDX-License-Identifier: Apache-2.0
"""Probedeck's real gunicorn, worker and application, around a fake hub and probe manager.

Run from the tree by `python -m`, with the options of `python -m app` and some that shorten waits.
The fake manager feeds batches when these probes are started:

`tracepoint`  three rows, once
`fentry`      a row every few milliseconds, until stopped
`kprobe`      a mebibyte at a time, which no client that does not read can hold, until stopped
"""

from __future__ import annotations

import argparse
import sys
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

from flask import Flask

import app.web.routes.stream
import app.web.routes.ws
import app.web.sockets
from app import create_app
from app.config import Settings, parse_arguments
from app.errors import ProbedeckError
from app.hub import Hub
from app.probes.spec import ProbeSpec
from app.server.start import serve
from app.web.context import Service
from app.web.stream_limit import StreamLimit
from tests.support.waiting import wait_until
from tests.support.web_fakes import MIB, FakeManager, deletions, publish

CHECK: str | None = None  # what the check of the modes does: pass, wait for the test, or fail


class FeedingManager(FakeManager):
    """A fake manager whose probes see deletions that never were."""

    def __init__(self, hub: Hub, run_dir: Path) -> None:
        super().__init__(hub)
        self._run_dir = run_dir
        self._stop = {"fentry": threading.Event(), "kprobe": threading.Event()}

    def start_service(self) -> None:
        if CHECK == "waits":
            wait_until((self._run_dir / "go").exists, "the test to let the check end")
        if CHECK == "fails":
            raise RuntimeError("no kernel")

    def start(self, probe_id: str, spec: ProbeSpec, actor: str = "") -> tuple[dict[str, Any], bool]:
        answer = super().start(probe_id, spec, actor)
        if probe_id == "tracepoint":
            publish(self.hub, ["/tmp/a", "/tmp/\x1b[31m", None], "tracepoint")
        elif probe_id == "fentry":
            self._feed(probe_id, deletions(["/tmp/x"], probe="fentry"), 1)
        elif probe_id == "kprobe":
            self._feed(probe_id, deletions(["/" * 4095] * 256, probe="kprobe"), 256)
        return answer

    def _feed(self, probe_id: str, data: bytes, rows: int) -> None:
        self._stop[probe_id].clear()

        ledger = self.hub.begin_run(probe_id)

        def feed() -> None:
            while not self._stop[probe_id].wait(0.005):
                self.hub.publish(ledger, rows, data)

        threading.Thread(target=feed, daemon=True).start()

    def stop(self, probe_id: str, actor: str = "") -> dict[str, Any]:
        if probe_id in self._stop:
            self._stop[probe_id].set()
        return super().stop(probe_id, actor)

    def close(self) -> None:
        super().close()
        for event in self._stop.values():
            event.set()
        (self._run_dir / "closed").touch()


def load(settings: Settings) -> Flask:
    settings = replace(settings, audit_log=settings.run_dir / "audit.jsonl")
    hub = Hub(settings.recent_mib * MIB, settings.client_queue_mib * MIB)
    manager = FeedingManager(hub, settings.run_dir)
    limit = StreamLimit(settings.max_websockets)
    return create_app(Service(settings, hub, manager, limit))  # type: ignore[arg-type]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--stalled-after", type=int, default=app.web.sockets.STALLED_AFTER_S)
    parser.add_argument("--ping-every", type=float, default=app.web.routes.ws.PING_EVERY_S)
    parser.add_argument("--pong-within", type=float, default=app.web.routes.ws.PONG_WITHIN_S)
    parser.add_argument("--poll-every", type=float, default=0.05)
    parser.add_argument("--check-waits", dest="check", action="store_const", const="waits")
    parser.add_argument("--check-fails", dest="check", action="store_const", const="fails")
    options, rest = parser.parse_known_args()
    global CHECK  # noqa: PLW0603
    CHECK = options.check
    app.web.sockets.STALLED_AFTER_S = options.stalled_after
    app.web.routes.ws.PING_EVERY_S = options.ping_every
    app.web.routes.ws.PONG_WITHIN_S = options.pong_within
    app.web.routes.ws.POLL_EVERY_S = app.web.routes.stream.POLL_EVERY_S = options.poll_every
    settings = parse_arguments(argparse.ArgumentParser(allow_abbrev=False), rest)
    try:
        serve(settings, lambda: load(settings))
    except ProbedeckError as error:
        sys.exit(error.detail)


if __name__ == "__main__":
    main()
