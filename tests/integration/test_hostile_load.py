# SPDX-License-Identifier: Apache-2.0
"""Clients without a token that cause work: others are served, and the work grows linearly.

The assertions are about order (this was answered while those connections were open) and how
processor time grows with the input, never about a time.
"""

from __future__ import annotations

import os
import select
import socket
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from app import ROOT
from tests.support.figures import figure
from tests.support.hostile import FILTER, POOL, Besieged
from tests.support.recording import mark
from tests.support.service import Service, running_service
from tests.support.waiting import PATIENCE_S, wait_until

HEAD = "POST /probes/MODE HTTP/1.1\nHost: LOCAL\nContent-Type: application/json\n"
CHUNKED = HEAD + "Transfer-Encoding: chunked\n\n"
CONNECTIONS = 70
LEAVE_AT_ONCE = struct.pack("ii", 1, 0)  # SO_LINGER: close by a reset
NOBODY = 65534


@pytest.fixture(autouse=True)
def unchanged(besieged: Besieged) -> Iterator[None]:
    """Also check that the worker is the same: a missed heartbeat would have ended it."""
    worker = besieged.service.worker().pid
    yield
    assert besieged.service.worker().pid == worker
    besieged.check_unchanged()


def one_byte_chunks(count: int) -> str:
    return CHUNKED + "1;a\nx\n" * count


def short_headers(count: int) -> str:
    return "GET /probes HTTP/1.1\nHost: LOCAL\n" + "A:\n" * count


def pipelined(count: int) -> str:
    return "GET /healthz HTTP/1.1\nHost: LOCAL\n\n" * count


def refused_pipelined(count: int) -> str:
    return "GET /probes HTTP/1.1\nHost: evil.test\n\n" * count


def empty_lines(count: int) -> str:
    return "\n" * count


def spaces(count: int) -> str:
    return "GET " + " " * count


def commas(count: int) -> str:
    """A value that is a list, of a header that the guard takes apart."""
    return (
        "GET /ws HTTP/1.1\nHost: LOCAL\nUpgrade: websocket\n"
        f"Sec-WebSocket-Protocol: {',' * count}\n\n"
    )


def ampersands(count: int) -> str:
    return f"GET /events?{'a&' * count} HTTP/1.1\nHost: LOCAL\n\n"


ATTACKS: dict[str, tuple[Callable[[int], str], int]] = {
    "chunks of one byte": (one_byte_chunks, 16_200),
    "trailers": (lambda count: CHUNKED + "0\n" + "A: b\n" * count, 16_000),
    "headers": (short_headers, 16_000),
    "one header": (lambda count: f"GET / HTTP/1.1\nHost: LOCAL\nA: {'b' * count}", 100_000),
    "empty lines": (empty_lines, 16_000),
    "spaces": (spaces, 100_000),
    "a line": (lambda count: "GET /" + "x" * count, 100_000),
    "a list": (commas, 4_000),
    "a query": (ampersands, 1_000),
    "pipelined": (pipelined, 150),
    "pipelined and refused": (refused_pipelined, 150),
}


def send_all(connection: socket.socket, data: bytes, piece_bytes: int | None = None) -> None:
    """Send, reading whatever comes, until all is sent or the service has closed."""
    connection.setblocking(False)
    rest = memoryview(data)
    events = select.POLLIN | select.POLLOUT
    poll = select.poll()
    poll.register(connection, events)
    try:
        while rest:
            found = poll.poll(PATIENCE_S * 1000)
            assert found, "the service neither reads nor closes"
            if found[0][1] & select.POLLIN and not connection.recv(1 << 16):
                return
            if found[0][1] & select.POLLOUT:
                rest = rest[connection.send(rest[: piece_bytes or len(rest)]) :]
    except (BrokenPipeError, ConnectionResetError):
        pass  # it has answered


def read_to_end(connection: socket.socket) -> None:
    """Half-close, and read until the service closes too."""
    connection.settimeout(PATIENCE_S)
    try:
        connection.shutdown(socket.SHUT_WR)
        while connection.recv(1 << 16):
            pass
    except OSError:
        pass  # it has closed


def processor_ns(besieged: Besieged) -> int:
    """Processor time of all threads of the worker until now (proc_pid_schedstat)."""
    return sum(
        int((task / "schedstat").read_text().split()[0])
        for task in (besieged.worker / "task").iterdir()
    )


