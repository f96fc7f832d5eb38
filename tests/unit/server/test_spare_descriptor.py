# SPDX-License-Identifier: Apache-2.0
"""When no descriptor is left, a client is told so, and the next one too."""

from __future__ import annotations

import os
import resource
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from app.server.raw_response import raw_response
from app.server.spare_descriptor import FULL, NO_ROOM, SpareDescriptor


@contextmanager
def no_descriptor_left() -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    taken = [os.dup(0)]
    resource.setrlimit(resource.RLIMIT_NOFILE, (taken[0] + 20, hard))
    try:
        try:
            while True:
                taken.append(os.dup(0))
        except OSError:
            yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        for each in taken:
            os.close(each)


def test_clients_are_refused_one_by_one() -> None:
    expected = raw_response(FULL)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        clients = [socket.create_connection(listener.getsockname()) for _ in range(3)]
        spare = SpareDescriptor()
        with no_descriptor_left():
            for client in clients:
                with pytest.raises(OSError) as failure:
                    listener.accept()
                assert failure.value.errno in NO_ROOM
                spare.refuse_one(listener)
                client.settimeout(30)
                assert client.recv(65536) == expected
                assert client.recv(1) == b""
        for client in clients:
            client.close()
        os.close(spare._descriptor)
    assert expected.startswith(b"HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\n")
