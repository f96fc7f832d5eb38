# SPDX-License-Identifier: Apache-2.0
"""Faults around the service: tracers that are killed, stopped or send garbage, a full disk, no
memory, no descriptors, no BCC. It answers, reports the fault, and goes on; the kernel keeps
nothing."""

from __future__ import annotations

import os
import resource
import select
import signal
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from app.link.frames import HEADER, KIND_BATCH, KIND_JSON, MAX_BODY_BYTES
from tests.support import kernel
from tests.support.figures import figure
from tests.support.recording import check_ledger, mark, wait_until_shown
from tests.support.service import Service, running_service, socket_of
from tests.support.waiting import PATIENCE_S, wait_until

# It deletes nothing, so the tracer sends no batch that could be interleaved with ours.
NOBODY = {"pid": 4194304}


@pytest.fixture(scope="module")
def patient(
    tmp_path_factory: pytest.TempPathFactory, cache: Path, modes: tuple[str, ...]
) -> Iterator[Service]:
    """A service that soon notices a hanging tracer."""
    options = ("--tracer-silence-s", "3", "--stop-timeout-s", "2")
    with running_service(tmp_path_factory.mktemp("patient"), cache, *options) as service:
        yield service


@pytest.fixture
def mode(modes: tuple[str, ...]) -> str:
    return modes[-1]


def wait_for_state(service: Service, mode: str, state: str) -> dict[str, Any]:
    def look() -> dict[str, Any] | None:
        probe: dict[str, Any] = service.probe(mode)
        return probe if probe["state"] == state else None

    return wait_until(look, f"{mode} to be {state}")


def gone_from_kernel(service: Service, what: str) -> None:
    """Wait until the kernel holds nothing of it; record how long that took."""
    start = time.monotonic()
    service.wait_until_gone_from_kernel()
    figure(f"BPF objects gone after {what}", f"{time.monotonic() - start:.2f} s (goal 2)")


def test_a_killed_tracer_is_started_again_when_that_was_asked_for(
    patient: Service, mode: str
) -> None:
    patient.start(mode, restart=True)
    for restarts in (1, 2):
        (tracer,) = patient.tracers()
        os.kill(tracer.pid, signal.SIGKILL)
        failed = wait_for_state(patient, mode, "failed")
        assert "SIGKILL" in failed["ended"]["detail"]
        assert failed["ended"]["restart_at"] > failed["ended"]["at"]
        check_ledger(failed["counters"])
        probe = wait_for_state(patient, mode, "running")
        assert (probe["restarts"], probe["restart"], probe["ended"]) == (restarts, True, None)
        wait_until_shown(patient, patient.cursor(), {mode}, mark())
    patient.stop(mode)
    gone_from_kernel(patient, "a stop")


def test_a_killed_tracer_is_logged_with_what_was_lost(patient: Service, mode: str) -> None:
    """One line, without a restart too: otherwise only a client that is there learns of it."""
    before = len(patient.log.read_text())
    patient.start(mode)
    wait_until_shown(patient, patient.cursor(), {mode}, mark())
    (tracer,) = patient.tracers()
    os.kill(tracer.pid, signal.SIGKILL)
    counters = wait_for_state(patient, mode, "failed")["counters"]
    lines = patient.log.read_text()[before:].splitlines()
    assert [line.partition(" WARNING ")[2] for line in lines if f"{mode} failed" in line] == [
        f"{mode} failed: tracer_failed: the tracer was ended by SIGKILL; "
        f"of {counters['produced']} rows, {counters['dropped_kernel']} were lost in the kernel "
        f"and {counters['dropped_pipe']} between tracer and service"
    ]
    gone_from_kernel(patient, "a killed tracer")


