# SPDX-License-Identifier: Apache-2.0
"""The look-up of a connection's owner: in texts of the kernel's tables, and for real ones."""

from __future__ import annotations

import errno
import os
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from app.linux.sock_diag import has_sock_diag
from app.linux.socket_owner import MOST_BYTES, PROC_NET, is_established, owner_uid

HEADER = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid"
CLIENT4, SERVER4 = "0100007F:A000", "0100007F:1388"  # 127.0.0.1:40960, 127.0.0.1:5000
MAPPED = "0000000000000000FFFF0000"
LOOPBACK6 = "00000000000000000000000001000000"
PEER, LOCAL = ("127.0.0.1", 40960), ("127.0.0.1", 5000)


def row(local: str, remote: str, state: str = "01", uid: int = 1000, inode: int = 77) -> str:
    return (
        f"   9: {local} {remote} {state} 00000000:00000000 00:00000000 00000000"
        f" {uid:5d}        0 {inode} 1 00000000dc0fc432 20 4 30 10 -1"
    )


ANSWER = row(SERVER4, CLIENT4, uid=0, inode=78)  # the service's own end: never the one to take
LISTENER = row("0100007F:1388", "00000000:0000", "0A", uid=0, inode=79)
GOOD = row(CLIENT4, SERVER4)


@pytest.mark.parametrize(
    ("tcp", "tcp6", "expected"),
    [
        pytest.param([LISTENER, ANSWER, GOOD], [], 1000, id="both directions are listed"),
        pytest.param([GOOD, ANSWER], [], 1000, id="the client's row first"),
        pytest.param([LISTENER, ANSWER], [], None, id="only the service's own end"),
        pytest.param([], [], None, id="empty"),
        pytest.param(
            [ANSWER],
            [row(MAPPED + CLIENT4, MAPPED + SERVER4, uid=1001)],
            1001,
            id="an IPv6 socket that speaks IPv4",
        ),
        pytest.param(
            [row(CLIENT4, SERVER4, "04", uid=0, inode=0)],
            [],
            None,
            id="orphaned, uid 0 is no owner",
        ),
        pytest.param(
            [row(CLIENT4, SERVER4, uid=0, inode=0)], [], None, id="established but held by nobody"
        ),
        pytest.param([row(CLIENT4, SERVER4, uid=0)], [], 0, id="root's own"),
        *(
            pytest.param([row(CLIENT4, SERVER4, state)], [], None, id=f"state {state}")
            for state in ("02", "03", "04", "05", "06", "07", "08", "09", "0A", "0B", "0C")
        ),
        pytest.param([GOOD, row(CLIENT4, SERVER4, inode=80)], [], None, id="two rows"),
        pytest.param(
            [GOOD], [row(MAPPED + CLIENT4, MAPPED + SERVER4)], None, id="a row in each table"
        ),
        pytest.param(
            [GOOD, row(CLIENT4, SERVER4, "06", uid=0, inode=0)], [], None, id="and one in TIME_WAIT"
        ),
        pytest.param([row("0200007F:A000", SERVER4)], [], None, id="another client address"),
        pytest.param([row(CLIENT4, "0200007F:1388")], [], None, id="another server address"),
        pytest.param([row("0100007F:A001", SERVER4)], [], None, id="another client port"),
        pytest.param([row(CLIENT4, "0100007F:1389")], [], None, id="another server port"),
    ],
)
def test_owner_over_ipv4(
    tmp_path: Path, tcp: list[str], tcp6: list[str], expected: int | None
) -> None:
    write_tables(tmp_path, tcp, tcp6)
    assert owner_uid(PEER, LOCAL, tmp_path) == expected


def test_the_accepted_socket_may_name_mapped_addresses(tmp_path: Path) -> None:
    write_tables(tmp_path, [ANSWER, GOOD], [])
    assert owner_uid(("::ffff:127.0.0.1", 40960), ("::ffff:127.0.0.1", 5000), tmp_path) == 1000


def test_owner_over_ipv6_loopback(tmp_path: Path) -> None:
    here, there = LOOPBACK6 + ":A000", LOOPBACK6 + ":1388"
    write_tables(tmp_path, [GOOD], [row(there, here, uid=0), row(here, there, uid=1002)])
    assert owner_uid(("::1", 40960), ("::1", 5000), tmp_path) == 1002


def test_a_kernel_without_ipv6_has_no_tcp6(tmp_path: Path) -> None:
    (tmp_path / "tcp").write_text("\n".join([HEADER, ANSWER, GOOD]) + "\n")
    assert owner_uid(PEER, LOCAL, tmp_path) == 1000


FAMILIES = [
    (socket.AF_INET, "127.0.0.1", "127.0.0.1"),
    (socket.AF_INET6, "::1", "::1"),
    (socket.AF_INET6, "::", "::ffff:127.0.0.1"),
    (socket.AF_INET6, "::", "127.0.0.1"),
]


@contextmanager
def connected(
    family: socket.AddressFamily, listen: str, connect: str
) -> Iterator[tuple[socket.socket, socket.socket]]:
    """Connect; return the client's socket and the accepted one."""
    if family == socket.AF_INET6 and not Path("/proc/net/tcp6").exists():
        pytest.skip("this kernel has no IPv6")
    dualstack = listen == "::"
    with socket.create_server((listen, 0), family=family, dualstack_ipv6=dualstack) as server:
        client = socket.create_connection((connect, server.getsockname()[1]))
        accepted, _ = server.accept()
        with client, accepted:
            yield client, accepted


