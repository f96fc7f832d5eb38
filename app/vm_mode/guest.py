# SPDX-License-Identifier: Apache-2.0
"""The guest side of `./run --vm`: it runs the service, commands from the host, and a root shell.

`python -m app.vm_mode.guest COMMAND...` starts the service's command and serves the port
`vm.exec` (see app.vm_mode.commands) until the service or the shell ends; the exit status is the
service's, or 0 when the shell was ended. Started as root by app/machine/init.
"""

from __future__ import annotations

import base64
import json
import os
import queue
import selectors
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

PORTS = Path("/sys/class/virtio-ports")
TERMINAL = "/dev/ttyS1"
LOG = Path("/var/log/probedeck.log")
STOP_TIMEOUT_S = 10.0
PIECE_BYTES = 48 * 1024
CANNOT_START = 127


def open_port(name: str) -> int:
    """Open the virtio port of this name; raises FileNotFoundError."""
    for path in PORTS.glob("*/name"):
        if path.read_text().strip() == name:
            return os.open(f"/dev/{path.parent.name}", os.O_RDWR | os.O_CLOEXEC)
    raise FileNotFoundError(f"no virtio port {name}")


class Agent:
    """Runs the commands that arrive through a port, several at once.

    `shell` is called with the request for the root shell.
    """

    def __init__(self, port: int, shell: Callable[[dict[str, Any]], None]) -> None:
        self._port = port
        self._shell = shell
        self._write_lock = threading.Lock()
        self._running: dict[int, subprocess.Popen[bytes]] = {}

    def serve(self) -> None:
        """Serve until the port's end of file, then kill the commands that still run."""
        with os.fdopen(os.dup(self._port), "rb") as lines:
            for line in lines:
                self._take(json.loads(line))
        for process in list(self._running.values()):
            end_command(process)

    def _take(self, message: dict[str, Any]) -> None:
        if "shell" in message:
            self._shell(message["shell"])
        elif message.get("cancel"):
            if process := self._running.get(message["id"]):
                end_command(process)
        else:
            self._start(message["id"], message["argv"])

    def _start(self, number: int, argv: Sequence[str]) -> None:
        try:
            process = subprocess.Popen(
                argv,
                cwd="/root",
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,
            )
        except OSError as error:
            text = f"{argv[0]}: {error.strerror}\n".encode()
            self._send({"id": number, "stderr": base64.b64encode(text).decode()})
            self._send({"id": number, "exit": CANNOT_START})
            return
        self._running[number] = process
        threading.Thread(target=self._follow, args=(number, process), daemon=True).start()

    def _follow(self, number: int, process: subprocess.Popen[bytes]) -> None:
        with process, selectors.DefaultSelector() as selector:
            for name, pipe in (("stdout", process.stdout), ("stderr", process.stderr)):
                assert pipe is not None
                selector.register(pipe, selectors.EVENT_READ, name)
            while selector.get_map():
                for key, _ in selector.select():
                    if data := os.read(key.fd, PIECE_BYTES):
                        text = base64.b64encode(data).decode()
                        self._send({"id": number, key.data: text})
                    else:
                        selector.unregister(key.fileobj)
            status = process.wait()
            # Before the answer: a later cancellation then finds no process.
            del self._running[number]
        self._send({"id": number, "exit": status})

    def _send(self, message: dict[str, Any]) -> None:
        data = json.dumps(message).encode() + b"\n"
        with self._write_lock:
            try:
                while data:
                    data = data[os.write(self._port, data) :]
            except BrokenPipeError:
                pass  # the machine is shutting down


def end_command(process: subprocess.Popen[bytes]) -> None:
    """Kill a command and its process group, unless it has ended."""
    if process.poll() is None:
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass  # it has ended in the meantime, and another thread was told so


class Session:
    """The service and, on request, a shell: the first of them to end ends the session."""

    def __init__(self, argv: Sequence[str]) -> None:
        self._ended: queue.Queue[tuple[str, int]] = queue.Queue()
        self._quiet = threading.Event()
        self._log = LOG.open("wb", buffering=0)
        self._service = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self._output = threading.Thread(target=self._copy_output, daemon=True)
        self._output.start()
        threading.Thread(target=self._watch, args=("service", self._service), daemon=True).start()

    def open_shell(self, terminal: dict[str, Any]) -> None:
        """Start a root shell on the second serial line; service output then goes to LOG only."""
        self._quiet.set()
        rows, columns = str(terminal["rows"]), str(terminal["columns"])
        subprocess.run(["stty", "-F", TERMINAL, "sane", "rows", rows, "cols", columns], check=True)
        line = os.open(TERMINAL, os.O_RDWR | os.O_NOCTTY)
        shell = subprocess.Popen(
            ["setsid", "--ctty", "--wait", "bash", "-l"],
            cwd="/root",
            stdin=line,
            stdout=line,
            stderr=line,
            env={**os.environ, "TERM": terminal["term"]},
        )
        os.close(line)
        threading.Thread(target=self._watch, args=("shell", shell), daemon=True).start()

    def wait(self) -> int:
        """Wait for the end; return the service's exit status, or 0 if the shell ended first."""
        name, status = self._ended.get()
        if name == "shell":
            status = 0  # a shell's status is that of its last command, and means nothing here
            self._service.terminate()
            try:
                self._service.wait(STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                self._service.kill()
        elif self._quiet.is_set():
            self._output.join(STOP_TIMEOUT_S)
            last = LOG.read_bytes().splitlines()[-20:]
            sys.stdout.buffer.write(
                b"\n".join([b"The service ended. The last lines of its output:", *last, b""])
            )
        self._output.join(STOP_TIMEOUT_S)
        sys.stdout.flush()
        return status if status >= 0 else 128 - status

    def _watch(self, name: str, process: subprocess.Popen[bytes]) -> None:
        self._ended.put((name, process.wait()))

    def _copy_output(self) -> None:
        assert self._service.stdout is not None
        while data := os.read(self._service.stdout.fileno(), PIECE_BYTES):
            self._log.write(data)
            if not self._quiet.is_set():
                sys.stdout.buffer.write(data)
                sys.stdout.buffer.flush()


def main(argv: Sequence[str]) -> int:
    """Serve until the end of the session; return the exit status."""
    session = Session(argv)
    agent = Agent(open_port("vm.exec"), session.open_shell)
    threading.Thread(target=agent.serve, daemon=True).start()
    return session.wait()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
