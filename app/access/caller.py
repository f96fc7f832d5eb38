# SPDX-License-Identifier: Apache-2.0
"""The caller of a request: a program of the owner, the bearer of a token, or nobody."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from flask import request

from app.access.tokens import OPERATOR, Token, TokenFile

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

ENVIRON = "probedeck.caller"


@dataclass(frozen=True)
class Caller:
    """Who sent a request. `name` is shown and logged: `uid 1000`, `token lab1`, `relay`."""

    name: str
    role: str | None  # None: may fetch only resources without data
    token: Token | None = None
    tokens: TokenFile | None = None

    @property
    def is_operator(self) -> bool:
        return self.role == OPERATOR

    def is_authorised(self) -> bool:
        """Return whether the caller's token, if any, has been neither revoked nor replaced."""
        return self.token is None or (self.tokens is not None and self.tokens.holds(self.token))


NOBODY = Caller("nobody", None)


def caller_of(environ: WSGIEnvironment) -> Caller:
    """Return the caller of a request that has passed the guard."""
    caller: Caller = environ[ENVIRON]
    return caller


def current_caller() -> Caller:
    """Return the caller of the current request."""
    return caller_of(request.environ)
