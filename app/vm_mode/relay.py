# SPDX-License-Identifier: Apache-2.0
"""Relay from the host's loopback to the service in a machine, for one user only.

A port that QEMU forwards itself would be open to every local user. So QEMU listens in a network
namespace of its own that only this relay connects to: it accepts connections on 127.0.0.1 and
relays those of the owner's programs.
"""

from __future__ import annotations

import asyncio
import json
import socket
from http import HTTPStatus
from pathlib import Path

from app.linux.socket_owner import is_established, owner_uid

PIECE_BYTES = 65536
CONNECTIONS = 256
REFUSAL_LINGER_S = 1.0
FLUSH_S = 30.0
ANSWER_S = 5.0


class Relay:
    """Copies bytes between accepted connections and `guest`, the address QEMU forwards.

    Runs in a thread that has entered the machine's network namespace; the listening socket is of
    the host's namespace. So is the look-up of a connection's owner: by `diag`, which was opened
    there (`app.linux.sock_diag`), or, without sock_diag in the kernel, in `proc_net`: /proc/net
    shows the namespace of the process's main thread.
    """

    def __init__(
        self,
        guest: tuple[str, int],
        owner: int,
        connections: int = CONNECTIONS,
        diag: socket.socket | None = None,
        proc_net: Path | None = None,
    ) -> None:
        self._guest = guest
        self._owner = owner
        self._free = connections
        self._started = False
        # The event loop itself holds only a connection that it waits for. One that has ended in one
        # direction, or whose other side is slow, would be gone with the next garbage collection.
        self._tasks: set[asyncio.Task[None] | None] = set()
        self._diag, self._proc_net = diag, proc_net

    async def serve(self, listening: socket.socket) -> None:
        """Serve until cancelled; the caller's event loop then closes open connections."""
        server = await asyncio.start_server(self._take, sock=listening, limit=PIECE_BYTES)
        try:
            # Not serve_forever(): since Python 3.12, its end waits for every connection.
            await asyncio.Event().wait()
        finally:
            server.close()

    async def answers(self) -> bool:
        """Return whether the service in the machine is ready; until then, clients get 503."""
        try:
            reader, writer = await self._connect()
        except OSError:
            return False
        try:
            writer.write(
                f"GET /healthz HTTP/1.1\r\nHost: localhost:{self._guest[1]}\r\n"
                "Connection: close\r\n\r\n".encode()
            )
            status = await asyncio.wait_for(reader.readline(), ANSWER_S)
        except (OSError, asyncio.TimeoutError):
            return False
        else:
            self._started = status.split()[1:2] == [b"200"]
            return self._started
        finally:
            writer.transport.abort()

    async def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        self._tasks.add(task)
        try:
            refusal = self._refusal(writer)
            if refusal:
                await _refuse(reader, writer, *refusal)
                return
            self._free -= 1
            try:
                await self._pass_on(reader, writer)
            finally:
                self._free += 1
        finally:
            self._tasks.discard(task)
            writer.transport.abort()

    def _refusal(self, writer: asyncio.StreamWriter) -> tuple[HTTPStatus, str, str] | None:
        if not self._is_owners(writer):
            detail = "Only programs of the user who started Probedeck may use it."
            return HTTPStatus.FORBIDDEN, "forbidden", detail
        if not self._started:
            return (
                HTTPStatus.SERVICE_UNAVAILABLE,
                "starting",
                "The machine is still starting; try again in a moment.",
            )
        if self._free == 0:
            return (
                HTTPStatus.SERVICE_UNAVAILABLE,
                "busy",
                "Too many connections are open; close some, and try again.",
            )
        return None

    def _is_owners(self, writer: asyncio.StreamWriter) -> bool:
        peer, local = writer.get_extra_info("peername"), writer.get_extra_info("sockname")
        try:
            return (
                peer is not None
                and owner_uid(peer, local, self._proc_net, self._diag) == self._owner
                and is_established(writer.get_extra_info("socket"))
            )
        except OSError:
            return False  # owner unknown

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            guest_reader, guest_writer = await self._connect()
        except OSError:
            return  # the machine is shutting down; the client sees its connection close
        copies = [
            asyncio.ensure_future(_copy(reader, guest_writer)),
            asyncio.ensure_future(_copy(guest_reader, writer)),
        ]
        try:
            await asyncio.gather(*copies)
            for side in (writer, guest_writer):
                side.close()
                await asyncio.wait_for(side.wait_closed(), FLUSH_S)
        except (OSError, asyncio.TimeoutError):
            pass  # one side disconnected, or did not read the rest in time; both are closed below
        finally:
            for copy in copies:
                copy.cancel()
            guest_writer.transport.abort()

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection(*self._guest, limit=PIECE_BYTES)


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Copy until end of file, and relay that: the other direction may stay open."""
    while data := await reader.read(PIECE_BYTES):
        writer.write(data)
        await writer.drain()
    writer.write_eof()
    await writer.drain()


async def _refuse(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    status: HTTPStatus,
    code: str,
    detail: str,
) -> None:
    """Answer with a problem document (RFC 9457) and close."""
    problem = {
        "type": "about:blank",
        "title": status.phrase,
        "status": status.value,
        "detail": detail,
        "code": code,
    }
    body = json.dumps(problem).encode()
    head = (
        f"HTTP/1.1 {status.value} {status.phrase}\r\nContent-Type: application/problem+json\r\n"
        f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    )
    try:
        writer.write(head.encode() + body)
        writer.write_eof()
        # Closing with unread data would reset the connection, and the client lose the answer.
        await asyncio.wait_for(_discard(reader), REFUSAL_LINGER_S)
    except (OSError, asyncio.TimeoutError):
        pass  # the client disconnected, or never stopped sending
    finally:
        writer.transport.abort()


async def _discard(reader: asyncio.StreamReader) -> None:
    while await reader.read(PIECE_BYTES):
        pass
