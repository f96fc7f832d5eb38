# SPDX-License-Identifier: Apache-2.0
"""The frames we write ourselves are those that wsproto writes and reads."""

from __future__ import annotations

import socket
from threading import Thread

import pytest
from wsproto.connection import Connection, ConnectionType
from wsproto.events import BytesMessage

from app.web.sockets import HEARD_AT_ONCE_BYTES, FrameSocket, binary_head

SIZES = [0, 1, 125, 126, 127, 65535, 65536, 1 << 20]


@pytest.mark.parametrize("size_bytes", SIZES)
def test_heads_are_those_of_wsproto(size_bytes: int) -> None:
    data = bytes(size_bytes)
    frame = bytes(Connection(ConnectionType.SERVER).send(BytesMessage(data=data)))
    assert binary_head(size_bytes) + data == frame


@pytest.mark.parametrize("size_bytes", SIZES)
def test_a_client_reads_what_was_sent(size_bytes: int) -> None:
    ours, theirs = socket.socketpair()
    data = bytes(range(256)) * (size_bytes // 256) + b"x" * (size_bytes % 256)
    client = Connection(ConnectionType.CLIENT)
    got = b""
    with ours, theirs:
        frames = FrameSocket(ours)
        theirs.settimeout(30)
        done = False
        sender = Thread(target=frames.send_binary, args=(data,))
        sender.start()
        while not done:
            client.receive_data(theirs.recv(1 << 16))
            for event in client.events():
                assert isinstance(event, BytesMessage)
                got += bytes(event.data)
                done = event.message_finished
        sender.join()
        assert not frames.lost
    assert got == data


def test_a_client_that_is_gone_is_lost() -> None:
    ours, theirs = socket.socketpair()
    with ours:
        frames = FrameSocket(ours)
        theirs.close()
        frames.send_binary(b"data")
        assert frames.lost


def test_a_client_that_floods_is_read_at_a_bounded_rate() -> None:
    """The reader rests, and does not hold up the end."""
    ours, theirs = socket.socketpair()
    read_bytes = []
    with ours, theirs:
        frames = FrameSocket(ours)

        def read() -> None:
            while data := frames.recv(4096):
                read_bytes.append(len(data))

        reader = Thread(target=read)
        reader.start()
        theirs.settimeout(30)
        theirs.sendall(b"x" * HEARD_AT_ONCE_BYTES)
        theirs.setblocking(False)
        with pytest.raises(BlockingIOError):
            while True:  # what is beyond that stays in the kernel, until it takes no more
                theirs.send(b"x" * 65536)
        frames.close()
        reader.join(30)
        assert not reader.is_alive()
