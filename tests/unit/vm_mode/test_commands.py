# SPDX-License-Identifier: Apache-2.0
"""Commands for a machine: client, broker and agent joined by real sockets."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from app import ROOT
from app.vm_mode.commands import Broker, NoMachineError, address, execute, peer_uid, status_of
from app.vm_mode.guest import Agent, end_command
from tests.support.waiting import PATIENCE_S, wait_until

root = pytest.mark.skipif(os.geteuid() != 0, reason="commands are for root alone")
PORT = 65001  # only a name here: nothing listens on it


class Machine:
    """The two ends of a machine's port: broker on the host, agent in the guest."""

    def __init__(self) -> None:
        self.shells: list[dict[str, Any]] = []
        self.host_end, guest_end = socket.socketpair()
        self.commands = socket.socket(socket.AF_UNIX)
        self.commands.bind(address(PORT))
        self.commands.listen()
        self.broker = Broker()
        self._guest_end = guest_end
        self._others = threading.active_count()
        agent = Agent(guest_end.fileno(), self.shells.append)
        self._threads = [
            threading.Thread(target=agent.serve),
            threading.Thread(target=lambda: asyncio.run(self._serve())),
        ]
        for thread in self._threads:
            thread.start()

    async def _serve(self) -> None:
        self.loop = asyncio.get_running_loop()
        await self.broker.serve(self.host_end, self.commands)

    def close(self) -> None:
        self._guest_end.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()
        wait_until(lambda: threading.active_count() == self._others, "its threads have ended")
        self._guest_end.close()


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Machine]:
    machine = Machine()
    yield machine
    machine.close()