def test_the_wait_for_a_restart_can_be_ended(patient: Service, mode: str) -> None:
    patient.start(mode, restart=True)
    os.kill(patient.tracers()[0].pid, signal.SIGKILL)
    wait_for_state(patient, mode, "failed")
    assert patient.stop(mode)["ended"]["code"] == "requested"
    gone_from_kernel(patient, "a killed tracer")
    assert patient.request("DELETE", f"/probes/{mode}").status == 404
    # Nothing restarts it, neither now nor when the wait would have been over.
    patient.start(mode)
    patient.stop(mode)
    assert patient.probe(mode)["restarts"] == 0


def test_a_start_does_not_wait_for_the_restart(patient: Service, mode: str) -> None:
    patient.start(mode, restart=True)
    os.kill(patient.tracers()[0].pid, signal.SIGKILL)
    wait_for_state(patient, mode, "failed")
    assert patient.start(mode)["restart"] is False
    patient.stop(mode)


def test_a_stopped_tracer_is_found_out(patient: Service, mode: str) -> None:
    """A stopped tracer would lose events silently."""
    patient.start(mode)
    os.kill(patient.tracers()[0].pid, signal.SIGSTOP)
    failed = wait_for_state(patient, mode, "failed")
    assert "hung" in failed["ended"]["detail"]
    gone_from_kernel(patient, "a hung tracer")
    patient.start(mode)
    wait_until_shown(patient, patient.cursor(), {mode}, mark())
    patient.stop(mode)


def test_stopping_a_stopped_tracer(patient: Service, mode: str) -> None:
    patient.start(mode)
    os.kill(patient.tracers()[0].pid, signal.SIGSTOP)
    answer = patient.request("DELETE", f"/probes/{mode}")
    assert (answer.status, answer.json["code"]) == (504, "stop_timeout")
    gone_from_kernel(patient, "a stop that the tracer did not obey")


def test_a_filter_that_is_taken_late_is_shown(tmp_path: Path, cache: Path, mode: str) -> None:
    """The filter shown is the one in force, before and after the stopped tracer continues."""
    with running_service(tmp_path, cache) as service:
        service.start(mode)
        (tracer,) = service.tracers()
        os.kill(tracer.pid, signal.SIGSTOP)
        answer = service.request("PATCH", f"/probes/{mode}", {"filter": {"comm": "nobody"}})
        assert (answer.status, answer.json["code"]) == (502, "tracer_failed")
        before = mark()
        assert service.probe(mode)["filter"]["comm"] is None
        os.kill(tracer.pid, signal.SIGCONT)
        wait_until(lambda: service.probe(mode)["filter"]["comm"] == "nobody", "the filter")
        after = mark()
        service.stop(mode)
        events = service.expect(200, "GET", "/events?limit=10000")["events"]  # of all processes
        names = [row["filename"] for row in events]
        assert (before in names, after in names) == (True, False)


def test_a_tracer_killed_with_unread_input(patient: Service, mode: str) -> None:
    """Its socket is reset then, which must not be taken for a malformed frame."""
    patient.start(mode)
    (tracer,) = patient.tracers()
    os.kill(tracer.pid, signal.SIGSTOP)
    with ThreadPoolExecutor(2) as pool:
        patch = pool.submit(patient.request, "PATCH", f"/probes/{mode}", {"filter": {"pid": 5}})
        answer = patient.request("DELETE", f"/probes/{mode}")
        assert (answer.status, answer.json["code"]) == (504, "stop_timeout")
        assert patch.result().status in (404, 502)
    assert patient.probe(mode)["ended"]["code"] == "stop_timeout"
    gone_from_kernel(patient, "a tracer killed with unread input")


