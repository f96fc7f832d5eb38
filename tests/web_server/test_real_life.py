# SPDX-License-Identifier: Apache-2.0
"""The processes: signals, how they end, a second instance, and which dies with which."""

from __future__ import annotations

import fcntl
import os
import signal
import socket
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.support.waiting import PATIENCE_S, wait_until
from tests.web_server.web_clients import Server, free_port, running, start


def alive(pid: int) -> bool:
    try:
        return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return False


def lockable(path: Path) -> bool:
    with path.open() as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


def occupy(server: Server, clients: ExitStack) -> None:
    """Every kind of connection that could hold up the end of the service."""
    host = f"Host: localhost:{server.port}\r\n\r\n".encode()
    for _ in range(5):
        clients.enter_context(server.websocket())
    stream = clients.enter_context(server.connect())
    stream.sendall(b"GET /events/stream HTTP/1.1\r\n" + host)
    clients.enter_context(server.connect())  # opened in advance, as browsers do
    half = clients.enter_context(server.connect())
    half.sendall(b"GET / HTT")
    kept = clients.enter_context(server.connect())
    kept.sendall(b"GET /healthz HTTP/1.1\r\n" + host)
    assert kept.recv(12) == b"HTTP/1.1 200"
    stalled = clients.enter_context(socket.socket())
    stalled.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    stalled.connect(("127.0.0.1", server.port))
    server.upgrade(stalled)
    server.request("POST", "/probes/kprobe")
    wait_until(lambda: server.clients() == 7, "all are served")


@pytest.mark.parametrize("sig", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_the_end_waits_for_nobody(tmp_path: Path, sig: signal.Signals) -> None:
    hangup = inheriting_hangup(signal.SIG_DFL)  # also when the tests run under nohup
    # The stalled client is not dropped before the end, however long the others take to be served.
    stalled = ("--stalled-after", f"{PATIENCE_S:.0f}")
    with hangup, running(tmp_path / "run", *stalled) as server, ExitStack() as clients:
        occupy(server, clients)
        (worker,) = server.workers()
        # gunicorn would wait for 15 s here and then kill the worker, which it says on stderr
        assert server.end(sig) == (0, "")
        assert (server.run_dir / "closed").exists()  # the probes were stopped
        assert not alive(worker)


def test_ctrl_c_reaches_all_processes_and_shows_no_traceback(tmp_path: Path) -> None:
    with running(tmp_path / "run") as server, server.websocket():
        os.killpg(server.process.pid, signal.SIGINT)
        out, errors = server.process.communicate(timeout=PATIENCE_S)
        assert (server.process.returncode, errors) == (0, "")
        assert out.startswith(f"Probedeck on http://localhost:{server.port}/ (Ctrl-C ends it)\n")
        assert (server.run_dir / "closed").exists()


def heard(server: Server, sig: signal.Signals) -> None:
    """Send the arbiter a signal that it ignores with a word, and wait for the word."""
    server.process.send_signal(sig)
    assert server.process.stderr is not None
    assert sig.name in server.process.stderr.readline()


def test_no_signal_makes_a_second_worker(tmp_path: Path) -> None:
    with running(tmp_path / "run") as server:
        before = server.workers()
        for sig in (signal.SIGTTIN, signal.SIGTTOU, signal.SIGUSR2, signal.SIGTTIN):
            heard(server, sig)
            assert (len(before), server.workers()) == (1, before)
        assert server.end() == (0, "")


def test_nohup_outlives_the_terminal(tmp_path: Path) -> None:
    with inheriting_hangup(signal.SIG_IGN), running(tmp_path / "run") as server:
        server.process.send_signal(signal.SIGHUP)
        heard(server, signal.SIGTTIN)  # whose number is higher, so it is handled after the other
        assert server.request("GET", "/healthz")[0].status == 200
        assert server.end() == (0, "")


def inheriting_hangup(action: signal.Handlers) -> ExitStack:
    """What starts in this context has SIGHUP so: ignored as nohup(1) does, or at its default."""
    stack = ExitStack()
    previous = signal.signal(signal.SIGHUP, action)
    stack.callback(signal.signal, signal.SIGHUP, previous)
    return stack


def test_a_killed_arbiter_leaves_nothing(tmp_path: Path) -> None:
    with running(tmp_path / "run") as server:
        (worker,) = server.workers()
        server.process.kill()
        wait_until(lambda: not alive(worker), "the worker died with its arbiter")
        # Its other threads may be a moment behind with the files.
        wait_until(lambda: lockable(server.run_dir / "lock"), "the lock to be free")


def test_a_killed_worker_is_replaced(tmp_path: Path) -> None:
    with running(tmp_path / "run") as server:
        (worker,) = server.workers()
        server.request("POST", "/probes/fexit")
        os.kill(worker, signal.SIGKILL)
        wait_until(lambda: server.workers() not in ([], [worker]), "there is a new worker")
        assert server.json("GET", "/probes/fexit")["state"] == "stopped"
        code, errors = server.end()
        assert (code, "SIGKILL" in errors) == (0, True)


def test_a_second_instance_is_told_of_the_first(tmp_path: Path) -> None:
    with running(tmp_path / "run") as server:
        second = start(tmp_path / "run", free_port())
        out, errors = second.communicate(timeout=PATIENCE_S)
        assert (second.returncode, out) == (1, "")
        assert f"already runs here (process {server.process.pid};" in errors
        assert "(--run-dir, --port)" in errors
        assert len(errors.splitlines()) == 1
        assert server.request("GET", "/healthz")[0].status == 200


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_a_port_in_use_is_said_once(tmp_path: Path, address: str) -> None:
    with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET) as other:
        try:
            other.bind((address, 0))
        except OSError:
            pytest.skip(f"no {address} here")
        other.listen()
        port = other.getsockname()[1]
        process = start(tmp_path / "run", port)
        out, errors = process.communicate(timeout=PATIENCE_S)
    assert (process.returncode, out) == (1, "")
    assert errors == (
        f"Port {port} of {address} is in use by another program. "
        f"Choose another: --port {port % 65535 + 1}\n"
    )


