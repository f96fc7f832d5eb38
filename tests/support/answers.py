# SPDX-License-Identifier: Apache-2.0
"""Answers and messages of the real service, recorded for the tests of the page.

`python -m tests.support.answers` records them again, as root, into tests/vectors/answers;
tests/integration/test_answers.py checks that what is recorded has the shape of what is sent.
"""

from __future__ import annotations

import json
import os
import signal
import tempfile
from pathlib import Path
from typing import Any

from app import ROOT
from app.access.tokens import VIEWER, TokenFile
from app.hub import Hub
from app.link.frames import HEADER, KIND_JSON
from app.probes.modes import MODES
from app.tracer.sight import Sight
from tests.support.service import Service, running_service, socket_of

FOLDER = ROOT / "tests/vectors/answers"
# What differs from machine to machine and run to run.
VOLATILE: dict[str, Any] = {
    "hostname": "lab",
    "release": "6.18.0",
    "machine": "x86_64",
    "peer": "127.0.0.1:40412",
    "service": "1f0c9a2e",
    "started_at": "2026-11-22T10:00:00.123456Z",
    "at": "2026-11-22T10:00:01.123456Z",
    "since": "2026-11-22T10:00:01.123456Z",
    "from": "2026-11-22T10:00:01.123456Z",
    "to": "2026-11-22T10:00:09.123456Z",
    "time": "2026-11-22T10:00:02.123456Z",
}


def record(service: Service, mode: str) -> dict[str, Any]:
    """Return answers by name, of a service with no probe running; `mode` is one that it can run."""
    probe = f"/probes/{mode}"
    requests: dict[str, tuple[str, str, Any]] = {
        "healthz": ("GET", "/healthz", None),
        "users": ("GET", "/users?uid=0&name=daemon&name=nonesuch", None),
        "problem_field": ("POST", probe, {"filter": {"pid": "5"}}),
        "problem_fields": ("POST", probe, {"filter": {"pid": 0, "comn": "x"}, "duration_s": 0}),
        "problem_body": ("POST", probe, []),
        "problem_query": ("GET", "/events?limit=-1", None),
        "problem_unknown_probe": ("GET", "/probes/nonesuch", None),
        "problem_not_running": ("DELETE", probe, None),
        "problem_not_found": ("GET", "/nonesuch", None),
        "problem_method": ("PUT", probe, None),
    }
    found = {name: answer(service, *request) for name, request in requests.items()}
    found["problem_token"] = service.request(
        "GET", "/probes", headers={"Authorization": "Bearer pd_wrong"}
    ).json
    with service.websocket("?recent=0") as websocket:
        found["hello"] = websocket.wait(lambda: websocket.controls, "hello")[0]
        found["probe_running"] = service.start(mode, filter={"comm": "nobody"}, duration_s=600)
        found["problem_running_differently"] = answer(service, "POST", probe, {"duration_s": 1})
        found["state"] = websocket.wait(
            lambda: [
                each
                for each in websocket.controls
                if each["type"] == "state" and each["probe"]["state"] == "running"
            ],
            "the state",
        )[0]
        found["probes"] = answer(service, "GET", "/probes", None)
        blind(service, mode)
        found["state_blind"] = websocket.wait(
            lambda: [
                each
                for each in websocket.controls
                if each["type"] == "state" and each["probe"]["blind"] is not None
            ],
            "the state without sight",
        )[0]
        found["probe_ended"] = service.stop(mode)
        found["gap_unwatched"] = websocket.wait(
            lambda: [each for each in websocket.controls if each["type"] == "gap"],
            "the time without sight",
        )[0]
    found["audit"] = answer(service, "GET", "/audit?limit=2", None)
    unavailable = [each for each, it in service.probes().items() if not it["available"]]
    if unavailable:
        found["problem_unavailable"] = answer(service, "POST", f"/probes/{unavailable[0]}", None)
    found["gap"] = gap(mode)
    return {name: steady(value) for name, value in found.items()}


def answer(service: Service, method: str, path: str, body: Any) -> Any:
    return service.request(method, path, body).json


def blind(service: Service, mode: str) -> None:
    """Report, in the tracer's place, that the kernel runs no program: this cannot be provoked."""
    sight = Sight(mode, lambda: ["the entry of unlink"])
    while not sight.check():
        pass  # it takes several misses
    message = json.dumps({"type": "sight", "blind": sight.blind}).encode()
    (tracer,) = service.tracers()
    with socket_of(tracer.pid) as line:
        os.kill(tracer.pid, signal.SIGSTOP)  # so that none of its frames is interleaved with ours
        line.sendall(HEADER.pack(len(message), KIND_JSON, 0) + message)
        os.kill(tracer.pid, signal.SIGCONT)


def gap(probe: str) -> Any:
    """Return the hub's gap message; a loss in the kernel cannot be provoked."""
    hub = Hub(1 << 20, 1 << 20)
    with hub.subscribe(kind="websocket", peer="", probes=None, recent=False) as subscription:
        hub.lost(hub.begin_run(probe), "kernel", 7)
        (message,) = subscription.get(60)
    return message


def steady(value: Any, name: str = "") -> Any:
    """Return the answer with everything specific to this machine replaced."""
    if isinstance(value, dict):
        return {key: steady(inner, key) for key, inner in value.items()}
    if isinstance(value, list):
        return [steady(inner) for inner in value]
    return VOLATILE.get(name, value) if value is not None else None


def shape(value: Any) -> Any:
    """Return names and types; a list has the members common to its elements, null has no type."""
    if isinstance(value, dict):
        return {key: shape(inner) for key, inner in value.items()}
    if isinstance(value, list):
        together: Any = None
        for inner in value:
            together = merged(together, shape(inner))
        return [together]
    if isinstance(value, bool) or value is None or isinstance(value, str):
        return type(value).__name__ if value is not None else None
    return "number"


def merged(one: Any, other: Any) -> Any:
    if isinstance(one, dict) and isinstance(other, dict):
        return {key: merged(one.get(key), other.get(key)) for key in {**one, **other}}
    if isinstance(one, list) and isinstance(other, list):
        return [merged(one[0], other[0])]
    return other if one is None else one


def differences(recorded: Any, sent: Any, path: str = "") -> list[str]:
    """Return where two shapes differ; null and an empty list match anything."""
    if recorded is None or sent is None:
        return []
    if isinstance(recorded, dict) and isinstance(sent, dict):
        found = [f"{path}.{key} is sent no more" for key in recorded.keys() - sent.keys()]
        found += [f"{path}.{key} is not recorded" for key in sent.keys() - recorded.keys()]
        for key in recorded.keys() & sent.keys():
            found += differences(recorded[key], sent[key], f"{path}.{key}")
        return found
    if isinstance(recorded, list) and isinstance(sent, list):
        return differences(recorded[0], sent[0], path + "[]")
    return [] if recorded == sent else [f"{path} is {sent}, recorded is {recorded}"]


def recorded() -> dict[str, Any]:
    """Return the recorded answers that the page's tests use."""
    return {path.stem: json.loads(path.read_text()) for path in sorted(FOLDER.glob("*.json"))}


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        base = Path(folder)
        (base / "service").mkdir()
        with running_service(base / "service", base / "cache") as service:
            TokenFile(service.run_dir).add("desk", VIEWER)
            service.expect(200, "POST", "/availability")
            modes = [mode for mode in MODES if service.probes()[mode]["available"]]
            found = record(service, modes[-1])
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, value in found.items():
        (FOLDER / f"{name}.json").write_text(json.dumps(value, indent=1) + "\n")


if __name__ == "__main__":
    main()
