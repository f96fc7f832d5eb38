# SPDX-License-Identifier: Apache-2.0
"""Frames over a real socket pair."""

from __future__ import annotations

import json
import os
import select
import socket
from collections.abc import Iterator
from contextlib import suppress

import pytest

from app.link.frames import (
    HEADER,
    KIND_BATCH,
    KIND_JSON,
    FrameError,
    Outbox,
    TracerRequest,
    TruncatedFrameError,
    read_frames,
    send_maps,
)
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
    assert outbox.queued_bytes
    frames = read_frames(ours)
    assert next(frames) == (KIND_JSON, 0, json.dumps({"type": "attached"}).encode())
    import threading

    def rest() -> None:
        while outbox.queued_bytes:
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
    with pytest.raises(FrameError):
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
        {"mode": "fexit"},
    )
    assert TracerRequest.decode(request.encode().rstrip(b"\n")) == request


def test_descriptors_come_with_their_frame(pair: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = pair
    reader, writer = os.pipe()
    send_maps(theirs, {"type": "maps"}, [writer, writer])
    os.close(writer)
    outbox = Outbox(theirs)
    outbox.batch(3, b"x" * 100_000)
    outbox.send()
    descriptors: list[int] = []
    frames = read_frames(ours, descriptors)
    assert next(frames) == (KIND_JSON, 0, b'{"type": "maps"}')
    assert len(set(descriptors)) == 2
    assert not any(os.get_inheritable(fd) for fd in descriptors)
    assert next(frames) == (KIND_BATCH, 3, b"x" * 100_000)
    for fd in descriptors:
        os.write(fd, b"!")
        os.close(fd)
    assert os.read(reader, 3) == b"!!"
    os.close(reader)
    frames.close()  # type: ignore[attr-defined]


@pytest.mark.parametrize("with_descriptors", [False, True])
def test_all_that_was_sent_is_read_before_a_reset(
    pair: tuple[socket.socket, socket.socket], with_descriptors: bool
) -> None:
    """A peer that ends with unread input resets the line (unix(7)); its frames are there."""
    ours, theirs = pair
    ours.sendall(b"never read")
    theirs.sendall((HEADER.pack(2, KIND_JSON, 0) + b"{}") * 3)
    theirs.close()
    assert len(list(read_frames(ours, [] if with_descriptors else None))) == 3


@pytest.mark.parametrize("with_descriptors", [False, True])
@pytest.mark.parametrize("part", [b"short", HEADER.pack(10, KIND_JSON, 0) + b"{}"])
def test_the_end_of_a_tracer_within_a_frame_is_no_lie(
    pair: tuple[socket.socket, socket.socket], part: bytes, with_descriptors: bool
) -> None:
    ours, theirs = pair
    ours.sendall(b"never read")
    theirs.sendall(part)
    theirs.close()
    with suppress(TruncatedFrameError):
        assert list(read_frames(ours, [] if with_descriptors else None)) == []


def test_no_room_for_descriptors_is_an_error(
    pair: tuple[socket.socket, socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    ours, theirs = pair
    monkeypatch.setattr("app.link.frames.MAX_DESCRIPTORS", 1)
    reader, writer = os.pipe()
    send_maps(theirs, {"type": "maps"}, [writer] * 8)
    os.close(writer)
    descriptors: list[int] = []
    with pytest.raises(OSError, match="too many open files"):
        list(read_frames(ours, descriptors))
    for fd in descriptors:
        os.close(fd)
    assert os.read(reader, 1) == b""
    os.close(reader)


def test_descriptors_come_with_later_frames_too(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    ours, theirs = pair
    reader, writer = os.pipe()
    outbox = Outbox(theirs)
    descriptors: list[int] = []
    frames = read_frames(ours, descriptors)
    for number in range(3):
        outbox.batch(1, bytes(70_000))
        outbox.maps({"number": number}, [writer] * (number + 1))
        outbox.message({"after": number})
        outbox.send()
        assert next(frames) == (KIND_BATCH, 1, bytes(70_000))
        assert next(frames)[2] == b'{"number": %d}' % number
        assert len(descriptors) == number + 1
        assert next(frames)[2] == b'{"after": %d}' % number
        while descriptors:
            os.close(descriptors.pop())
    os.close(writer)
    assert os.read(reader, 1) == b""
    os.close(reader)
    frames.close()  # type: ignore[attr-defined]
