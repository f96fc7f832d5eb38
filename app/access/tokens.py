# SPDX-License-Identifier: Apache-2.0
"""Access tokens: each with a name and a role, stored as digests in one private file.

A token is 256 random bits, so a fast digest protects it as well as a slow one: the file's contents
do not give access. Each change replaces the file, and the service checks the file for each token
that it is shown, so a revoked token is refused at once.
"""

from __future__ import annotations

import fcntl
import hashlib
import hmac
import json
import os
import re
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from pathlib import Path

from app.errors import ProbedeckError
from app.linux import paths

VIEWER, OPERATOR = "viewer", "operator"
ROLES = (VIEWER, OPERATOR)
FIRST = {
    OPERATOR: OPERATOR,
    VIEWER: VIEWER,
}  # name -> role of the tokens created at the first start
PREFIX = "pd_"  # recognised by people and by scanners for leaked secrets
TOKEN_BYTES = 32
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,31}")
FILE_NAME = "tokens.json"
LOCK_NAME = "lock"  # held by a running service (app/server/instance.py)


@dataclass(frozen=True)
class Token:
    """A token as the file has it: everything but the secret."""

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
        """Return the token with this secret, or None, in constant time.

        Raises ProbedeckError 503.
        """
        digest = _digest(shown)
        found = None
        for token in self.all():
            if hmac.compare_digest(token.sha256, digest):
                found = token
        return found

    def holds(self, token: Token) -> bool:
        """Return whether it has been neither revoked nor replaced. Raises ProbedeckError 503."""
        return token in self.all()

    def all(self) -> tuple[Token, ...]:
        """Return all tokens, sorted by name; none without a file. Raises ProbedeckError 503."""
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
        """Raise ProbedeckError unless a service runs or has run with this folder."""
        try:
            folder = paths.folder(self.path.parent, make=False)
        except paths.UnusablePathError as error:
            raise _invalid(f"{error}: give the --run-dir of a service") from error
        if not any((folder / name).exists() for name in (FILE_NAME, LOCK_NAME)):
            raise _invalid(f"{folder} is not the folder of a service: give the --run-dir of one")

    def make_first(self) -> dict[str, str]:
        """Create the first two tokens, unless the file exists; return name -> secret."""
        with self._changing() as tokens:
            if os.path.lexists(self.path):
                return {}
            made = {name: _new() for name in FIRST}
            tokens.update(
                (name, _described(name, FIRST[name], secret)) for name, secret in made.items()
            )
            return made

    def add(self, name: str, role: str, show: Callable[[str], None] | None = None) -> str:
        """Create a token and return its secret. Raises ProbedeckError `invalid`, 503.

        Before the token is stored, `show` is called with its secret; if it raises, nothing is.
        """
        if not NAME.fullmatch(name):
            raise _invalid(
                f"invalid token name {name!r}: use 1-32 letters, digits, '.', '_' or '-', the "
                "first a letter or digit"
            )
        if role not in ROLES:
            raise _invalid(f"invalid role {role!r}: use {' or '.join(ROLES)}")
        with self._changing() as tokens:
            if name in tokens:
                raise _invalid(
                    f"token {name!r} exists already: rotate or revoke it, or use another name"
                )
            secret = _new()
            tokens[name] = _described(name, role, secret)
            if show:
                show(secret)
            return secret

    def rotate(self, name: str, show: Callable[[str], None] | None = None) -> str:
        """Replace a token's secret and return it; the old one is refused from now on.

        Before the new one is stored, `show` is called with it; if it raises, the old one stays.
        """
        with self._changing() as tokens:
            _must_exist(name, tokens)
            secret = _new()
            tokens[name] = _described(name, tokens[name].role, secret)
            if show:
                show(secret)
            return secret

    def revoke(self, name: str) -> None:
        """Refuse a token from now on."""
        with self._changing() as tokens:
            _must_exist(name, tokens)
            del tokens[name]

    @contextmanager
    def _changing(self) -> Iterator[dict[str, Token]]:
        """Provide the tokens by name, to be changed; then replace the file atomically.

        Raises ProbedeckError 503 when it cannot be replaced.
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
        raise _unreadable(
            f"{path} is damaged: remove it and restart Probedeck to get new tokens"
        ) from None
    if not all(isinstance(value, str) for token in tokens for value in asdict(token).values()):
        raise _unreadable(f"{path} is damaged: remove it and restart Probedeck to get new tokens")
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
        raise _invalid(f"there is no token {name!r}. Known tokens: {known}")


def _unreadable(detail: str) -> ProbedeckError:
    return ProbedeckError(503, "tokens_unreadable", detail)


def _invalid(detail: str) -> ProbedeckError:
    return ProbedeckError(422, "invalid", detail)