@pytest.mark.parametrize(("attack", "count"), ATTACKS.values(), ids=ATTACKS)
def test_others_are_served_and_a_probe_goes_on(
    besieged: Besieged, attack: Callable[[int], str], count: int
) -> None:
    """The service answers and delivers an event while 70 connections send this."""
    service = besieged.service
    data = besieged.filled(attack(count))
    with ExitStack() as stack:
        stack.callback(besieged.accept_counters)
        service.change(besieged.mode, comm=None, pid=os.getpid())
        watching = stack.enter_context(service.ndjson("?recent=0"))
        for number in range(CONNECTIONS):
            connection = stack.enter_context(besieged.connect())
            send_all(connection, data)
            assert service.request("GET", "/healthz").status == 200
            if number % 10 == 0:
                watching.wait_for_name(besieged.mode, mark())
        service.change(besieged.mode, pid=None, **FILTER)


@pytest.mark.parametrize(("attack", "count"), ATTACKS.values(), ids=ATTACKS)
def test_twice_as_much_costs_at_most_twice_as_much(
    besieged: Besieged, attack: Callable[[int], str], count: int
) -> None:
    def cost(times: int) -> int:
        best = 1 << 62
        for _ in range(3):  # some include other work that the service did meanwhile
            before = processor_ns(besieged)
            for _ in range(5):
                with besieged.connect() as connection:
                    send_all(connection, besieged.filled(attack(times)))
                    read_to_end(connection)
            best = min(best, processor_ns(besieged) - before)
        return best

    half, whole = cost(count // 2), cost(count)
    figure("twice as much costs", f"{whole / half:.1f} times as much")
    assert whole < 3.4 * half + 5_000_000


@pytest.mark.parametrize("piece_bytes", [1, 2, 100])
def test_pieces_are_not_looked_at_again(besieged: Besieged, piece_bytes: int) -> None:
    """A head sent byte by byte, each byte an event for the thread that polls.

    On a busy machine several bytes may be one event, so the costs of one size are some times apart:
    the dearest of few is compared with the cheapest of many. If all were looked at again with each
    byte, 8 times as many would cost 64 times as much.
    """

    def cost(size: int) -> int:
        before = processor_ns(besieged)
        with besieged.connect() as connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            head = f"GET / HTTP/1.1\nHost: LOCAL\nA: {'b' * size}"
            send_all(connection, besieged.filled(head), piece_bytes)
            read_to_end(connection)
        return processor_ns(besieged) - before

    few, many = max(cost(1000) for _ in range(3)), min(cost(8000) for _ in range(3))
    assert many < 24 * few + 5_000_000


def test_answers_that_nobody_reads_hold_no_thread(besieged: Besieged) -> None:
    """Pipelined requests for a large file, on many more connections than there are threads."""
    service = besieged.service
    asked = besieged.filled(
        "GET /static/vendor/d3.js HTTP/1.1\nHost: LOCAL\n\n".replace(
            "vendor/d3.js", largest_static_file()
        )
    )
    with ExitStack() as stack:
        for _ in range(4 * POOL):
            connection = stack.enter_context(socket.socket())
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            connection.connect(("127.0.0.1", service.port))
            connection.setblocking(False)
            try:
                connection.send(asked * 50)
            except BlockingIOError:
                pass
        for _ in range(20):
            assert service.request("GET", "/healthz").status == 200
            assert threads_that_send(besieged) == 0


def threads_that_send(besieged: Besieged) -> int:
    """How many threads of the worker sleep in a call that sends (proc_pid_syscall)."""
    calls = {"20", "40", "44", "46"}  # writev, sendfile, sendto, sendmsg (x86-64)
    found = 0
    for task in (besieged.worker / "task").iterdir():
        try:
            found += (task / "syscall").read_text().split()[0] in calls
        except (OSError, IndexError):
            pass  # the thread has ended
    return found


def largest_static_file() -> str:
    root = ROOT / "static"
    largest = max((p for p in root.rglob("*") if p.is_file()), key=lambda p: p.stat().st_size)
    assert largest.stat().st_size > 50_000
    return str(largest.relative_to(root))


def test_an_answer_that_is_not_read_ends(besieged: Besieged) -> None:
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.connect(("127.0.0.1", besieged.port))
        get = f"GET /static/{largest_static_file()} HTTP/1.1\nHost: LOCAL\n\n"
        connection.sendall(besieged.filled(get * 100))
        poll = select.poll()
        poll.register(connection, select.POLLRDHUP)
        assert poll.poll(PATIENCE_S * 1000), "it is held for ever"


def test_an_answer_that_is_read_slowly_is_whole(besieged: Besieged) -> None:
    """What the client does not take at once is sent as it reads, in order."""
    name = largest_static_file()
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.connect(("127.0.0.1", besieged.port))
        connection.settimeout(PATIENCE_S)
        get = f"GET /static/{name} HTTP/1.1\nHost: LOCAL\n"
        connection.sendall(besieged.filled(f"{get}\n{get}Connection: close\n\n"))
        raw = b""
        while piece := connection.recv(4096):
            raw += piece
    content = (ROOT / "static" / name).read_bytes()
    assert raw.count(content) == 2
    assert raw.endswith(content)


def test_thousands_of_connections(besieged: Besieged) -> None:
    """Beyond the limit the oldest waiting connection is closed, never a well-behaved one."""
    with ExitStack() as stack:
        for number in range(3000):
            connection = stack.enter_context(besieged.connect())
            connection.sendall(b"GET / HTTP/1.1\r\n")
            if number % 100 == 0:
                assert besieged.service.request("GET", "/healthz").status == 200


# --- Who owns a connection ---


@pytest.fixture(scope="module")
def owned(
    tmp_path_factory: pytest.TempPathFactory, cache: Path, modes: tuple[str, ...]
) -> Iterator[Service]:
    with running_service(tmp_path_factory.mktemp("owned"), cache) as service:
        yield service


def test_a_reset_request_is_not_the_next_users(owned: Service, modes: tuple[str, ...]) -> None:
    """Another user sends a request and resets; then the owner connects from the same port."""
    if os.getuid() != 0:
        pytest.skip("needs to be two users")
    probe = modes[-1]
    host = f"localhost:{owned.port}"
    request = f"POST /probes/{probe} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode()
    with ExitStack() as stack:
        # Many sockets, so that a look-up in /proc tables takes long.
        listening = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=4096))
        for _ in range(3000):
            stack.enter_context(socket.create_connection(listening.getsockname()))
        for number in range(30):
            with socket.socket() as free:
                free.bind(("127.0.0.1", 0))
                port = free.getsockname()[1]
            told, tell = os.pipe()
            child = os.fork()
            if child == 0:
                try:
                    os.setresuid(NOBODY, NOBODY, NOBODY)
                    with from_port(port, owned.port) as connection:
                        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LEAVE_AT_ONCE)
                        connection.sendall(request)
                        time.sleep(number / 2000)  # at any moment of its handling
                    os.write(tell, b"x")
                finally:
                    os._exit(0)
            os.close(tell)
            os.read(told, 1)
            with from_port(port, owned.port):
                os.waitpid(child, 0)
                os.close(told)
                assert owned.request("GET", "/healthz").status == 200
    assert owned.probe(probe)["state"] == "stopped"
    assert owned.audit_log.read_text() == ""


