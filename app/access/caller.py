# SPDX-License-Identifier: Apache-2.0
"""Who is asking: a program of the user who started the service, a token's bearer, or nobody."""

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
    """`name` is for people and the audit log: `uid 1000`, `token lab1`, `relay`."""

    name: str
    role: str | None  # None: may see what holds no data, and nothing else
    token: Token | None = None
    tokens: TokenFile | None = None

    @property
    def is_operator(self) -> bool:
        return self.role == OPERATOR

    def is_authorised(self) -> bool:
        """For those who stay: whether the token they came with is still one of ours."""
        return self.token is None or (self.tokens is not None and self.tokens.holds(self.token))


NOBODY = Caller("nobody", None)


def caller_of(environ: WSGIEnvironment) -> Caller:
    """Who sent a request that passed the guard."""
    caller: Caller = environ[ENVIRON]
    return caller


def current_caller() -> Caller:
    """Who sent the request that is being handled."""
    return caller_of(request.environ)