@pytest.mark.parametrize("method", ["PATCH", "DELETE"])
def test_what_is_asked_at_the_moment_a_tracer_dies(
    patient: Service, mode: str, method: str
) -> None:
    """Whichever comes first, it is never an internal error."""
    for _ in range(10):
        patient.start(mode)
        (tracer,) = patient.tracers()
        body = {"filter": {"uid": 5}} if method == "PATCH" else None
        with ThreadPoolExecutor(8) as pool:
            asked = [
                pool.submit(patient.request, method, f"/probes/{mode}", body) for _ in range(8)
            ]
            os.kill(tracer.pid, signal.SIGKILL)
            statuses = {answer.result().status for answer in asked}
        assert statuses <= {200, 404, 502}
        wait_until(
            lambda: patient.probe(mode)["state"] in ("failed", "stopped"), "its end to be told"
        )
        assert "frame" not in patient.probe(mode)["ended"]["detail"]
    gone_from_kernel(patient, "requests to a dying tracer")


def test_a_tracer_that_is_quiet_is_not_taken_for_hung(patient: Service, mode: str) -> None:
    started = patient.start(mode, filter=NOBODY)
    time.sleep(5)  # longer than the silence that is allowed: nothing else could show it
    assert patient.probe(mode)["started_at"] == started["started_at"]
    assert patient.probe(mode)["state"] == "running"
    patient.stop(mode)


def test_a_hung_tracer_whose_line_another_process_holds(patient: Service, mode: str) -> None:
    """Its death then causes no end of file, and the run ends nevertheless."""
    patient.start(mode, filter=NOBODY)
    (tracer,) = patient.tracers()
    with socket_of(tracer.pid):
        os.kill(tracer.pid, signal.SIGSTOP)
        failed = wait_for_state(patient, mode, "failed")
    assert failed["ended"]["reason"] == "no sign of life"
    gone_from_kernel(patient, "a hung tracer whose line was held")


LIES: dict[str, bytes] = {
    "noise": os.urandom(64),
    "a huge frame": HEADER.pack(MAX_BODY_BYTES + 1, KIND_BATCH, 1),
    "an unknown kind": HEADER.pack(2, 9, 0) + b"{}",
    "no JSON": HEADER.pack(2, KIND_JSON, 0) + b"{]",
    "JSON of another shape": HEADER.pack(2, KIND_JSON, 0) + b"[]",
    "an unknown message": HEADER.pack(15, KIND_JSON, 0) + b'{"type":"nope"}',
    "counters of text": HEADER.pack(46, KIND_JSON, 0)
    + b'{"type":"counters","produced":"1","drops":"x"}',
}


@pytest.mark.parametrize("lie", LIES)
def test_a_tracer_that_writes_garbage(patient: Service, mode: str, lie: str) -> None:
    patient.start(mode, filter=NOBODY)
    (tracer,) = patient.tracers()
    with patient.websocket() as viewer, socket_of(tracer.pid) as line:
        os.kill(tracer.pid, signal.SIGSTOP)  # so that none of its frames is interleaved with ours
        line.sendall(LIES[lie])
        failed = wait_for_state(patient, mode, "failed")
        assert failed["ended"]["code"] == "tracer_failed"
        check_ledger(failed["counters"])
        assert not viewer.ended
    gone_from_kernel(patient, "a tracer that lied")


def test_half_a_frame(patient: Service, mode: str) -> None:
    """The rest of the frame never comes; the complete frames before it count."""
    patient.start(mode, filter={"pid": os.getpid()})
    wait_until_shown(patient, patient.cursor(), {mode}, mark())
    (tracer,) = patient.tracers()
    with socket_of(tracer.pid) as line:
        os.kill(tracer.pid, signal.SIGSTOP)
        line.sendall(HEADER.pack(1 << 20, KIND_BATCH, 1000) + bytes(1000))
        os.kill(tracer.pid, signal.SIGKILL)
    failed = wait_for_state(patient, mode, "failed")
    assert "frame" in failed["ended"]["detail"] or "SIGKILL" in failed["ended"]["detail"]
    check_ledger(failed["counters"])


