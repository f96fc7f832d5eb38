# SPDX-License-Identifier: Apache-2.0
"""Access tokens: named, of a role, kept as digests in one private file.

A token is 256 random bits, so a plain digest keeps it as well as a slow one would; who reads
the file cannot use what stands in it. Each change replaces the file, and the service
looks at it for each token it is shown: a revoked one is refused at once. Standard library only.
"""

from __future__ import annotations

import fcntl
import hashlib
import hmac
import json
import os
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from pathlib import Path

from app.errors import ProbedeckError
from app.linux import paths

VIEWER, OPERATOR = "viewer", "operator"
ROLES = (VIEWER, OPERATOR)
FIRST = {OPERATOR: OPERATOR, VIEWER: VIEWER}  # name -> role of those made at the first start
PREFIX = "pd_"  # so that people, and scanners for leaked secrets, see what it is
TOKEN_BYTES = 32
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,31}")
FILE_NAME = "tokens.json"
LOCK_NAME = "lock"  # what a running service holds (app/server/instance.py)


@dataclass(frozen=True)
class Token:
    """What the file holds of a token: everything but the token."""

    name: str
    role: str
    sha256: str
    made_at: str


class TokenFile:
    """The tokens of one service, in `folder`, which exists and is private."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / FILE_NAME
        self._known: tuple[object, tuple[Token, ...]] = (None, ())

    def find(self, shown: str) -> Token | None:
        """The token that someone shows, None for one that is not ours.

        Takes as long for a wrong token as for a right one. Raises ProbedeckError 503.
        """
        digest = _digest(shown)
        found = None
        for token in self.all():
            if hmac.compare_digest(token.sha256, digest):
                found = token
        return found

    def holds(self, token: Token) -> bool:
        """Whether it has been neither revoked nor replaced. Raises ProbedeckError 503."""
        return token in self.all()

    def all(self) -> tuple[Token, ...]:
        """Every token, by name; none when there is no file. Raises ProbedeckError 503."""
        try:
            descriptor = paths.open_file(self.path, os.O_RDONLY, secret=True, follow=False)
        except paths.UnusablePathError as error:
            if error.is_missing:
                return ()
            raise _unreadable(f"The tokens cannot be read: {error}.") from error
        with os.fdopen(descriptor, "rb") as file:
            found = os.fstat(file.fileno())
            version = (found.st_ino, found.st_mtime_ns, found.st_size)
            if version == self._known[0]:
                return self._known[1]
            tokens = _parse(self.path, file.read())
        self._known = (version, tokens)
        return tokens

    def check_instance(self) -> None:
        """Whether a service runs or ran in this folder; raises ProbedeckError where none did."""
        try:
            folder = paths.folder(self.path.parent, make=False)
        except paths.UnusablePathError as error:
            raise _invalid(f"{error}: name the folder of a service by --run-dir") from error
        if not any((folder / name).exists() for name in (FILE_NAME, LOCK_NAME)):
            raise _invalid(f"{folder} is not the folder of a service; name that by --run-dir")

    def make_first(self) -> dict[str, str]:
        """The first start: an operator's and a viewer's. Name -> token; empty when some exist."""
        with self._changing() as tokens:
            if os.path.lexists(self.path):
                return {}
            made = {name: _new() for name in FIRST}
            tokens.update(
                (name, _described(name, FIRST[name], secret)) for name, secret in made.items()
            )
            return made

    def add(self, name: str, role: str) -> str:
        """A new token; raises ProbedeckError `invalid` for a name that is taken or none."""
        if not NAME.fullmatch(name):
            raise _invalid(f"{name!r} is no name: letters, digits, `.`, `_` and `-`, at most 32")
        if role not in ROLES:
            raise _invalid(f"{role!r} is none of the roles {', '.join(ROLES)}")
        with self._changing() as tokens:
            if name in tokens:
                raise _invalid(f"there is a token {name} already; rotate or revoke it")
            secret = _new()
            tokens[name] = _described(name, role, secret)
            return secret

    def rotate(self, name: str) -> str:
        """A new token in the place of an old one, which is refused from now on."""
        with self._changing() as tokens:
            _must_exist(name, tokens)
            secret = _new()
            tokens[name] = _described(name, tokens[name].role, secret)
            return secret

    def revoke(self, name: str) -> None:
        """Refuse a token from now on."""
        with self._changing() as tokens:
            _must_exist(name, tokens)
            del tokens[name]

    @contextmanager
    def _changing(self) -> Iterator[dict[str, Token]]:
        """The tokens by name; what is left of them replaces the file, whole or not at all.

        Raises ProbedeckError when it cannot be replaced.
        """
        try:
            with self._locked_for_change() as tokens:
                yield tokens
        except OSError as error:
            what = error if isinstance(error, paths.UnusablePathError) else error.strerror
            raise ProbedeckError(
                503, "cannot_start", f"The tokens in {self.path} were not changed: {what}."
            ) from error

    @contextmanager
    def _locked_for_change(self) -> Iterator[dict[str, Token]]:
        lock_path = self.path.with_suffix(".lock")
        with os.fdopen(paths.open_file(lock_path, os.O_RDWR | os.O_CREAT), "r+") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            before = {token.name: token for token in self.all()}
            after = dict(before)
            yield after
            if after == before:
                return
            new = self.path.with_suffix(".new")
            new.unlink(missing_ok=True)
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
            try:
                with os.fdopen(os.open(new, flags, 0o600), "w", encoding="utf-8") as file:
                    json.dump(
                        {"tokens": [asdict(after[name]) for name in sorted(after)]}, file, indent=1
                    )
                    file.flush()
                    os.fsync(file.fileno())
                new.replace(self.path)
            except OSError:
                new.unlink(missing_ok=True)
                raise


def _parse(path: Path, text: bytes) -> tuple[Token, ...]:
    try:
        tokens = tuple(Token(**each) for each in json.loads(text)["tokens"])
    except (ValueError, TypeError, KeyError, RecursionError):
        raise _unreadable(f"{path} is damaged; remove it and start again for new tokens") from None
    if not all(isinstance(value, str) for token in tokens for value in asdict(token).values()):
        raise _unreadable(f"{path} is damaged; remove it and start again for new tokens")
    return tokens


def _new() -> str:
    return PREFIX + secrets.token_urlsafe(TOKEN_BYTES)


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def _described(name: str, role: str, secret: str) -> Token:
    made_at = datetime.now(timezone.utc).isoformat(timespec="seconds")
    return Token(name, role, _digest(secret), made_at)


def _must_exist(name: str, tokens: dict[str, Token]) -> None:
    if name not in tokens:
        known = ", ".join(sorted(tokens)) or "none"
        raise _invalid(f"there is no token {name!r}; there are: {known}")


def _unreadable(detail: str) -> ProbedeckError:
    return ProbedeckError(503, "tokens_unreadable", detail)


def _invalid(detail: str) -> ProbedeckError:
    return ProbedeckError(422, "invalid", detail)