@root
def test_output_and_status_come_back(
    machine: Machine, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    assert execute(PORT, ["sh", "-c", r"printf 'a\377\0'; echo bad >&2; exit 3"]) == 3
    assert capfdbinary.readouterr() == (b"a\xff\0", b"bad\n")


@root
def test_much_output_comes_whole(
    machine: Machine, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    assert execute(PORT, ["head", "-c", "3000001", "/dev/zero"]) == 0
    assert len(capfdbinary.readouterr().out) == 3000001


@root
def test_arguments_arrive_as_they_are(
    machine: Machine, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    assert execute(PORT, ["printf", "%s|", "a b", "", "$HOME", "é\n"]) == 0
    assert capfdbinary.readouterr().out == "a b||$HOME|é\n|".encode()


@root
def test_a_signal_is_a_status_as_in_a_shell(machine: Machine) -> None:
    assert execute(PORT, ["sh", "-c", "kill -TERM $$"]) == 128 + signal.SIGTERM


@root
def test_a_command_that_is_not_there(
    machine: Machine, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    assert execute(PORT, ["no-such-command"]) == 127
    assert b"no-such-command: No such file or directory" in capfdbinary.readouterr().err


CLIENT = """\
import sys
from app.vm_mode.commands import execute
sys.exit(execute(int(sys.argv[1]), sys.argv[2:]))
"""


def client(*argv: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-c", CLIENT, str(PORT), *argv], cwd=ROOT, stdout=subprocess.PIPE
    )


@root
def test_several_run_at_once(machine: Machine) -> None:
    with client("sh", "-c", "echo up; exec sleep 600") as waiting:
        assert waiting.stdout is not None
        assert waiting.stdout.readline() == b"up\n"
        assert execute(PORT, ["true"]) == 0
        waiting.kill()


@root
def test_a_client_that_goes_takes_its_command_with_it(machine: Machine) -> None:
    with client("sh", "-c", "echo $$; sleep 600") as waiting:
        assert waiting.stdout is not None
        pid = int(waiting.stdout.readline())
        assert Path(f"/proc/{pid}").exists()
        waiting.kill()
    wait_until(lambda: not Path(f"/proc/{pid}").exists(), "the command has been ended")


@root
def test_a_machine_that_ends_is_said() -> None:
    machine = Machine()
    with client("sh", "-c", "echo up; exec sleep 600") as waiting:
        assert waiting.stdout is not None
        assert waiting.stdout.readline() == b"up\n"
        machine.close()
        assert waiting.wait(PATIENCE_S) != 0


def connected(request: bytes) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(address(PORT))
    connection.sendall(request)
    return connection


@root
def test_a_machine_ends_quietly_in_the_middle_of_commands(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """asyncio reports what its tasks raise: Ctrl-C of `./run --vm` printed that."""
    machine = Machine()
    wait_until(lambda: machine.broker._agent, "the broker is connected")
    # asyncio also reports more than four writes to a connection that is closed.
    requests = [b'{"argv": ["sleep", "600"]}\n'] * 8 + [b"", b'{"argv": ["sl']
    with ExitStack() as stack:
        clients = [stack.enter_context(connected(request)) for request in requests]
        wait_until(lambda: len(machine.broker._clients) == 8, "the commands are asked for")
        wait_until(lambda: len(machine.broker._open) == len(requests), "all are connected")
        machine.close()
        assert [client.recv(1) for client in clients] == [b""] * len(clients)
    gc.collect()  # what a task has raised is reported when the task is deleted
    assert [record.getMessage() for record in caplog.records] == []


@root
@pytest.mark.parametrize("request_begun", [b"", b'{"argv": ["sl'])
def test_a_client_that_goes_before_it_asks_is_no_error(
    machine: Machine, caplog: pytest.LogCaptureFixture, request_begun: bytes
) -> None:
    with connected(request_begun):
        wait_until(lambda: machine.broker._open, "the client is connected")
    wait_until(lambda: not machine.broker._open, "the client has gone")
    assert execute(PORT, ["true"]) == 0
    gc.collect()
    assert [record.getMessage() for record in caplog.records] == []


@root
def test_a_client_that_leaves_output_unread_takes_its_command_with_it(
    machine: Machine, tmp_path: Path
) -> None:
    """The kernel then resets the connection."""
    script = f"echo $$ > {tmp_path}/new; mv {tmp_path}/new {tmp_path}/pid; echo up; sleep 600"
    with connected(json.dumps({"argv": ["sh", "-c", script]}).encode() + b"\n") as client:
        wait_until((tmp_path / "pid").exists, "the command runs")
        assert client.recv(1, socket.MSG_PEEK)
    pid = int((tmp_path / "pid").read_text())
    wait_until(lambda: not Path(f"/proc/{pid}").exists(), "the command has been ended")


@root
def test_others_than_root_are_not_served(machine: Machine) -> None:
    program = f"""
import os, socket
os.setuid(65534)
with socket.socket(socket.AF_UNIX) as s:
    s.connect({address(PORT)!r})
    try:
        s.sendall(b'{{"argv": ["id"]}}' + b"\\n")
        print(s.recv(100))
    except (BrokenPipeError, ConnectionResetError):
        print(b"")
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert done.stdout == b"b''\n"


@root
def test_a_server_that_is_not_root_s_is_not_used() -> None:
    program = f"""
import os, socket, sys
os.setuid(65534)
with socket.socket(socket.AF_UNIX) as s:
    s.bind({address(PORT)!r})
    s.listen()
    print("listening", flush=True)
    sys.stdin.read()
"""
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as squatter:
        assert squatter.stdout is not None
        assert squatter.stdout.readline() == b"listening\n"
        with pytest.raises(NoMachineError, match="not started by root"):
            execute(PORT, ["id"])
        squatter.communicate(timeout=PATIENCE_S)


def test_without_a_machine_it_says_how_to_start_one() -> None:
    with pytest.raises(NoMachineError, match=r"\./run --vm"):
        execute(PORT, ["true"])


def test_the_shell_is_asked_for_through_the_same_port(machine: Machine) -> None:
    wait_until(lambda: machine.broker._agent, "the broker is connected")
    size = {"rows": 24, "columns": 80, "term": "xterm"}
    asyncio.run_coroutine_threadsafe(machine.broker.tell({"shell": size}), machine.loop).result()
    wait_until(lambda: machine.shells == [size], "the agent has been told")


def test_the_kernel_says_who_is_there() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        assert peer_uid(ours) == os.getuid()


@pytest.mark.parametrize(("returncode", "status"), [(0, 0), (3, 3), (-9, 137)])
def test_statuses(returncode: int, status: int) -> None:
    assert status_of(returncode) == status


def test_a_command_that_ends_as_it_is_ended() -> None:
    """Another thread, which waits for it, has just been told."""
    process = subprocess.Popen(["true"], start_new_session=True)
    os.waitpid(process.pid, 0)
    process.poll = lambda: None  # type: ignore[method-assign] # as it was a moment ago
    end_command(process)
    process.returncode = 0