def test_the_lock_is_private(tmp_path: Path) -> None:
    with running(tmp_path / "run") as server:
        modes = [path.stat().st_mode & 0o777 for path in (server.run_dir, server.run_dir / "lock")]
        assert modes == [0o700, 0o600]
        assert (server.run_dir / "lock").read_text() == f"{server.process.pid}\n"


@pytest.mark.parametrize("kind", ["open", "link"])
def test_a_run_folder_that_others_could_change_is_refused(tmp_path: Path, kind: str) -> None:
    run_dir = tmp_path / "run"
    if kind == "open":
        run_dir.mkdir()
        run_dir.chmod(0o777)
    else:
        (tmp_path / "elsewhere").mkdir(mode=0o700)
        run_dir.symlink_to(tmp_path / "elsewhere")
    process = start(run_dir, free_port())
    _, errors = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 1
    problem = {"open": "can be written by others (mode 777)", "link": "is a symbolic link"}[kind]
    assert errors == (
        f"--run-dir: {run_dir} {problem}. Change that, or name another folder by --run-dir.\n"
    )


def test_what_the_terminal_shows(tmp_path: Path) -> None:
    with running(tmp_path / "run") as server:
        port = server.port
        assert server.process.stdout is not None
        assert server.process.stdout.readline() == (
            f"Probedeck on http://localhost:{port}/ (Ctrl-C ends it)\n"
        )
        assert server.process.stdout.readline().startswith("  tokens for others were made")
        modes = "  modes: fentry, fexit, kprobe, kretprobe, tracepoint\n"
        assert server.process.stdout.readline() == modes
        assert server.end() == (0, "")


def test_stray_variables_of_the_environment_change_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {
        "WEB_CONCURRENCY": "4",
        "FORWARDED_ALLOW_IPS": "*",
        "GUNICORN_CMD_ARGS": "--workers 3",
        "SCRIPT_NAME": "/x",
        "LISTEN_FDS": "1",
        "LISTEN_PID": "1",
        "PORT": "1",
    }.items():
        monkeypatch.setenv(name, value)
    with running(tmp_path / "run") as server:
        assert len(server.workers()) == 1
        headers = {"X-Forwarded-Proto": "https"}
        assert server.request("GET", "/probes", headers)[0].status == 403
