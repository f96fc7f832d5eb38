"""Every setting of Probedeck: name, default, check and help stand together, once.

Standard library only: `./run --help` and the refusal without root work before anything
is installed. The command line (`app.__main__`) turns options into a `Settings`; the
gunicorn worker gets the same values through the environment, `PROBEDECK_<NAME>`.
"""

from __future__ import annotations

import argparse
import ipaddress
import os
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


def _setting(default: Any, parse: Callable[[str], Any], text: str) -> Any:
    return field(default=default, metadata={"parse": parse, "help": text})


@dataclass(frozen=True)
class Settings:
    """What the service was started with. Sizes in MiB and times in seconds, as named."""

    port: int = _setting(5000, _integer(1, 65535), "TCP port")
    listen: str = _setting(
        "127.0.0.1",
        _address,
        "address to listen on; any but loopback needs --trusted-peer, as `./run --vm` sets it",
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
        64, _integer(1, 4096), "memory for recent events, shown to those who come later, in MiB"
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
    run_dir: Path = _setting(
        Path("/run/probedeck"), Path, "folder for the lock file and what must not survive a boot"
    )
    audit_log: Path = _setting(
        Path("/var/log/probedeck/audit.jsonl"),
        Path,
        "file to which each start, stop and change is appended; without it none is made",
    )
    cache_dir: Path = _setting(
        Path("/var/cache/probedeck"), Path, "folder for include files made from the kernel's BTF"
    )
    btf_path: Path = _setting(
        Path("/sys/kernel/btf/vmlinux"), Path, "the running kernel's type information"
    )

    def environment(self) -> dict[str, str]:
        """The settings as environment variables, for the gunicorn worker."""
        return {
            ENVIRONMENT_PREFIX + f.name.upper(): str(getattr(self, f.name)) for f in fields(self)
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

    def checked(self) -> Settings:
        """Rules that span settings; raises ValueError."""
        if self.ring_mib & (self.ring_mib - 1):
            raise ValueError("ring_mib must be a power of two (the kernel requires it)")
        if not ipaddress.ip_address(self.listen).is_loopback and not self.trusted_peer:
            raise ValueError(
                f"--listen {self.listen} would let other machines in: only loopback is served "
                "(reach it from elsewhere by `ssh -L 5000:localhost:5000 HOST`)"
            )
        if self.max_websockets * 2 + 4 > self.threads:
            # A websocket holds a handler thread and simple-websocket's reader; the rest must
            # be left for plain requests, or the service would hang when websockets fill it.
            raise ValueError("threads must be at least twice max_websockets, plus 4")
        return self


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
            if "default" not in f.metadata["help"]
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
