# SPDX-License-Identifier: Apache-2.0
"""Every setting of Probedeck, with its default, check and help text in one place.

Imports the standard library only: `./run --help` and the refusal without root work before
anything is installed. The command `serve` (app/cli/serve.py) turns options into a `Settings`, and
hands it over to `wsgi.py`, which gunicorn's worker loads.
"""

from __future__ import annotations

import argparse
import ipaddress
import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

CALLERS_FOLDER = "PROBEDECK_CALLERS_FOLDER"  # set by `run`: the folder that it was called in


def _integer(low: int, high: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        # ASCII digits only: int() also takes `1_0`, spaces, and the digits of every script.
        if not re.fullmatch(r"-?[0-9]{1,20}", text):
            raise argparse.ArgumentTypeError(f"{text!r} is not a whole number")
        value = int(text)
        if not low <= value <= high:
            raise argparse.ArgumentTypeError(f"{value} is not between {low} and {high}")
        return value

    return parse


_user_id = _integer(0, 2**32 - 2)


def _seconds(low: float, high: float) -> Callable[[str], float]:
    def parse(text: str) -> float:
        try:
            if not re.fullmatch(r"[0-9a-zA-Z.+-]+", text):  # float() also takes `1_0`
                raise ValueError
            value = float(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds") from None
        if not low <= value <= high:  # also refuses NaN
            raise argparse.ArgumentTypeError(f"{value} is not between {low} and {high} seconds")
        return value

    return parse


def _address(text: str) -> str:
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not an IP address") from None


# RFC 1123, section 2.1: letters, digits and hyphens. Without the root's final dot: to a browser,
# `lab1.` is another origin than `lab1`.
_LABEL = re.compile(r"(?!-)[a-z0-9-]{1,63}(?<!-)")


def host_names(text: str) -> tuple[str, ...]:
    """Parse `lab1,lab1.example`: host names without a port."""
    names = tuple(name.strip().lower() for name in text.split(",") if name.strip())
    if not names:
        raise argparse.ArgumentTypeError(f"{text!r} names no host")
    for name in names:
        if len(name) > 253 or not all(_LABEL.fullmatch(label) for label in name.split(".")):
            raise argparse.ArgumentTypeError(
                f"{name!r} is not a host name: give names without port or final dot, "
                "separated by commas"
            )
    return names


def named_path(text: str) -> Path:
    """Parse a path, relative to the folder of the caller of `run`, which itself changes it.

    Refuse an empty one, which would name the current folder. An unset shell variable, as in
    `--cache-dir "$CACHE"`, gives one.
    """
    if not text:
        raise argparse.ArgumentTypeError("the path is empty")
    return Path(os.environ.get(CALLERS_FOLDER, ""), text)


def _setting(default: Any, parse: Callable[[str], Any], text: str) -> Any:
    return field(default=default, metadata={"parse": parse, "help": text})


def _flag(text: str) -> Any:
    return field(default=False, metadata={"help": text})


@dataclass(frozen=True)
class Settings:
    """The service's settings. Suffixes are units: `_mib` is MiB, `_s` is seconds."""

    port: int = _setting(5000, _integer(1, 65535), "TCP port to listen on")
    listen: str = _setting(
        "127.0.0.1",
        _address,
        "IP address to listen on; one that other machines can reach requires TLS "
        "(--tls-self-signed, or --tls-cert and --tls-key), and their users need a token",
    )
    tls_cert: Path | None = _setting(
        None, named_path, "PEM file with the certificate and its chain; enables TLS"
    )
    tls_key: Path | None = _setting(None, named_path, "PEM file with the certificate's private key")
    tls_self_signed: bool = _flag(
        "generate a self-signed certificate, print its fingerprint, and enable TLS with it"
    )
    host_names: tuple[str, ...] = _setting(
        (),
        host_names,
        "comma-separated host names by which browsers on other machines reach this one",
    )
    hsts_max_age_s: int = _setting(
        0,
        _integer(0, 63072000),
        "Strict-Transport-Security max-age, in seconds: browsers refuse plain HTTP to this host, "
        "on every port, for this long; 0 sends no header",
    )
    trusted_peer: str = _setting(
        "",
        _address,
        "IP address of Probedeck's own relay, which has already authorised the connections that "
        "it forwards (set by `./run --vm` inside its machine)",
    )
    owner_uid: int = _setting(
        0,
        _user_id,
        "numeric id of the user whose local programs need no token (default: the user who ran "
        "sudo, otherwise root)",
    )
    require_token: bool = _flag("require a token from everyone, including --owner-uid")
    threads: int = _setting(64, _integer(8, 1024), "number of web server threads")
    max_websockets: int = _setting(
        24,
        _integer(1, 500),
        "limit on concurrent websockets and event streams; further ones are answered 503",
    )
    recent_mib: int = _setting(
        32,
        _integer(1, 4096),
        "memory for recent events, which clients that connect later are sent first, in MiB",
    )
    client_queue_mib: int = _setting(
        8,
        _integer(1, 256),
        "events queued for one slow client before its oldest ones are dropped, in MiB",
    )
    ring_mib: int = _setting(
        8,
        _integer(1, 512),
        "size of a probe's ring buffer in the kernel, in MiB; a power of two",
    )
    start_timeout_s: float = _setting(
        60.0, _seconds(1, 600), "time limit for a probe to attach, in seconds"
    )
    stop_timeout_s: float = _setting(
        10.0, _seconds(1, 600), "time limit for a probe to detach and drain, in seconds"
    )
    tracer_silence_s: float = _setting(
        20.0,
        _seconds(2, 3600),
        "kill a tracer process that has not reported for this long, in seconds",
    )
    run_dir: Path = _setting(
        Path("/run/probedeck"),
        named_path,
        "folder for the lock file, the tokens, and all else that must not survive a reboot",
    )
    state_dir: Path = _setting(
        Path("/var/lib/probedeck"),
        named_path,
        "folder for the key and the certificate of --tls-self-signed",
    )
    audit_log: Path = _setting(
        Path("/var/log/probedeck/audit.jsonl"),
        named_path,
        "file to which each start, stop and change is appended; if that fails, the change is "
        "refused",
    )
    cache_dir: Path = _setting(
        Path("/var/cache/probedeck"),
        named_path,
        "folder for headers generated from the kernel's BTF, and for compiled programs",
    )
    btf_path: Path = _setting(
        Path("/sys/kernel/btf/vmlinux"),
        named_path,
        "file with the running kernel's BTF type information",
    )

    @property
    def tls(self) -> bool:
        """Whether the service speaks TLS."""
        return self.tls_self_signed or self.tls_cert is not None

    @property
    def scheme(self) -> str:
        return "https" if self.tls else "http"

    @property
    def is_remote(self) -> bool:
        """Whether other machines can connect; the relay of a virtual machine does not count."""
        return not ipaddress.ip_address(self.listen).is_loopback and not self.trusted_peer

    @property
    def address(self) -> str:
        """The console's URL, for instance `http://localhost:5000/`."""
        host = self.host_names[0] if self.host_names else "localhost"
        listen = ipaddress.ip_address(self.listen)
        is_one = not listen.is_unspecified and self.listen != Settings.listen
        if not self.host_names and is_one and not self.trusted_peer:
            host = f"[{listen}]" if listen.version == 6 else str(listen)
        return f"{self.scheme}://{host}:{self.port}/"

    def checked(self) -> Settings:
        """Return the settings; raise ValueError if two of them contradict each other."""
        if self.ring_mib & (self.ring_mib - 1):
            raise ValueError(
                f"--ring-mib {self.ring_mib} is not a power of two, which the kernel requires"
            )
        if (self.tls_cert is None) != (self.tls_key is None):
            raise ValueError("--tls-cert and --tls-key must be given together")
        if self.tls_cert and self.tls_self_signed:
            raise ValueError("give either --tls-self-signed or --tls-cert, not both")
        if self.hsts_max_age_s and not self.tls:
            raise ValueError(
                f"--hsts-max-age-s {self.hsts_max_age_s} needs TLS: add --tls-cert and --tls-key, "
                "or --tls-self-signed"
            )
        if self.is_remote and not self.tls:
            raise ValueError(
                f"--listen {self.listen} would serve other machines without encryption. Either "
                "add --tls-self-signed (or --tls-cert and --tls-key), or omit --listen and reach "
                f"this machine by `ssh -L {self.port}:localhost:{self.port} HOST`"
            )
        if self.max_websockets * 2 + 4 > self.threads:
            # A websocket takes two threads, its handler and simple-websocket's reader. Without
            # some to spare, plain requests would hang once all websockets are in use.
            raise ValueError(
                f"--threads {self.threads} is too few for --max-websockets {self.max_websockets}: "
                "it must be at least twice as many, plus 4"
            )
        return self


def as_text(value: Any) -> str:
    """Return a setting's value as its option takes it on the command line."""
    if value is None:
        return ""
    return ",".join(value) if isinstance(value, tuple) else str(value)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add one `--option` for each setting."""
    for f in fields(Settings):
        option = "--" + f.name.replace("_", "-")
        text = f.metadata["help"]
        # Without a default of argparse's own: `Settings` has them.
        if isinstance(f.default, bool):
            parser.add_argument(option, action="store_true", default=argparse.SUPPRESS, help=text)
            continue
        if as_text(f.default) and "default" not in text:
            text += f" (default: {f.default})"
        parser.add_argument(
            option,
            type=f.metadata["parse"],
            default=argparse.SUPPRESS,
            metavar=f.name.rsplit("_", maxsplit=1)[-1].upper(),
            help=text,
        )


def default_owner_uid(environ: Mapping[str, str] = os.environ) -> int:
    """Return the user who ran sudo, from SUDO_UID; without sudo, this process's user.

    Raises ValueError if SUDO_UID is not a user id.
    """
    text = environ.get("SUDO_UID", "")
    try:
        return _user_id(text) if text else os.getuid()
    except argparse.ArgumentTypeError as error:
        raise ValueError(f"SUDO_UID is not a user id: {error}; give --owner-uid") from None


def unrecognized(arguments: Sequence[str]) -> str:
    """Return argparse's message for arguments that a parser does not know."""
    return f"unrecognized arguments: {' '.join(arguments)}"


def parse_arguments(
    parser: argparse.ArgumentParser,
    argv: Sequence[str],
    *,
    explain: Callable[[Sequence[str]], str] = unrecognized,
    check: Callable[[Settings], Settings] = Settings.checked,
) -> Settings:
    """Return the settings of a command line; exit with status 2 and a message if it is invalid.

    `explain` words the message for arguments that the parser does not know; `check` returns the
    settings or raises ValueError.
    """
    add_arguments(parser)
    found, unknown = parser.parse_known_args(argv)
    if unknown:
        parser.error(explain(unknown))
    values = vars(found)
    try:
        if "owner_uid" not in values:
            values["owner_uid"] = default_owner_uid()
        return check(Settings(**values))
    except ValueError as error:
        parser.error(str(error))


_handed_over: Settings | None = None


def hand_over(settings: Settings) -> None:
    """Make these the settings that `wsgi.py` serves with, in this process and those it forks."""
    global _handed_over  # noqa: PLW0603  # gunicorn loads wsgi.py, which takes no arguments
    _handed_over = settings


def handed_over() -> Settings:
    """Return the settings of `hand_over`; raise RuntimeError if there are none."""
    if _handed_over is None:
        raise RuntimeError("wsgi.py has no settings: start the service by ./run (python -m app)")
    return _handed_over
