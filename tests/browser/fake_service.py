# SPDX-License-Identifier: Apache-2.0
"""A FAKE of the service, for the page's own tests: nothing here traces anything.

It serves the real `templates/` and `static/` under the real Content-Security-Policy, answers
the calls of docs/protocol.md from memory, and sends made-up events over a real websocket, so
that a test decides what comes, when, and what goes wrong. The page against the real service
is tested by `test_real_service.py`.
"""

from __future__ import annotations

import json
import os
import queue
import threading
import time
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from flask import Flask, Response, request
from flask_sock import Sock
from werkzeug.serving import make_server

from app.access.sessions import Sessions
from app.access.tokens import TokenFile
from app.columns.column import CALLER, RESULT, Column
from app.columns.names import tables_as_json
from app.filters import FilterFault, split
from app.presets.deletions.columns import columns_of
from app.presets.deletions.hooks import RENAME_SYSCALLS, SYSCALLS
from app.presets.deletions.not_seen import not_seen
from app.probes.modes import MODES
from app.timestamps import now
from app.web.routes.pages import add_bundle, console_page
from tests.browser.arrow_batches import encode
from tests.support.filter_cases import plan_of

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
# What the service tells first comes so many seconds later: a test that reads the page before is
# found. For use by hand: PROBEDECK_TEST_LATE_S=0.5 ./test browser.
LATE_S = float(os.environ.get("PROBEDECK_TEST_LATE_S", "0"))
COUNTERS = ("produced", "delivered", "dropped_kernel", "dropped_pipe", "dropped_client")
NO_FILTER = {"pid": None, "uid": None, "process": None, "comm": None, "only_failures": False}
USERS: tuple[dict[str, Any], ...] = (
    {"uid": 0, "name": "root", "aliases": ["toor"]},
    {"uid": 1000, "name": "alice", "aliases": []},
)
REFUSED = {
    "reason": "The kernel refuses BPF_PROG_TYPE_TRACING: EPERM, Operation not permitted",
    "hint": "Run in the virtual machine, ./run --vm, or on a kernel that allows tracing programs",
}

KINDS = ("function", "syscall", "tracepoint", "preset")


def function(kind: str, name: str, signature: str, **refused: str) -> dict[str, Any]:
    """An entry of `GET /functions`; `refused` has the reasons of modes that cannot trace it."""
    modes = ("fentry", "fexit", "kprobe", "kretprobe") if kind == "function" else ("tracepoint",)
    return {
        "name": name,
        "kind": kind,
        "category": None,
        "module": None,
        "signature": signature,
        "returns": None,
        "parameters": None,
        "modes": {
            mode: {
                "available": mode not in refused,
                "code": "no_trampoline" if mode in refused else None,
                "reason": refused.get(mode),
                "hint": None,
                "instead": [{"kind": "syscall", "name": "read", "note": "calls it"}]
                if mode in refused
                else [],
            }
            for mode in modes
        },
        "twins": [],
        "notes": [],
        "looked_at": [],
    }


def mode_of_preset(mode: str, reason: str | None = None) -> dict[str, Any]:
    return {"mode": mode, "available": reason is None, "reason": reason}


PRESETS = (
    {
        "name": "opens",
        "title": "Files opened",
        "help": "Calls that open files, with the path and the flags as passed",
        "mode": "fexit",
        "modes": [mode_of_preset("fexit"), mode_of_preset("kprobe", "it has no symbol")],
    },
    {
        "name": "signals",
        "title": "Signals sent",
        "help": "Each signal that is sent",
        "mode": "tracepoint",
        "modes": [mode_of_preset("tracepoint")],
    },
)
VARIADIC = "it takes a variable number of arguments"
FUNCTIONS = (
    function(
        "function",
        "vfs_read",
        "ssize_t vfs_read(struct file *file, char *buf, size_t count, loff_t *pos)",
    ),
    function("function", "vfs_readv", "ssize_t vfs_readv(struct file *file, int flags)"),
    function(
        "function", "_printk", "int _printk(const char *fmt, ...)", fentry=VARIADIC, fexit=VARIADIC
    ),
    function(
        "function",
        "inlined_read",
        "int inlined_read(void)",
        **dict.fromkeys(("fentry", "fexit", "kprobe", "kretprobe"), "it was inlined"),
    ),
    function("syscall", "read", "read(unsigned int fd, char *buf, size_t count)"),
    function("tracepoint", "sched:sched_switch", "sched_switch(char[16] prev_comm, …)"),
)


