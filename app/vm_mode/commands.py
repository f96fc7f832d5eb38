# SPDX-License-Identifier: Apache-2.0
"""Commands from the host for a running machine: `./run --vm-exec`, and the path to its agent.

    client -- abstract Unix socket -- Broker -- virtio port -- agent (app.vm_mode.guest)

One JSON object a line. A client sends `{"argv": [...]}` and receives `{"stdout": BASE64}`,
`{"stderr": BASE64}` and, last, `{"exit": STATUS}`. Between broker and agent each message also has
the command's `id`, since several run at once; `{"id": N, "cancel": true}` ends the command of a
client that has disconnected.

The socket is abstract, so that a killed machine leaves no file behind. Both ends check by
SO_PEERCRED that the other one is root: root in the machine can read all files of the host.
"""

from __future__ import annotations

import asyncio
import base64
import itertools
import json
import socket
import struct
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

LONGEST_LINE_BYTES = 1 << 20
STALLED_S = 30.0


def address(port: int) -> str:
    """Return the abstract address for commands of the machine that serves on `port`."""
    return f"\0probedeck-vm-{port}"


class NoMachineError(Exception):
    """There is no machine to run the command in, or it ended before the command did."""


class Broker:
    """Relays commands of several clients to the agent through one port, and the answers back."""

    def __init__(self) -> None:
        self._agent: asyncio.StreamWriter | None = None
        self._open: set[asyncio.StreamWriter] = set()
        self._clients: dict[int, asyncio.StreamWriter] = {}
        self._ids = itertools.count(1)

    async def serve(self, port: socket.socket, listening: socket.socket) -> None:
        """Serve until cancelled. `port` is the host's end of the machine's virtio port."""
        reader, self._agent = await asyncio.open_connection(sock=port, limit=LONGEST_LINE_BYTES)
        server = await asyncio.start_unix_server(
            self._take, sock=listening, limit=LONGEST_LINE_BYTES
        )
        try:
            while line := await reader.readline():
                await self._answer(json.loads(line))
        except (BrokenPipeError, ConnectionResetError):
            pass  # the machine ended while something was being written to it
        finally:
            server.close()
            for writer in (self._agent, *self._open):
                writer.transport.abort()
            await asyncio.sleep(0)  # the loop closes their sockets in its next turn

    async def tell(self, message: dict[str, Any]) -> None:
        """Send a message to the agent; raises ConnectionError if the machine has ended."""
        assert self._agent is not None
        if self._agent.is_closing():
            raise ConnectionResetError("the machine has ended")
        self._agent.write(_line(message))
        await self._agent.drain()

    async def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        number = next(self._ids)
        self._open.add(writer)
        try:
            if peer_uid(writer.get_extra_info("socket")) != 0:
                return
            line = await reader.readline()
            if not line.endswith(b"\n"):
                return  # the client ended before it had asked for anything
            self._clients[number] = writer
            await self.tell({"id": number, "argv": json.loads(line)["argv"]})
            await _until_closed(reader)  # by the client, which does that after the last answer
            if number in self._clients:
                await self.tell({"id": number, "cancel": True})
        except ConnectionError:
            pass  # the machine has ended, and its commands with it; or the client has
        finally:
            self._clients.pop(number, None)
            self._open.discard(writer)
            writer.transport.abort()

    async def _answer(self, message: dict[str, Any]) -> None:
        number = message.pop("id")
        client = self._clients.get(number)
        if client is None:
            return  # it disconnected before its command ended
        if "exit" in message:
            del self._clients[number]
        try:
            client.write(_line(message))
            await asyncio.wait_for(client.drain(), STALLED_S)
        except (OSError, asyncio.TimeoutError):
            client.transport.abort()  # _take notices, and cancels the command


async def _until_closed(reader: asyncio.StreamReader) -> None:
    """Read until the other end closes the connection, also if it leaves answers unread."""
    with suppress(ConnectionResetError):
        await reader.read()


def peer_uid(connection: socket.socket) -> int:
    """Return the user id of the process at the other end of a Unix socket."""
    credentials = connection.getsockopt(
        socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i")
    )
    return int(struct.unpack("3i", credentials)[1])


def execute(port: int, argv: Sequence[str]) -> int:
    """Run a command in the machine that serves on `port`, and copy its output to ours.

    Returns its exit status, or 128 + the signal that ended it; raises NoMachineError.
    """
    with socket.socket(socket.AF_UNIX) as connection:
        try:
            connection.connect(address(port))
        except ConnectionRefusedError:
            raise NoMachineError(
                f"no machine serves on port {port}; start one: ./run --vm"
            ) from None
        if peer_uid(connection) != 0:
            raise NoMachineError(
                f"what answers for port {port} was not started by root: refusing to use it"
            )
        connection.sendall(_line({"argv": list(argv)}))
        with connection.makefile("rb") as answers:
            for line in answers:
                message = json.loads(line)
                if "exit" in message:
                    return status_of(message["exit"])
                for name, stream in (("stdout", sys.stdout), ("stderr", sys.stderr)):
                    if name in message:
                        stream.buffer.write(base64.b64decode(message[name]))
                        stream.buffer.flush()
    raise NoMachineError("the machine ended before the command did")


def status_of(returncode: int) -> int:
    """Return a shell's exit status for a `Popen.returncode`, which is negative for a signal."""
    return returncode if returncode >= 0 else 128 - returncode


def _line(message: dict[str, Any]) -> bytes:
    return json.dumps(message).encode() + b"\n"