@pytest.mark.parametrize("proc_net", [None, PROC_NET], ids=["sock_diag", "tables"])
@pytest.mark.parametrize(("family", "listen", "connect"), FAMILIES)
def test_a_real_connection(
    family: socket.AddressFamily, listen: str, connect: str, proc_net: Path | None
) -> None:
    with connected(family, listen, connect) as (client, accepted):
        peer, local = accepted.getpeername()[:2], accepted.getsockname()[:2]
        assert owner_uid(peer, local, proc_net) == os.getuid()
        assert is_established(accepted)
        # From the other side the service's own socket is the peer, which is ours too.
        assert owner_uid(local, peer, proc_net) == os.getuid()
        assert owner_uid((peer[0], peer[1] ^ 1), local, proc_net) is None
        assert owner_uid(peer, (local[0], local[1] ^ 1), proc_net) is None
        client.close()
        assert owner_uid(peer, local, proc_net) is None
        assert not is_established(accepted)


@pytest.mark.parametrize("proc_net", [None, PROC_NET], ids=["sock_diag", "tables"])
def test_one_that_ended_in_each_way_is_nobodys(proc_net: Path | None) -> None:
    for how in ("half", "reset", "both"):
        with connected(*FAMILIES[0]) as (client, accepted):
            peer, local = accepted.getpeername()[:2], accepted.getsockname()[:2]
            if how == "reset":
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                client.close()
            else:
                client.shutdown(socket.SHUT_WR)
            if how == "both":
                accepted.shutdown(socket.SHUT_WR)
            assert owner_uid(peer, local, proc_net) is None
            assert not is_established(accepted)


def test_the_port_of_one_that_was_reset_may_be_anothers() -> None:
    """The owner is then that of the next connection; `is_established` is about the first."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        first = socket.create_connection(server.getsockname())
        port = first.getsockname()[1]
        accepted, _ = server.accept()
        with accepted:
            peer, local = accepted.getpeername(), accepted.getsockname()
            first.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            first.close()
            with socket.socket() as second:
                second.bind(("127.0.0.1", port))
                second.connect(server.getsockname())
                assert owner_uid(peer, local) == os.getuid()
                assert not is_established(accepted)


def test_a_listening_socket_is_no_peer() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        assert owner_uid(server.getsockname(), ("127.0.0.1", 1)) is None
        assert owner_uid(server.getsockname(), ("0.0.0.0", 0)) is None


@pytest.mark.skipif(not has_sock_diag(), reason="this kernel has no inet_diag")
def test_no_table_is_read_where_the_kernel_can_be_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.linux.socket_owner._owner_in_tables", None)
    with connected(*FAMILIES[0]) as (_, accepted):
        assert owner_uid(accepted.getpeername(), accepted.getsockname()) == os.getuid()
        assert owner_uid(("127.0.0.1", 1), accepted.getsockname()) is None


@pytest.mark.parametrize("error", [OSError(errno.EAFNOSUPPORT, "x"), OSError(errno.EPERM, "x")])
def test_where_there_is_no_sock_diag_the_tables_are_read(
    monkeypatch: pytest.MonkeyPatch, error: OSError
) -> None:
    """As in a unit that does not allow AF_NETLINK."""
    real = socket.socket

    def refusing(family: int = -1, *arguments: Any, **more: Any) -> socket.socket:
        if family == socket.AF_NETLINK:
            raise error
        return real(family, *arguments, **more)

    with connected(*FAMILIES[0]) as (_, accepted):
        peer, local = accepted.getpeername(), accepted.getsockname()
        with monkeypatch.context() as patch:
            patch.setattr("app.linux.sock_diag.socket.socket", refusing)
            assert owner_uid(peer, local) == os.getuid()
            has_sock_diag.cache_clear()
            assert not has_sock_diag()
        has_sock_diag.cache_clear()


def test_a_kernel_without_the_module_answers_as_if_there_was_no_socket(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("app.linux.socket_owner.find_socket", lambda *_: None)
    monkeypatch.setattr("app.linux.socket_owner.has_sock_diag", lambda: False)
    with connected(*FAMILIES[0]) as (_, accepted):
        assert owner_uid(accepted.getpeername(), accepted.getsockname()) == os.getuid()


def test_a_table_that_others_made_too_long_is_not_read(tmp_path: Path) -> None:
    write_tables(tmp_path, [ANSWER, GOOD], [])
    with (tmp_path / "tcp").open("a") as table:
        line = row("0200007F:0001", "0200007F:0002", "06", 0, 0) + "\n"
        table.write(line * (MOST_BYTES // len(line) + 1))
    with pytest.raises(OSError, match="longer than"):
        owner_uid(PEER, LOCAL, tmp_path)


def write_tables(folder: Path, tcp: list[str], tcp6: list[str]) -> None:
    for name, lines in (("tcp", tcp), ("tcp6", tcp6)):
        (folder / name).write_text("\n".join([HEADER, *lines]) + "\n")