@dataclass
class FakeProbe:
    """A probe's record as the service would give it, and where its numbering stands."""

    record: dict[str, Any]
    run: int = 0
    batch: int = 0


@dataclass
class FakeService:
    """Holds the probes; `emit`, `gap` and `disconnect` are what a test makes happen."""

    refused: tuple[str, ...] = ()
    probes: dict[str, FakeProbe] = field(default_factory=dict)
    calls: list[tuple[str, str, Any]] = field(default_factory=list)
    next_problem: tuple[int, dict[str, Any]] | None = None
    caller: dict[str, str] = field(default_factory=lambda: {"name": "uid 0", "role": "operator"})
    recent_bytes: int | None = None
    functions: list[dict[str, Any]] | None = field(default_factory=lambda: list(FUNCTIONS))

    def __post_init__(self) -> None:
        self._lock = threading.Lock()
        self._recent: list[bytes | str] = []
        self._clients: dict[int, queue.Queue[bytes | str | None]] = {}
        self._connections = 0
        self.service = "fake"
        self.sessions: Sessions | None = None
        self.serves_websockets = True
        self.answers_lists = threading.Event()
        self.answers_lists.set()
        for name, mode in MODES.items():
            refused = name in self.refused
            record = {
                "id": name,
                "mode": name,
                "function": "sys_enter/exit: " + ", ".join(SYSCALLS + RENAME_SYSCALLS)
                if name == "tracepoint"
                else "do_unlinkat",
                "state": "stopped",
                "available": not refused,
                "reason": REFUSED["reason"] if refused else None,
                "hint": REFUSED["hint"] if refused else None,
                "target": None,
                "expressions": None,
                "where": None,
                "where_in_service": None,
                "where_hints": [],
                "filter": dict(NO_FILTER),
                "duration_s": None,
                "restart": False,
                "restarts": 0,
                "started_at": None,
                "ended": None,
                "not_seen": not_seen(name, True),
                "changed_by": None,
                "blind": None,
                "columns": [column.as_json() for column in columns_of(mode.name)],
                "names": {},
                "counters": dict.fromkeys(COUNTERS, 0),
                "drops": {},
                "cost": None,
                "clients": [],
            }
            self.probes[name] = FakeProbe(record)

    # What a test does

    def add_probe(
        self,
        name: str,
        columns: tuple[Column, ...],
        *,
        target: dict[str, str],
        mode: str = "fexit",
        **members: Any,
    ) -> dict[str, Any]:
        """A probe with a name of its own, which runs; `columns` are those it has of its own."""
        has_result = mode in ("fexit", "kretprobe", "tracepoint")
        described = (*CALLER, *columns, *(RESULT if has_result else ()))
        record = {
            **self.probes[mode].record,
            "id": name,
            "mode": mode,
            "target": target,
            "function": target["name"],
            "not_seen": [],
            "changed_by": None,
            "counters": dict.fromkeys(COUNTERS, 0),
            "columns": [column.as_json() for column in described],
            "names": {},
            **members,
        }
        self.probes[name] = FakeProbe(record)
        return self.start(name)

    def forget(self, name: str) -> None:
        del self.probes[name]
        self.send(json.dumps({"type": "forgotten", "probe": name}), recent=False)

    def start(
        self, name: str, spec: dict[str, Any] | None = None, who: str | None = None
    ) -> dict[str, Any]:
        probe = self.probes[name]
        probe.run = time.time_ns()
        probe.batch = 0
        probe.record.update(
            state="running",
            filter={**NO_FILTER, **((spec or {}).get("filter") or {})},
            started_at=now(),
            ended=None,
            blind=None,
            counters=dict.fromkeys(COUNTERS, 0),
        )
        self._change(name, who, "started")
        return probe.record

    def stop(self, name: str, who: str | None = None) -> dict[str, Any]:
        record = self.probes[name].record
        record.update(
            state="stopped",
            ended={"code": "requested", "detail": "stopped on request", "at": now()},
        )
        self._change(name, who, "stopped")
        if name not in MODES:
            self.forget(name)
        return record

    def start_target(self, name: str, spec: dict[str, Any], who: str) -> dict[str, Any]:
        """As the service, a probe for each argument of a made-up function: a file and a count."""
        kind = next(kind for kind in KINDS if kind in spec)
        columns = [
            Column(text, "uint64", text, f"The expression {text}")
            for text in spec.get("columns") or ("file", "count")
        ]
        mode = spec.get("mode") or ("fexit" if kind == "function" else "tracepoint")
        target = {"kind": kind, "name": spec[kind]}
        record = self.add_probe(
            name,
            tuple(columns),
            target=target,
            mode=mode,
            where=spec.get("where"),
            expressions=spec.get("columns"),
        )
        self._change(name, who, "started")
        return record

    def change_where(self, name: str, text: str | None, who: str) -> dict[str, Any]:
        """As the service, for a plan that has all of the columns. Raises FilterFault."""
        record = self.probes[name].record
        columns = [Column(**members) for members in record["columns"]]
        tables = {
            table: {entry["value"]: entry["name"] for entry in entries}
            for table, entries in record["names"].items()
        }
        rest = split(text, plan_of(columns, tables)).rest if text else None
        record.update(where=text, where_in_service=rest)
        self._change(name, who, "filter")
        return record

    def change(self, name: str, spec: dict[str, Any], who: str) -> dict[str, Any] | Response:
        if "where" not in spec:
            return self.change_filter(name, spec["filter"], who)
        try:
            return self.change_where(name, spec["where"], who)
        except FilterFault as fault:
            return self.problem(422, code="invalid", detail=fault.message)

    def change_filter(
        self, name: str, change: dict[str, Any], who: str | None = None
    ) -> dict[str, Any]:
        record = self.probes[name].record
        record["filter"].update(change)
        self._change(name, who, "filter")
        return record

    def _change(self, name: str, who: str | None, what: str) -> None:
        """A test that does not say who did it asks for no news of it."""
        if who is not None:
            self.probes[name].record["changed_by"] = {"who": who, "what": what, "at": now()}
        self.tell_state(name)

    def fail(self, name: str, detail: str) -> None:
        """The probe's tracer died."""
        ended = {"code": "tracer_failed", "detail": detail, "at": now()}
        self.probes[name].record.update(state="failed", ended=ended)
        self.tell_state(name)

    def emit(self, name: str, values: dict[str, Any]) -> None:
        """Send one batch; columns that `values` lacks get plausible contents."""
        self.send(self.encoded(name, values))

    def encoded(self, name: str, values: dict[str, Any]) -> bytes:
        """The probe's next batch, counted as sent: to be sent after those made before it."""
        probe = self.probes[name]
        rows = len(next(iter(values.values())))
        columns = [Column(**each) for each in probe.record["columns"]]
        if "comm" in values:  # of the only thread of its process
            values = {"process": values["comm"], **values}
        values = {**plausible(rows), **values}
        metadata = {
            "probe": name,
            "mode": probe.record["mode"],
            "run": str(probe.run),
            "batch": str(probe.batch),
        }
        probe.batch += 1
        probe.record["counters"]["produced"] += rows
        probe.record["counters"]["delivered"] += rows
        return encode(columns, values, metadata)

    def gap(self, name: str, where: str, rows: int) -> None:
        self.probes[name].record["counters"]["produced"] += rows
        self.probes[name].record["counters"]["dropped_" + where] += rows
        self.send(json.dumps({"type": "gap", "probe": name, "where": where, "rows": rows}))

    def send_json(self, message: dict[str, Any]) -> None:
        self.send(json.dumps(message))

    def tell_state(self, name: str) -> None:
        self.send(
            json.dumps(
                {
                    "type": "state",
                    "state": self.probes[name].record["state"],
                    "probe": self.probes[name].record,
                }
            ),
            recent=False,
        )

    def stream(self, name: str, rows_per_second: int, rows: int, batch_rows: int = 1000) -> None:
        """Send that many rows at that pace, from the calling thread."""
        begin = time.monotonic()
        for sent in range(0, rows, batch_rows):
            self.emit(name, plausible(batch_rows, sent))
            ahead = (sent + batch_rows) / rows_per_second - (time.monotonic() - begin)
            time.sleep(max(0, ahead))

    def take_tokens(self, tokens: TokenFile) -> None:
        """Let pages sign in with these, as the real service does; nothing asks for it."""
        self.sessions = Sessions(tokens)

    def disconnect(self) -> None:
        """End all websockets, as a restart of the service would."""
        with self._lock:
            for waiting in self._clients.values():
                waiting.put(None)

    def forget_recent(self) -> None:
        with self._lock:
            self._recent.clear()

    @property
    def connections(self) -> int:
        """How many websockets were opened so far."""
        return self._connections

    def send(self, frame: bytes | str, recent: bool = True) -> None:
        """Send a frame as it is, to all clients and, if `recent`, to those that come later."""
        with self._lock:
            if recent:
                self._recent.append(frame)
                del self._recent[:-400]
            for waiting in self._clients.values():
                waiting.put(frame)

    # What the routes do

    def feed(self, ws: Any) -> None:
        waiting: queue.Queue[bytes | str | None] = queue.Queue()
        with self._lock:
            self._connections += 1
            client = self._connections
            records = [probe.record for probe in self.probes.values()]
            waiting.put(
                json.dumps(
                    {
                        "type": "hello",
                        "version": 1,
                        "service": self.service,
                        "time": now(),
                        **({"recent_bytes": self.recent_bytes} if self.recent_bytes else {}),
                        "client": client,
                        "caller": self.caller,
                        "names": tables_as_json(),
                        "probes": records,
                    }
                )
            )
            for recent in self._recent:
                waiting.put(recent)
            self._clients[client] = waiting
        time.sleep(LATE_S)
        try:
            while (frame := waiting.get()) is not None:
                ws.send(frame)
        finally:
            with self._lock:
                del self._clients[client]

    def problem(self, status: int, **members: Any) -> Response:
        body = {"type": "about:blank", "title": "Refused", "status": status, **members}
        return Response(json.dumps(body), status, mimetype="application/problem+json")


