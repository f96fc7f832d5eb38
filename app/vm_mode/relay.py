# SPDX-License-Identifier: Apache-2.0
"""The way from this machine's loopback into a machine's service, for one user only.

A port that QEMU forwards itself would let in every local user. So QEMU listens in a network
namespace of its own, and this relay is the only way there: it takes connections on
127.0.0.1 and passes on those that the owner's programs made.
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

    Runs in a thread that has entered the machine's network namespace (see `connect`); the
    listening socket is made outside, by the caller. Whose a connection is, is asked of the
    outside too: by `diag`, opened there (`app.linux.sock_diag`), or, where the kernel
    has no such thing, in `proc_net`: /proc/net speaks of a process's first thread.
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
        self._diag, self._proc_net = diag, proc_net

    async def serve(self, listening: socket.socket) -> None:
        """Serve until cancelled. The caller's event loop ends what is still open then."""
        server = await asyncio.start_server(self._take, sock=listening, limit=PIECE_BYTES)
        try:
            # Not serve_forever(): from Python 3.12 on its end waits for every connection.
            await asyncio.Event().wait()
        finally:
            server.close()

    async def answers(self) -> bool:
        """Whether the service in the machine says that it can serve; callers wait until it does."""
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
            writer.transport.abort()

    def _refusal(self, writer: asyncio.StreamWriter) -> tuple[HTTPStatus, str, str] | None:
        if not self._is_owners(writer):
            detail = "only programs of the user who started Probedeck may use it"
            return HTTPStatus.FORBIDDEN, "forbidden", detail
        if not self._started:
            return HTTPStatus.SERVICE_UNAVAILABLE, "starting", "the machine is still starting"
        if self._free == 0:
            return HTTPStatus.SERVICE_UNAVAILABLE, "busy", "too many connections are open"
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
            return False  # it cannot be told

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            guest_reader, guest_writer = await self._connect()
        except OSError:
            return  # the machine is ending; the caller sees a connection that closes
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
            pass  # one side broke off, or does not take the last of it; both are closed below
        finally:
            for copy in copies:
                copy.cancel()
            guest_writer.transport.abort()

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection(*self._guest, limit=PIECE_BYTES)


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Until end of file, which is passed on: the other direction may go on without this one."""
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
        # Closed with a request unread, the connection would be reset, and the answer lost with it.
        await asyncio.wait_for(_discard(reader), REFUSAL_LINGER_S)
    except (OSError, asyncio.TimeoutError):
        pass  # the caller went, or never stopped sending
    finally:
        writer.transport.abort()


async def _discard(reader: asyncio.StreamReader) -> None:
    while await reader.read(PIECE_BYTES):
        pass
