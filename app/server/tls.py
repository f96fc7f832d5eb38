# SPDX-License-Identifier: Apache-2.0
"""TLS: the context that gunicorn serves with, and a self-signed certificate if none is given.

The self-signed certificate is stored in the state folder: its fingerprint, by which people
recognise the machine, survives restarts and reboots.
"""

from __future__ import annotations

import hashlib
import ipaddress
import os
import ssl
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import NoReturn

from app.config import Settings
from app.linux import paths
from app.server.instance import cannot_start, named

VALID_FOR = timedelta(days=365)
RENEW_BEFORE = timedelta(days=30)
MAKING_TIMEOUT_S = 60.0
# For TLS 1.2: forward secrecy and authenticated encryption only (RFC 9325, 4.2), as in TLS 1.3.
TLS_1_2_CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"


def server_context(settings: Settings) -> ssl.SSLContext | None:
    """Return the context to serve TLS with; None for a service without TLS.

    Raises ProbedeckError `cannot_start` without a usable certificate. It is read once: a new one
    takes effect at a restart.
    """
    if not settings.tls:
        return None
    certificate, key = certificate_files(settings)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(TLS_1_2_CIPHERS)
    context.options |= ssl.OP_NO_RENEGOTIATION
    with _opened(settings, certificate) as chain, _opened(settings, key, secret=True) as private:
        try:
            context.load_cert_chain(
                f"/proc/self/fd/{chain}", f"/proc/self/fd/{private}", password=_no_password
            )
        except OSError as error:  # an SSLError is one
            raise cannot_start(
                f"{certificate} and {key} cannot be used for TLS: {error}"
            ) from error
    return context


def fingerprint(settings: Settings) -> str:
    """Return the certificate's SHA-256 as browsers show it, `AB:CD:…`; raise `cannot_start`."""
    certificate, _ = certificate_files(settings)
    try:
        with _opened(settings, certificate) as descriptor, open(descriptor, closefd=False) as file:
            text = file.read()
        # The service's own certificate is the first; its chain follows.
        own = text[text.index(ssl.PEM_HEADER) : text.index(ssl.PEM_FOOTER) + len(ssl.PEM_FOOTER)]
        der = ssl.PEM_cert_to_DER_cert(own)
    except (OSError, ValueError) as error:
        raise cannot_start(f"{certificate} cannot be read: {error}") from error
    return hashlib.sha256(der).digest().hex(":").upper()


def certificate_files(settings: Settings) -> tuple[Path, Path]:
    """Return certificate and key: the configured ones, or our own, made now if none fits."""
    if settings.tls_cert and settings.tls_key:
        return settings.tls_cert, settings.tls_key
    with named("--state-dir"):
        folder = paths.folder(settings.state_dir, mode=0o700)
    certificate, key = folder / "tls.crt", folder / "tls.key"
    names = subject_names(settings)
    if not (_is_there(settings, key, secret=True) and _is_for(settings, certificate, names)):
        with named("--state-dir"):
            paths.check_room(folder)
        try:
            _make(certificate, key, names)
        except OSError as error:
            raise cannot_start(
                f"--state-dir: {certificate} cannot be made: {error.strerror}."
            ) from error
    return certificate, key


@contextmanager
def _opened(settings: Settings, path: Path, *, secret: bool = False) -> Iterator[int]:
    """Open the certificate or the key for reading; raise `cannot_start`.

    A configured file may belong to the user who started the service.
    """
    own = not settings.tls_cert
    option = "--state-dir" if own else "--tls-key" if secret else "--tls-cert"
    with named(option, "folder" if own else "file", "cannot be used for TLS"):
        descriptor = paths.open_file(
            path,
            os.O_RDONLY,
            owners=() if own else (settings.owner_uid,),
            follow=not own,
            secret=secret,
            group_may_read=not own,
        )
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _is_there(settings: Settings, path: Path, *, secret: bool = False) -> bool:
    """Return whether our own file exists; raise `cannot_start` if others could have made it.

    Such a file is not replaced silently: people may already trust it as this service's.
    """
    if not os.path.lexists(path):
        return False
    with _opened(settings, path, secret=secret):
        return True


def subject_names(settings: Settings) -> list[str]:
    """Return the subject alternative names of our certificate (x509v3_config(5))."""
    listen = ipaddress.ip_address(settings.listen)
    own = [] if listen.is_unspecified else [str(listen)]
    names = dict.fromkeys(["localhost", *settings.host_names])
    addresses = dict.fromkeys(["127.0.0.1", "::1", *own])
    return [f"DNS:{name}" for name in names] + [f"IP:{address}" for address in addresses]


def _is_for(settings: Settings, certificate: Path, names: list[str]) -> bool:
    """Return whether it exists, for these names, and is not about to expire (its first line)."""
    if not _is_there(settings, certificate):
        return False
    try:
        with certificate.open(encoding="ascii") as file:
            ends, *made_for = file.readline().split()
        return made_for == names and datetime.fromisoformat(ends) - _now() > RENEW_BEFORE
    except (OSError, ValueError):
        return False


def _make(certificate: Path, key: Path, names: list[str]) -> None:
    """Make a new key and a certificate for it with openssl; raise OSError or ProbedeckError.

    The old certificate is removed first: after an interruption, both are made again.
    """
    with tempfile.TemporaryDirectory(dir=certificate.parent) as folder:
        new_key, new = Path(folder, "key"), Path(folder, "crt")
        command = [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"),
            *("-nodes", "-keyout", str(new_key), "-out", str(new), "-subj", "/CN=Probedeck"),
            *("-days", str(VALID_FOR.days), "-addext", f"subjectAltName={','.join(names)}"),
            *("-addext", "basicConstraints=critical,CA:FALSE"),
            *("-addext", "extendedKeyUsage=serverAuth"),
        ]
        try:
            subprocess.run(
                command,
                check=True,
                capture_output=True,
                text=True,
                timeout=MAKING_TIMEOUT_S,
                umask=0o077,
            )
        except FileNotFoundError as error:
            raise cannot_start(
                "Making a certificate needs the program openssl, which is not installed "
                "(Debian and Ubuntu: apt-get install openssl)."
            ) from error
        except subprocess.CalledProcessError as error:
            raise cannot_start(
                f"openssl could not make a certificate: {error.stderr[-500:]}"
            ) from error
        ends = (_now() + VALID_FOR).isoformat(timespec="seconds")
        new.write_text(f"{ends} {' '.join(names)}\n{new.read_text(encoding='ascii')}", "ascii")
        new.chmod(0o644)  # public: clients that are to trust it need a copy
        certificate.unlink(missing_ok=True)
        new_key.replace(key)
        new.replace(certificate)


def _no_password() -> NoReturn:
    """Refuse an encrypted key; OpenSSL would ask for the password on the terminal."""
    raise OSError("the key is protected by a password")


def _now() -> datetime:
    return datetime.now(timezone.utc)
