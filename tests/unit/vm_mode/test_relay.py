# SPDX-License-Identifier: Apache-2.0
"""The relay to a machine: real connections, and a stand-in for the machine."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from app.vm_mode.relay import PIECE_BYTES, Relay

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
SOMEBODY_ELSE = os.getuid() + 1


async def healthy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A service that gives every request the same answer, and closes."""
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
    writer.close()


@asynccontextmanager
async def serving(
    handler: Handler, owner: int | None = None, connections: int = 8, started: bool = True
) -> AsyncIterator[tuple[Relay, tuple[str, int]]]:
    """Run a relay to a machine whose service is `handler`; provide it and its address."""

    async def first_healthy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await (healthy if not relay_started.is_set() else handler)(reader, writer)
        finally:
            writer.close()

    relay_started = asyncio.Event()
    guest = await asyncio.start_server(first_healthy, "127.0.0.1", 0)
    relay = Relay(
        guest.sockets[0].getsockname(),
        os.getuid() if owner is None else owner,
        connections=connections,
    )
    if started:
        assert await relay.answers()
    relay_started.set()
    listener = socket.create_server(("127.0.0.1", 0))
    serving = asyncio.ensure_future(relay.serve(listener))
    try:
        yield relay, listener.getsockname()
        assert not serving.done()
    finally:
        guest.close()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for other in others:
            other.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        await asyncio.sleep(0)  # the loop closes aborted sockets in its next turn


async def ask(address: tuple[str, int]) -> tuple[bytes, bytes]:
    """Send a plain request; return the status line and the body of the answer."""
    reader, writer = await asyncio.open_connection(*address)
    writer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
    head, _, body = (await reader.read()).partition(b"\r\n\r\n")
    writer.close()
    return head.splitlines()[0], body


def test_the_owner_reaches_the_service() -> None:
    async def dialogue() -> None:
        async with serving(healthy) as (_, address):
            assert await ask(address) == (b"HTTP/1.1 200 OK", b"ok")

    asyncio.run(dialogue())


def test_somebody_else_gets_a_problem_and_never_the_service() -> None:
    reached: list[bool] = []

    async def service(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        reached.append(True)

    async def dialogue() -> None:
        async with serving(service, owner=SOMEBODY_ELSE) as (_, address):
            status, body = await ask(address)
        assert status == b"HTTP/1.1 403 Forbidden"
        problem = json.loads(body)
        assert problem["code"] == "forbidden"
        assert problem["status"] == 403

    asyncio.run(dialogue())
    assert reached == []


def test_a_table_without_the_connection_is_a_refusal(tmp_path: Path) -> None:
    async def dialogue() -> None:
        async with serving(healthy) as (relay, address):
            relay._proc_net = tmp_path
            assert (await ask(address))[0] == b"HTTP/1.1 403 Forbidden"

    asyncio.run(dialogue())


def test_callers_are_told_that_the_machine_is_starting() -> None:
    async def dialogue() -> None:
        async with serving(healthy, started=False) as (_, address):
            status, body = await ask(address)
            assert status == b"HTTP/1.1 503 Service Unavailable"
            assert json.loads(body)["code"] == "starting"

    asyncio.run(dialogue())


@pytest.mark.parametrize("answer", [b"HTTP/1.1 503 Service Unavailable\r\n\r\n", b"", b"\r\n"])
def test_only_a_200_is_an_answer(answer: bytes) -> None:
    async def service(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        writer.close()

    async def dialogue() -> None:
        async with serving(service, started=False) as (relay, _):
            assert not await relay.answers()

    asyncio.run(dialogue())


def test_nobody_at_home_is_no_answer() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        address = closed.getsockname()
    assert not asyncio.run(Relay(address, os.getuid()).answers())


def test_more_bytes_than_any_buffer_arrive_in_order_both_ways() -> None:
    data = os.urandom(PIECE_BYTES * 64 + 7)

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while piece := await reader.read(PIECE_BYTES):
            writer.write(piece)
            await writer.drain()
        writer.close()

    async def dialogue() -> None:
        async with serving(echo) as (_, address):
            reader, writer = await asyncio.open_connection(*address)
            writer.write(data)
            writer.write_eof()
            assert await reader.read() == data
            writer.close()

    asyncio.run(dialogue())


def test_either_side_may_stop_sending_first() -> None:
    async def service(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"hello")
        writer.write_eof()
        heard.set_result(await reader.read())
        writer.close()

    async def dialogue() -> None:
        nonlocal heard
        heard = asyncio.get_running_loop().create_future()
        async with serving(service) as (_, address):
            reader, writer = await asyncio.open_connection(*address)
            assert await reader.read() == b"hello"  # to the end of file
            writer.write(b"still here")
            writer.write_eof()
            assert await heard == b"still here"
            writer.close()

    heard: asyncio.Future[bytes]
    asyncio.run(dialogue())


def test_a_connection_that_has_ended_in_one_direction_outlives_garbage_collections() -> None:
    async def service(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"hello")
        assert await reader.read() == b"over"
        asked.set()
        await collected.wait()
        writer.write(b"and out")
        writer.close()

    async def dialogue() -> None:
        nonlocal asked, collected
        asked, collected = asyncio.Event(), asyncio.Event()
        async with serving(service) as (_, address):
            reader, writer = await asyncio.open_connection(*address)
            assert await reader.readexactly(5) == b"hello"
            writer.write(b"over")
            writer.write_eof()
            await asked.wait()
            gc.collect()
            collected.set()
            assert await asyncio.wait_for(reader.read(), 20) == b"and out"
            writer.close()

    asked: asyncio.Event
    collected: asyncio.Event
    asyncio.run(dialogue())


def test_a_caller_that_does_not_read_holds_up_the_service_alone() -> None:
    """The relay exerts back-pressure: it holds no more data than its buffers."""
    sent = 0

    async def service(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        while True:
            writer.write(bytes(PIECE_BYTES))
            await writer.drain()
            sent += PIECE_BYTES

    async def dialogue() -> None:
        async with serving(service) as (_, address):
            with socket.create_connection(address) as lazy:
                lazy.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, PIECE_BYTES)
                moved = -1
                while moved != sent or sent == 0:
                    moved = sent
                    await asyncio.sleep(0.5)
        # Buffers of two kernel sockets on each side, at most 6 MiB each, and asyncio's own.
        assert 0 < sent < 32 << 20

    asyncio.run(dialogue())


def test_connections_are_limited_and_given_back() -> None:
    async def wait_for_the_end(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"in")
        await reader.read()
        writer.close()

    async def dialogue() -> None:
        async with serving(wait_for_the_end, connections=1) as (_, address):
            reader, writer = await asyncio.open_connection(*address)
            assert await reader.readexactly(2) == b"in"
            status, body = await ask(address)
            assert status == b"HTTP/1.1 503 Service Unavailable"
            assert json.loads(body)["code"] == "busy"
            writer.write_eof()
            assert await reader.read() == b""
            writer.close()
            again, writer = await asyncio.open_connection(*address)
            while await again.read(2) != b"in":  # until the first one's place is given back
                writer.close()
                again, writer = await asyncio.open_connection(*address)
            writer.close()

    asyncio.run(dialogue())
