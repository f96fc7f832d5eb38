# SPDX-License-Identifier: Apache-2.0
"""Remote clients: TLS, certificates, host names, and no access without a token."""

from __future__ import annotations

import hashlib
import http.client
import select
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from app import ROOT
from tests.integration.test_access import command
from tests.support.calls import Workload
from tests.support.hostile import served_beside
from tests.support.service import Service, free_port, running_service
from tests.support.waiting import PATIENCE_S, wait_until

CLIENT_HELLO = b"\x16\x03\x01\x00\xf0\x01\x00\x00\xec\x03\x03" + bytes(100)  # and more to come
REMOTE = ("--listen", "0.0.0.0", "--tls-self-signed", "--host-names", "lab1.example,lab1")


@pytest.fixture(scope="module")
def remote(
    tmp_path_factory: pytest.TempPathFactory, cache: Path, modes: tuple[str, ...]
) -> Iterator[Service]:
    """A service that other machines can reach."""
    with running_service(tmp_path_factory.mktemp("remote"), cache, *REMOTE) as service:
        yield service


@pytest.fixture(scope="module")
def outside() -> str:
    """An address of this machine that is not loopback: its clients do not count as local."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # sends nothing: the kernel looks for a route
        except OSError:
            pytest.skip("this machine has no network but loopback")
        return str(probe.getsockname()[0])


def ask(
    service: Service, address: str, path: str, method: str = "GET", **headers: str
) -> tuple[int, Any]:
    connection = http.client.HTTPSConnection(
        address, service.port, timeout=PATIENCE_S, context=service.tls
    )
    connection.request(
        method, path, headers={name.replace("_", "-"): value for name, value in headers.items()}
    )
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer.status, body


def test_a_client_that_knows_the_certificate_is_content(remote: Service) -> None:
    certificate = remote.state_dir / "tls.crt"
    for name in ("localhost", "127.0.0.1", "lab1.example", "lab1"):
        context = ssl.create_default_context(cafile=str(certificate))
        with (
            socket.create_connection(("127.0.0.1", remote.port), PATIENCE_S) as plain,
            context.wrap_socket(plain, server_hostname=name) as connection,
        ):
            assert connection.version() in ("TLSv1.2", "TLSv1.3")
            der = connection.getpeercert(binary_form=True)
            assert der
            assert hashlib.sha256(der).digest().hex(":").upper() in remote.log.read_text()
    assert (remote.state_dir / "tls.key").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("version", "spoken"),
    [
        (ssl.TLSVersion.TLSv1, False),
        (ssl.TLSVersion.TLSv1_1, False),
        (ssl.TLSVersion.TLSv1_2, True),
        (ssl.TLSVersion.TLSv1_3, True),
    ],
)
@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
def test_old_tls_is_not_spoken(remote: Service, version: ssl.TLSVersion, spoken: bool) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_ciphers("ALL:@SECLEVEL=0")  # else the client itself would refuse the old ones
    context.minimum_version = context.maximum_version = version
    with socket.create_connection(("127.0.0.1", remote.port), PATIENCE_S) as plain:
        if spoken:
            context.wrap_socket(plain).close()
            return
        with pytest.raises(ssl.SSLError) as refused:
            context.wrap_socket(plain)
        assert refused.value.reason == "TLSV1_ALERT_PROTOCOL_VERSION"


@pytest.mark.parametrize(
    ("ciphers", "spoken"),
    [
        ("ECDHE+AESGCM", True),
        ("ECDHE+CHACHA20", True),
        ("ECDHE-ECDSA-AES128-SHA:ECDHE-RSA-AES256-SHA", False),
        ("ECDHE-ECDSA-AES256-SHA384:ECDHE-ECDSA-AES128-SHA256", False),
        ("ECDHE+CAMELLIA", False),
        ("ECDHE+AESCCM", False),
        ("AES128-SHA:AES256-SHA256:AES128-GCM-SHA256", False),  # a key for all connections
        ("DHE+AES", False),
    ],
)
def test_ciphers_of_tls_1_2(remote: Service, ciphers: str, spoken: bool) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(f"{ciphers}:@SECLEVEL=0")
    with socket.create_connection(("127.0.0.1", remote.port), PATIENCE_S) as plain:
        if spoken:
            context.wrap_socket(plain).close()
            return
        with pytest.raises(ssl.SSLError) as refused:
            context.wrap_socket(plain)
        assert refused.value.reason == "SSLV3_ALERT_HANDSHAKE_FAILURE"


def test_a_handshake_that_comes_slowly_keeps_out_nobody(remote: Service) -> None:
    """More clients than threads, each in the middle of a handshake."""
    with ExitStack() as stack:
        poll = select.poll()
        for size in range(1, 150):
            connection = stack.enter_context(
                socket.create_connection(("127.0.0.1", remote.port), PATIENCE_S)
            )
            connection.sendall(CLIENT_HELLO[: size % len(CLIENT_HELLO)])
            poll.register(connection, select.POLLRDHUP)
        for _ in range(10):
            assert remote.expect(200, "GET", "/healthz")
        assert not poll.poll(0), "others had to wait until these were dropped"


def test_plain_http_is_told_to_use_tls(remote: Service) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", remote.port, timeout=PATIENCE_S)
    connection.request("GET", "/probes")
    answer = connection.getresponse()
    assert (answer.status, b"tls_needed" in answer.read()) == (400, True)
    connection.close()


def test_garbage_in_place_of_a_handshake(remote: Service) -> None:
    for sent in (
        b"\x16\x03\x01\xff\xff",
        b"\x00" * 5000,
        b"\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00",
    ):
        with socket.create_connection(("127.0.0.1", remote.port), PATIENCE_S) as connection:
            connection.sendall(sent)
            connection.shutdown(socket.SHUT_WR)
            while connection.recv(4096):
                pass
    assert remote.expect(200, "GET", "/healthz")


def test_local_programs_need_no_token_others_do(
    remote: Service, outside: str, modes: tuple[str, ...]
) -> None:
    assert remote.request("GET", "/probes").status == 200
    status, body = ask(remote, outside, "/probes")
    assert (status, b"forbidden" in body) == (403, True)
    viewer = {"Authorization": f"Bearer {command(remote, 'add', 'remote-viewer')}"}
    operator = command(remote, "add", "remote-operator", "--role", "operator")
    assert ask(remote, outside, "/probes", **viewer)[0] == 200
    probe = f"/probes/{modes[-1]}"
    assert ask(remote, outside, probe, "POST", **viewer)[0] == 403
    assert remote.probe(modes[-1])["state"] == "stopped"
    assert ask(remote, outside, probe, "POST", Authorization=f"Bearer {operator}")[0] == 201
    assert ask(remote, outside, probe, "DELETE", Authorization=f"Bearer {operator}")[0] == 200


def test_names_and_origins(remote: Service, outside: str) -> None:
    token = {"Authorization": f"Bearer {command(remote, 'add', 'names')}"}
    port = remote.port
    for host in (f"{outside}:{port}", f"lab1.example:{port}", f"lab1:{port}"):
        assert ask(remote, outside, "/probes", Host=host, **token)[0] == 200
        origin = {"Host": host, "Origin": f"https://{host}", **token}
        assert ask(remote, outside, "/probes", **origin)[0] == 200
        origin["Origin"] = f"http://{host}"
        status, body = ask(remote, outside, "/probes", **origin)
        assert (status, b"bad_origin" in body) == (403, True)
    for host in (f"evil.test:{port}", "lab1.example", f"lab1.example.:{port}", f"192.0.2.1:{port}"):
        status, body = ask(remote, outside, "/probes", Host=host, **token)
        assert (status, b"bad_host" in body) == (403, True), host


def test_every_event_comes_by_tls_as_it_does_without(
    remote: Service, modes: tuple[str, ...], workload: Workload, tmp_path: Path
) -> None:
    """Both kinds of streams beside each other, while control messages come from other threads."""
    mode = modes[-1]
    remote.start(mode)
    with remote.websocket() as websocket, remote.ndjson() as stream:
        names = [str(tmp_path / f"{number}") for number in range(3000)]
        for name in names:
            Path(name).touch()
        subprocess.run(["rm", *names], check=True)
        websocket.wait_for_name(mode, names[-1])
        stream.wait_for_name(mode, names[-1])
        assert remote.stop(mode)["counters"]["dropped_client"] == 0
        for each in (websocket, stream):
            seen = [row["filename"] for row in each.rows if row["filename"] in set(names)]
            assert seen == names
            assert each.gaps(mode) == 0


def test_a_client_that_reads_nothing_is_let_go(remote: Service, modes: tuple[str, ...]) -> None:
    """Also by TLS, where OpenSSL tries a send again that has timed out."""
    mode = modes[-1]
    remote.start(mode)
    with (
        remote.websocket(receive_buffer_bytes=4096) as stuck,
        remote.ndjson(receive_buffer_bytes=4096) as also_stuck,
    ):
        stuck.pause()
        also_stuck.pause()
        with remote.websocket() as reading:
            wait_until(
                lambda: _delete_many() or len(remote.probe(mode)["clients"]) == 1,
                "both to be dropped",
            )
            assert remote.probe(mode)["clients"][0]["client"] == reading.controls[0]["client"]
    remote.stop(mode)


MANY_FAILING_CALLS = """
import os
for _ in range(20000):
    try:
        os.unlink("/nonesuch/" + "x" * 200)
    except FileNotFoundError:
        pass
