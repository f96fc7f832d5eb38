# SPDX-License-Identifier: Apache-2.0
"""The look-up of a connection's owner: tables of the kernel as text, and real connections."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from app.peer import owner_uid

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


@pytest.mark.parametrize(
    ("family", "listen", "connect"),
    [
        (socket.AF_INET, "127.0.0.1", "127.0.0.1"),
        (socket.AF_INET6, "::1", "::1"),
        (socket.AF_INET6, "::", "::ffff:127.0.0.1"),
    ],
)
def test_a_real_connection(family: socket.AddressFamily, listen: str, connect: str) -> None:
    if family == socket.AF_INET6 and not Path("/proc/net/tcp6").exists():
        pytest.skip("this kernel has no IPv6")
    dualstack = listen == "::"
    with socket.create_server((listen, 0), family=family, dualstack_ipv6=dualstack) as server:
        port = server.getsockname()[1]
        client = socket.create_connection((connect, port))
        accepted, _ = server.accept()
        with accepted:
            with client:
                assert owner_uid(accepted.getpeername(), accepted.getsockname()) == os.getuid()
            assert owner_uid(accepted.getpeername(), accepted.getsockname()) is None


def write_tables(folder: Path, tcp: list[str], tcp6: list[str]) -> None:
    for name, lines in (("tcp", tcp), ("tcp6", tcp6)):
        (folder / name).write_text("\n".join([HEADER, *lines]) + "\n")