def test_a_stopped_worker_goes_on_where_it_was(patient: Service, mode: str) -> None:
    """After SIGSTOP and SIGCONT, its tracers are not taken for hung and every loss is reported."""
    patient.start(mode)
    worker = patient.worker()
    with patient.websocket() as viewer:
        os.kill(worker.pid, signal.SIGSTOP)
        names = [mark() for _ in range(50)]
        time.sleep(4)  # longer than a tracer may be silent
        os.kill(worker.pid, signal.SIGCONT)
        viewer.wait_for_name(mode, names[-1])
        stopped = patient.stop(mode)
        check_ledger(stopped["counters"])
        assert stopped["ended"]["code"] == "requested"
        assert {row["filename"] for row in viewer.rows} >= set(names)


def test_a_stopped_arbiter_does_not_matter(patient: Service, mode: str) -> None:
    patient.process.send_signal(signal.SIGSTOP)
    try:
        patient.start(mode)
        patient.stop(mode)
    finally:
        patient.process.send_signal(signal.SIGCONT)


def forkers(service: Service) -> list[kernel.Process]:
    """Return the process that forks tracers, once it is ready."""
    return [
        process
        for process in kernel.descendants(service.worker().pid)
        if "--forks" in process.command
        and "unix_stream" in Path(f"/proc/{process.pid}/wchan").read_text()
    ]


def test_no_memory_for_a_tracer(patient: Service, mode: str) -> None:
    """Limit a tracer's memory: mapping the rings fails in it, not in the service."""
    (forker,) = wait_until(lambda: forkers(patient), "the process that forks tracers")
    used = int(Path(f"/proc/{forker.pid}/statm").read_text().split()[0]) * 4096
    limit = resource.prlimit(forker.pid, resource.RLIMIT_AS)
    resource.prlimit(forker.pid, resource.RLIMIT_AS, (used + (4 << 20), limit[1]))
    try:
        answer = patient.request("POST", f"/probes/{mode}")
    finally:
        resource.prlimit(forker.pid, resource.RLIMIT_AS, limit)
    assert (answer.status, answer.json["code"]) == (502, "tracer_failed")
    # The cause goes to the caller, the traceback to the log.
    for told in (answer.json, patient.probe(mode)["ended"]):
        assert "memory" in told["reason"]
        assert "Traceback" not in str(told)
        assert "/" not in told["reason"] + told["detail"]
    assert "Traceback" in patient.log.read_text()
    gone_from_kernel(patient, "a tracer without memory")
    patient.start(mode)
    patient.stop(mode)


def test_the_process_that_forks_tracers_is_killed(patient: Service, mode: str) -> None:
    """The tracers that it has forked trace on, and starts have another."""
    (forker,) = wait_until(lambda: forkers(patient), "the process that forks tracers")
    started = patient.start(mode)
    os.kill(forker.pid, signal.SIGKILL)
    cursor = patient.cursor()
    wait_until_shown(patient, cursor, [mode], mark())
    assert patient.probe(mode)["started_at"] == started["started_at"]
    patient.stop(mode)
    patient.start(mode)
    (other,) = wait_until(lambda: forkers(patient), "another process")
    assert other.pid != forker.pid
    patient.stop(mode)


def test_an_idle_one_that_is_killed_is_replaced_without_a_start(patient: Service) -> None:
    """And reaped: until the next start it would be a zombie, and that start slow."""
    (forker,) = wait_until(lambda: forkers(patient), "the process that forks tracers")
    before = len(patient.log.read_text())
    os.kill(forker.pid, signal.SIGKILL)
    (other,) = wait_until(lambda: forkers(patient), "another process")
    assert other.pid != forker.pid
    assert not Path(f"/proc/{forker.pid}").exists()
    lines = patient.log.read_text()[before:].splitlines()
    assert [line.partition(" WARNING ")[2] for line in lines] == [
        "the process that forks tracers is started again: it was ended by SIGKILL"
    ]