def from_port(port: int, service_port: int) -> socket.socket:
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    connection.bind(("127.0.0.1", port))
    connection.connect(("127.0.0.1", service_port))
    return connection


def test_other_peoples_sockets_cost_nothing(owned: Service) -> None:
    """The bytes read for a request do not depend on the number of sockets."""

    def read_bytes() -> int:
        lines = Path(f"/proc/{owned.worker().pid}/io").read_text().splitlines()
        return int(dict(line.split(": ") for line in lines)["rchar"])

    def cost() -> int:
        """The least of several times: the service may be reading the kernel's types meanwhile."""
        owned.expect(200, "GET", "/probes")
        found = []
        for _ in range(5):
            before = read_bytes()
            for _ in range(20):
                owned.expect(200, "GET", "/probes")
            found.append(read_bytes() - before)
        return min(found)

    few = cost()
    with ExitStack() as stack:
        listening = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=4096))
        for _ in range(2000):
            stack.enter_context(socket.create_connection(listening.getsockname()))
        many = cost()
    figure("bytes read for 20 requests, with few and with 2,000 sockets", f"{few}, {many}")
    assert many < few + 100_000, "a line for each of 4,000 sockets is 600 kB"


def test_a_half_closed_connection_is_nobodys(owned: Service) -> None:
    with socket.create_connection(("127.0.0.1", owned.port), timeout=PATIENCE_S) as connection:
        connection.sendall(f"GET /probes HTTP/1.1\r\nHost: localhost:{owned.port}\r\n".encode())
        connection.shutdown(socket.SHUT_WR)
        assert connection.recv(12) == b"HTTP/1.1 400"
    wait_until(lambda: owned.request("GET", "/healthz").status == 200, "it to serve")