def plausible(rows: int, first: int = 0) -> dict[str, Any]:
    """Values for all columns of all modes; every seventh call failed."""
    numbers = np.arange(first, first + rows)
    failed = numbers % 7 == 6
    commands = (b"rm", b"python3", b"systemd-tmpfile", b"git", b"gcc")
    return {
        "time": time.time_ns() + np.arange(rows) * 1000,
        "pid": 4000 + numbers % 50,
        "tid": 4000 + numbers % 50,
        "uid": np.where(numbers % 3 == 0, 1000, 0),
        "process": [commands[n % len(commands)] for n in numbers],
        "comm": [commands[n % len(commands)] for n in numbers],
        "flags": [None] * rows,
        "replaced": [None] * rows,
        "syscall": [(b"unlink", b"unlinkat", b"rmdir")[n % 3] for n in numbers],
        "dfd": np.full(rows, -100),
        "filename": [b"/var/tmp/build/stage-%d/file-%d.o" % (n % 9, n) for n in numbers],
        "ret": np.where(failed, -2, 0),
        "errno": [b"ENOENT" if f else None for f in failed],
        "latency_ns": 800 + (numbers * 7919) % 90_000,
    }


def create_app(fake: FakeService, root: str) -> Flask:
    """The fake's routes; `root` is the project's folder."""
    app = Flask(__name__, root_path=root)
    add_bundle(app)
    app.config["SOCK_SERVER_OPTIONS"] = {"subprotocols": ["probedeck.v1"]}
    sock = Sock(app)

    @app.after_request
    def policy(response: Response) -> Response:
        response.headers["Content-Security-Policy"] = CONTENT_SECURITY_POLICY
        return response

    @app.get("/")
    def page() -> Response:
        return console_page()

    @app.get("/probes")
    @app.post("/availability")
    def probes() -> Response:
        if request.method == "POST":
            fake.calls.append(("POST", "availability", None))
        kernel = {"release": "6.12.0-fake", "machine": "x86_64", "hostname": "fake-host"}
        answer = {
            "probes": [probe.record for probe in fake.probes.values()],
            "kernel": kernel,
            "names": tables_as_json(),
        }
        text = json.dumps(answer)
        time.sleep(LATE_S)
        assert fake.answers_lists.wait(60)
        return Response(text, mimetype="application/json")

    @app.route("/session", methods=["GET", "POST"])
    def session() -> Any:
        assert fake.sessions is not None
        if request.method == "GET":
            return {"challenge": fake.sessions.challenge()}
        credentials = request.headers["Authorization"].partition(" ")[2]
        return asdict(fake.sessions.sign_in(credentials, request.host_url.rstrip("/"))), 201

    @app.get("/users")
    def users() -> dict[str, Any]:
        asked = {int(uid) for uid in request.args.getlist("uid")}
        names = set(request.args.getlist("name"))
        found = []
        for user in USERS:
            aliases = [name for name in user["aliases"] if name in names]
            if user["uid"] in asked or user["name"] in names or aliases:
                found.append({**user, "aliases": aliases})
        return {"users": found}

    @app.get("/functions")
    def functions() -> Any:
        fake.calls.append(("GET", "functions", request.args.to_dict()))
        if fake.functions is None:
            return fake.problem(404, code="not_found", detail="There is no /functions.")
        text, kind = request.args["q"], request.args.get("kind")
        found = [it for it in fake.functions if it["kind"] == kind and text in it["name"]]
        return {"functions": found, "total": len(found), "more": False}

    @app.get("/presets")
    def presets() -> Any:
        return {"presets": list(PRESETS)}

    @app.route("/probes/<name>", methods=["POST", "PATCH", "DELETE"])
    def probe(name: str) -> Any:
        spec: Any = request.get_json(silent=True)
        fake.calls.append((request.method, name, spec))
        if fake.next_problem:
            status, members = fake.next_problem
            fake.next_problem = None
            return fake.problem(status, **members)
        if request.method == "DELETE":
            return fake.stop(name, fake.caller["name"])
        if request.method == "PATCH":
            return fake.change(name, spec, fake.caller["name"])
        if any(kind in (spec or {}) for kind in KINDS):
            return fake.start_target(name, spec, fake.caller["name"]), 201
        return fake.start(name, spec, fake.caller["name"]), 201

    @sock.route("/ws")
    def ws(ws: Any) -> None:
        if fake.serves_websockets:
            fake.feed(ws)

    return app


class Server:
    """The fake on a free port of loopback, in threads of this process."""

    def __init__(self, fake: FakeService, root: str) -> None:
        self._server = make_server("127.0.0.1", 0, create_app(fake, root), threaded=True)
        self._thread = threading.Thread(target=self._server.serve_forever)
        self.fake = fake
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Server:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.fake.disconnect()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