def test_no_descriptors(patient: Service, mode: str) -> None:
    """EMFILE ends neither the worker nor its probes; it serves again once there are descriptors."""
    started = patient.start(mode)
    worker = patient.worker()
    before = resource.prlimit(worker.pid, resource.RLIMIT_NOFILE)
    used = max(int(entry.name) for entry in Path(f"/proc/{worker.pid}/fd").iterdir()) + 1
    with patient.websocket() as viewer, ExitStack() as held:
        resource.prlimit(worker.pid, resource.RLIMIT_NOFILE, (used, before[1]))
        try:
            for _ in range(100):
                connection = socket.create_connection(("127.0.0.1", patient.port), PATIENCE_S)
                held.enter_context(connection)
                if select.select([connection], [], [], 0.05)[0]:
                    break  # an answer without a request: there is no descriptor for a request
            assert connection.recv(100).startswith(b"HTTP/1.1 503 ")
        finally:
            resource.prlimit(worker.pid, resource.RLIMIT_NOFILE, before)
        assert patient.worker().pid == worker.pid
        name = mark()
        viewer.wait_for_name(mode, name)
    assert patient.probe(mode)["started_at"] == started["started_at"]
    patient.stop(mode)


def in_namespace(script: str, *arguments: str) -> tuple[str, ...]:
    """Return a command prefix that runs a program in a mount namespace set up by a shell script."""
    return ("unshare", "--mount", "sh", "-ec", script + '\nexec "$@"', "sh", *arguments)


def test_a_full_disk(modes: tuple[str, ...], tmp_path: Path, mode: str) -> None:
    """Without space for include files or the audit log it says so, and recovers once there is."""
    small = tmp_path / "small"
    small.mkdir()
    # Mounted before the service starts; reached from here through /proc/PID/root.
    prefix = in_namespace(f"mount -t tmpfs -o size=16m probedeck-test '{small}'")
    options = ("--audit-log", str(small / "audit.jsonl"))
    with running_service(tmp_path, small / "cache", *options, prefix=prefix) as service:
        inside = Path(f"/proc/{service.process.pid}/root{small}")
        filler = inside / "filler"
        _fill(filler)
        answer = service.request("POST", f"/probes/{mode}")
        assert (answer.status, answer.json["code"]) == (503, "audit_unwritable")
        assert service.probe(mode)["state"] == "stopped"
        # Room for the log, none for the include files.
        filler.write_bytes(bytes(filler.stat().st_size - 8192))
        answer = service.request("POST", f"/probes/{mode}")
        assert answer.status >= 500
        assert "No space left" in str(answer.json)
        assert service.request("GET", "/healthz").status == 200


def _fill(file: Path) -> None:
    with file.open("ab", buffering=0) as stream:
        try:
            while True:
                stream.write(bytes(4096))
        except OSError:
            pass  # full, as intended


def test_no_bcc(tmp_path: Path, cache: Path) -> None:
    spec = find_spec("bcc")  # the distribution's, only to hide it
    assert spec and spec.origin
    folder = Path(spec.origin).parent
    empty = tmp_path / "empty"
    empty.mkdir()
    prefix = in_namespace(f"mount --bind '{empty}' '{folder}'")
    with running_service(tmp_path, cache, prefix=prefix) as service:
        assert not any(probe["available"] for probe in service.probes().values())
        assert "BCC" in service.probe("tracepoint")["reason"]
        answer = service.request("POST", "/probes/tracepoint")
        assert (answer.status, answer.json["code"]) == (501, "unavailable")
        assert "python3-bpfcc" in answer.json["hint"]


def test_no_btf(tmp_path: Path, cache: Path) -> None:
    """Without BTF, BCC needs kernel headers; if these are missing too, the reason says so."""
    options = ("--btf-path", str(tmp_path / "nothing"))
    with running_service(tmp_path, cache, *options) as service:
        for mode, probe in service.probes().items():
            if not probe["available"]:
                assert probe["reason"]
                answer = service.request("POST", f"/probes/{mode}")
                assert (answer.status, answer.json["code"]) == (501, "unavailable")