"""


def _delete_many() -> None:
    subprocess.run([sys.executable, "-c", MANY_FAILING_CALLS], check=True)


def test_the_certificate_outlives_a_restart_but_not_other_names(
    modes: tuple[str, ...], tmp_path: Path, cache: Path
) -> None:
    found = []
    for names in ("one.example", "one.example", "two.example"):
        options = ("--tls-self-signed", "--host-names", names)
        with running_service(tmp_path, cache, *options) as service:
            found.append((service.state_dir / "tls.crt").read_bytes())
    assert found[0] == found[1] != found[2]


def refused(folder: Path, *options: str) -> str:
    """Return what a service that does not start says."""
    done = subprocess.run(
        [
            *(sys.executable, "-m", "app", "--port", str(free_port())),
            *("--run-dir", str(folder / "run"), "--state-dir", str(folder / "state"), *options),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert done.returncode in (1, 2)
    assert "Traceback" not in done.stderr
    return done.stderr


def test_nothing_listens_beyond_loopback_in_plain_text(tmp_path: Path) -> None:
    said = refused(tmp_path, "--listen", "0.0.0.0")
    assert "--tls-self-signed" in said
    assert "ssh -L" in said


def test_a_certificate_that_cannot_be_used_is_told(tmp_path: Path) -> None:
    certificate, key = tmp_path / "crt", tmp_path / "key"
    said = refused(tmp_path, "--tls-cert", str(certificate), "--tls-key", str(key))
    assert "cannot be used for TLS" in said
    certificate.write_text("no certificate")
    key.write_text("no key")
    said = refused(tmp_path, "--tls-cert", str(certificate), "--tls-key", str(key))
    assert "cannot be used for TLS" in said


def test_nobody_remote_is_served_when_all_tokens_are_revoked(
    modes: tuple[str, ...], tmp_path: Path, cache: Path
) -> None:
    with running_service(tmp_path, cache, *REMOTE) as service:
        for name in ("operator", "viewer"):
            command(service, "revoke", name)
    assert "./run token add" in refused(tmp_path, *REMOTE)


def test_slow_and_silent_clients_keep_out_nobody(remote: Service) -> None:
    """More clients than threads, during or after the handshake: no thread waits for them."""
    with ExitStack() as stack:
        silent = []
        for begin in (b"", b"\x16", b"\x16\x03\x01\x02\x00\x01") * 30:
            raw = socket.create_connection(("127.0.0.1", remote.port), timeout=PATIENCE_S)
            silent.append(stack.enter_context(raw))
            raw.sendall(begin)
        half = []
        for _ in range(10):
            raw = socket.create_connection(("127.0.0.1", remote.port), timeout=PATIENCE_S)
            assert remote.tls is not None
            half.append(stack.enter_context(remote.tls.wrap_socket(raw)))
            half[-1].sendall(b"GET /healthz HTTP/1.1\r\n")
        served_beside(remote, silent)
        for connection in half:
            answer = connection.recv(65536)
            assert answer.startswith(b"HTTP/1.1 408 "), answer
            assert not connection.recv(1), "TLS's own end, not a connection cut off"
    assert ask(remote, "127.0.0.1", "/healthz")[0] == 200
