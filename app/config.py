# SPDX-License-Identifier: Apache-2.0
"""Every setting of Probedeck: name, default, check and help stand together, once.

Standard library only: `./run --help` and the refusal without root work before anything
is installed. The command line (`app.__main__`) turns options into a `Settings`; the
gunicorn worker gets the same values through the environment, `PROBEDECK_<NAME>`.
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

ENVIRONMENT_PREFIX = "PROBEDECK_"


def _integer(low: int, high: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"{text!r} is not a whole number") from None
        if not low <= value <= high:
            raise argparse.ArgumentTypeError(f"{value} is not between {low} and {high}")
        return value

    return parse


def _seconds(low: float, high: float) -> Callable[[str], float]:
    def parse(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds") from None
        if not low <= value <= high:  # also refuses NaN
            raise argparse.ArgumentTypeError(f"{value} is not between {low} and {high} seconds")
        return value

    return parse


def _flag(text: str) -> bool:
    if text not in ("True", "False"):
        raise argparse.ArgumentTypeError(f"{text!r} is neither True nor False")
    return text == "True"


def _address(text: str) -> str:
    try:
        return str(ipaddress.ip_address(text)) if text else ""
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not an IP address") from None


# RFC 1123, 2.1: letters, digits and hyphens; no dot at the end, which browsers keep apart.
_LABEL = re.compile(r"(?!-)[a-z0-9-]{1,63}(?<!-)")


def host_names(text: str) -> tuple[str, ...]:
    """`lab1,lab1.example`: names, without a port, by which browsers may call this service."""
    names = tuple(name.strip().lower() for name in text.split(",") if name.strip())
    for name in names:
        if len(name) > 253 or not all(_LABEL.fullmatch(label) for label in name.split(".")):
            raise argparse.ArgumentTypeError(f"{name!r} is not a host name")
    return names


def named_path(text: str) -> Path:
    if not text:  # a shell variable that is not set, say: it would be the current folder
        raise argparse.ArgumentTypeError("the path is empty")
    return Path(text)


def _path_or_none(text: str) -> Path | None:
    return Path(text) if text else None


def _setting(default: Any, parse: Callable[[str], Any], text: str) -> Any:
    return field(default=default, metadata={"parse": parse, "help": text})


@dataclass(frozen=True)
class Settings:
    """What the service was started with. Sizes in MiB and times in seconds, as named."""

    port: int = _setting(5000, _integer(1, 65535), "TCP port")
    listen: str = _setting(
        "127.0.0.1",
        _address,
        "address to listen on; any but loopback needs TLS (--tls-self-signed, or --tls-cert and "
        "--tls-key), and everybody from elsewhere a token",
    )
    tls_cert: Path | None = _setting(
        None, _path_or_none, "certificate, with its chain, in PEM; the service then speaks TLS"
    )
    tls_key: Path | None = _setting(None, _path_or_none, "the certificate's private key, in PEM")
    tls_self_signed: bool = _setting(
        default=False,
        parse=_flag,
        text="speak TLS with a certificate of our own making, and print its fingerprint",
    )
    host_names: tuple[str, ...] = _setting(
        (),
        host_names,
        "names, separated by commas, by which browsers on other machines call this one",
    )
    hsts_max_age_s: int = _setting(
        0,
        _integer(0, 63072000),
        "seconds for which browsers shall take this host for one that speaks TLS only, on all "
        "its ports; 0 does not say so",
    )
    trusted_peer: str = _setting(
        "",
        _address,
        "address whose connections were let in by Probedeck's own relay (set by `./run --vm` "
        "inside its machine)",
    )
    owner_uid: int = _setting(
        0,
        _integer(0, 2**32 - 2),
        "numeric id of the user whose local programs may use the service without a token "
        "(default: the user who called sudo, else root)",
    )
    require_token: bool = _setting(
        default=False, parse=_flag, text="let nobody in without a token, not even who started it"
    )
    threads: int = _setting(64, _integer(8, 1024), "threads of the web server")
    max_websockets: int = _setting(
        24, _integer(1, 500), "websockets and event streams served at once; further ones get 503"
    )
    recent_mib: int = _setting(
        32, _integer(1, 4096), "memory for recent events, shown to those who come later, in MiB"
    )
    client_queue_mib: int = _setting(
        8, _integer(1, 256), "events waiting for one slow client before some are dropped, in MiB"
    )
    ring_mib: int = _setting(
        8,
        _integer(1, 512),
        "ring buffer of a probe in the kernel, in MiB (a power of two)",
    )
    start_timeout_s: float = _setting(
        60.0, _seconds(1, 600), "how long a probe may take until it is attached, in seconds"
    )
    stop_timeout_s: float = _setting(
        10.0, _seconds(1, 600), "how long a probe may take to detach and drain, in seconds"
    )
    tracer_silence_s: float = _setting(
        20.0,
        _seconds(2, 3600),
        "how long a tracer may give no sign of life before it is ended, in seconds",
    )
    run_dir: Path = _setting(
        Path("/run/probedeck"),
        named_path,
        "folder for the lock file and what must not survive a boot",
    )
    state_dir: Path = _setting(
        Path("/var/lib/probedeck"), named_path, "folder for the certificate of --tls-self-signed"
    )
    audit_log: Path = _setting(
        Path("/var/log/probedeck/audit.jsonl"),
        named_path,
        "file to which each start, stop and change is appended; without it none is made",
    )
    cache_dir: Path = _setting(
        Path("/var/cache/probedeck"),
        named_path,
        "folder for include files made from the kernel's BTF, and for compiled programs",
    )
    btf_path: Path = _setting(
        Path("/sys/kernel/btf/vmlinux"), named_path, "the running kernel's type information"
    )

    def environment(self) -> dict[str, str]:
        """The settings as environment variables, for the gunicorn worker."""
        return {
            ENVIRONMENT_PREFIX + f.name.upper(): as_text(getattr(self, f.name))
            for f in fields(self)
        }

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] = os.environ) -> Settings:
        """Read `PROBEDECK_*`; raises ValueError with the variable's name when one is not valid."""
        values: dict[str, Any] = {}
        for f in fields(cls):
            name = ENVIRONMENT_PREFIX + f.name.upper()
            if name in environ:
                try:
                    values[f.name] = f.metadata["parse"](environ[name])
                except argparse.ArgumentTypeError as error:
                    raise ValueError(f"{name}: {error}") from error
        return cls(**values).checked()

    @property
    def tls(self) -> bool:
        """Whether the service speaks TLS."""
        return self.tls_self_signed or self.tls_cert is not None

    @property
    def scheme(self) -> str:
        return "https" if self.tls else "http"

    @property
    def is_remote(self) -> bool:
        """Whether other machines can connect; a machine's own relay is none."""
        return not ipaddress.ip_address(self.listen).is_loopback and not self.trusted_peer

    @property
    def address(self) -> str:
        """Where people find the console, `http://localhost:5000/`."""
        host = self.host_names[0] if self.host_names else "localhost"
        listen = ipaddress.ip_address(self.listen)
        if not self.host_names and self.is_remote and not listen.is_unspecified:
            host = f"[{listen}]" if listen.version == 6 else str(listen)
        return f"{self.scheme}://{host}:{self.port}/"

    def checked(self) -> Settings:
        """Rules that span settings; raises ValueError."""
        if self.ring_mib & (self.ring_mib - 1):
            raise ValueError("ring_mib must be a power of two (the kernel requires it)")
        if (self.tls_cert is None) != (self.tls_key is None):
            raise ValueError("--tls-cert and --tls-key belong together")
        if self.tls_cert and self.tls_self_signed:
            raise ValueError("--tls-self-signed makes a certificate; --tls-cert names another")
        if self.hsts_max_age_s and not self.tls:
            raise ValueError("--hsts-max-age-s needs TLS")
        if self.is_remote and not self.tls:
            raise ValueError(
                f"--listen {self.listen} would let other machines in without encryption. Either "
                "add --tls-self-signed (or --tls-cert and --tls-key), or leave --listen out and "
                f"reach this machine by `ssh -L {self.port}:localhost:{self.port} HOST`"
            )
        if self.max_websockets * 2 + 4 > self.threads:
            # A websocket holds a handler thread and simple-websocket's reader; the rest must
            # be left for plain requests, or the service would hang when websockets fill it.
            raise ValueError("threads must be at least twice max_websockets, plus 4")
        return self


