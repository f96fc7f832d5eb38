# SPDX-License-Identifier: Apache-2.0
"""Frames over a real socket pair."""

from __future__ import annotations

import json
import select
import socket
from collections.abc import Iterator

import pytest

from app.frames import HEADER, KIND_BATCH, KIND_JSON, BadFrame, Outbox, TracerRequest, read_frames
from app.probes.spec import Filter


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours, theirs


def test_frames_arrive_whole_and_in_order(pair: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = pair
    outbox = Outbox(theirs)
    outbox.message({"type": "attached"})
    outbox.batch(3, b"x" * 3_000_000)  # more than a socket takes at once
    outbox.send()
    assert outbox.waiting_bytes
    frames = read_frames(ours)
    assert next(frames) == (KIND_JSON, 0, json.dumps({"type": "attached"}).encode())
    import threading

    def rest() -> None:
        while outbox.waiting_bytes:
            select.select([], [theirs], [])
            outbox.send()
        theirs.shutdown(socket.SHUT_WR)

    thread = threading.Thread(target=rest)
    thread.start()
    assert next(frames) == (KIND_BATCH, 3, b"x" * 3_000_000)
    assert list(frames) == []
    thread.join()


@pytest.mark.parametrize(
    "data",
    [
        b"short",
        HEADER.pack(10, KIND_JSON, 0) + b"{}",
        HEADER.pack(2, 9, 0) + b"{}",
        HEADER.pack(1 << 31, KIND_BATCH, 0),
    ],
)
def test_what_is_no_frame_is_refused(
    pair: tuple[socket.socket, socket.socket], data: bytes
) -> None:
    ours, theirs = pair
    theirs.sendall(data)
    theirs.shutdown(socket.SHUT_WR)
    with pytest.raises(BadFrame):
        list(read_frames(ours))


def test_request_survives_the_wire() -> None:
    request = TracerRequest(
        "fexit",
        "fexit",
        "do_unlinkat",
        1,
        2,
        Filter(pid=3, comm="ä"),
        1.5,
        1 << 20,
        "/btf",
        "/cache",
    )
    assert TracerRequest.decode(request.encode().rstrip(b"\n")) == request