def as_text(value: Any) -> str:
    """What the setting's `parse` makes the same value of."""
    if value is None:
        return ""
    return ",".join(value) if isinstance(value, tuple) else str(value)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add one `--option` for each setting."""
    for f in fields(Settings):
        option = "--" + f.name.replace("_", "-")
        if isinstance(f.default, bool):
            parser.add_argument(
                option, action="store_true", default=argparse.SUPPRESS, help=f.metadata["help"]
            )
            continue
        parser.add_argument(
            option,
            type=f.metadata["parse"],
            default=argparse.SUPPRESS,
            metavar=f.name.rsplit("_", maxsplit=1)[-1].upper(),
            help=f"{f.metadata['help']} (default: {f.default})"
            if as_text(f.default) and "default" not in f.metadata["help"]
            else f.metadata["help"],
        )


def default_owner_uid(environ: Mapping[str, str] = os.environ) -> int:
    """The user who started the service: sudo says so in SUDO_UID, else whoever runs it."""
    text = environ.get("SUDO_UID", "")
    return int(text) if text.isdecimal() else os.getuid()


def parse_arguments(parser: argparse.ArgumentParser, argv: Sequence[str]) -> Settings:
    """Settings from the command line; a wrong option ends the program with its reason."""
    add_arguments(parser)
    values = vars(parser.parse_args(argv))
    values.setdefault("owner_uid", default_owner_uid())
    known = {f.name for f in fields(Settings)}
    try:
        return Settings(**{k: v for k, v in values.items() if k in known}).checked()
    except ValueError as error:
        parser.error(str(error))
