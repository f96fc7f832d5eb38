# SPDX-License-Identifier: Apache-2.0
"""Sessions: how the page uses a token without ever sending it.

A page that stays open reconnects by itself, to whatever answers on the port by then. So it
signs in by a proof, in both directions, and gets a session that ends with this process:

    service -> page   challenge
    page -> service   nonce, HMAC(key, "client", origin, challenge, nonce)
    service -> page   session, HMAC(key, "server", origin, challenge, nonce, session)

The key is the token's SHA-256 digest, which both sides have. Another program on the port can
capture proofs for challenges of its own and sessions of a process that is gone: neither is
accepted by a service started later. The origin keeps a proof from being passed on to a service
on another port or host. Standard library only.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from app.access.tokens import Token, TokenFile
from app.errors import ProbedeckError

PREFIX = "ps_"  # tells a session from a token
LIFETIME_S = 8 * 3600.0  # then the page signs in again; it does not ask
MOST_PER_TOKEN = 32  # the oldest makes room
ANSWER_WITHIN_S = 60.0  # from the challenge to its proof
MOST_SIGN_INS = 120  # of one token within ANSWER_WITHIN_S
PURPOSE = "probedeck sign-in 1"

PROOF = re.compile(
    r"challenge=(?P<challenge>[0-9a-f.]{1,200}), *nonce=(?P<nonce>[0-9a-f]{32,64}), *"
    r"mac=(?P<mac>[0-9a-f]{64})"
)


@dataclass(frozen=True)
class Opened:
    """What the page is given: the session, for how long, and the service's proof."""

    session: str
    lifetime_s: float
    mac: str


@dataclass(frozen=True)
class _Session:
    token: Token
    until_s: float


class Sessions:
    """The sessions of one process, in memory only; any thread may call."""

    def __init__(self, tokens: TokenFile, clock: Callable[[], float] = time.monotonic) -> None:
        self._tokens, self._clock = tokens, clock
        self._secret = secrets.token_bytes(32)
        self._lock = threading.Lock()
        self._sessions: dict[bytes, _Session] = {}  # by digest, the oldest first
        # Per token, each sign-in that its challenge still allows: when it ends, and which it was.
        self._used: dict[Token, deque[tuple[float, str]]] = {}

    def challenge(self) -> str:
        """A new challenge. Nothing is kept of it: those who ask for many fill no memory."""
        text = f"{int(self._clock() * 1000):x}.{secrets.token_hex(16)}"
        return f"{text}.{self._seal(text)}"

    def sign_in(self, credentials: str, origin: str) -> Opened:
        """A session for who proves to have a token.

        `credentials` is `challenge=…, nonce=…, mac=…`. Raises 401 `bad_token`, 401 `bad_proof`,
        429 `too_often`.
        """
        found = PROOF.fullmatch(credentials)
        if found is None:
            raise ProbedeckError(401, "bad_proof", "The credentials are not a proof.")
        challenge, nonce = found["challenge"], found["nonce"]
        expires_s = self._expiry(challenge)
        token = self._prover(found["mac"], origin, challenge, nonce)
        session = PREFIX + secrets.token_urlsafe(32)
        with self._lock:
            self._use(token, challenge, expires_s)
            self._keep(session, token)
        mac = _mac(token, "server", origin, challenge, nonce, session)
        return Opened(session, LIFETIME_S, mac)

    def find(self, shown: str) -> Token | None:
        """The token that a session was opened with; None when either has ended. Raises 503."""
        digest = _digest(shown)
        with self._lock:
            session = self._sessions.get(digest)
            if session is not None and session.until_s <= self._clock():
                del self._sessions[digest]
                session = None
        if session is None or not self._tokens.holds(session.token):
            return None
        return session.token

    def _expiry(self, challenge: str) -> float:
        """When an own challenge ends; raises 401 `bad_proof` for one that is over or not ours."""
        text, _, seal = challenge.rpartition(".")
        if not hmac.compare_digest(seal, self._seal(text)):
            raise ProbedeckError(401, "bad_proof", "The challenge is not of this service's run.")
        expires_s = int(text.partition(".")[0], 16) / 1000 + ANSWER_WITHIN_S
        if expires_s <= self._clock():
            raise ProbedeckError(401, "bad_proof", "The challenge is too old.")
        return expires_s

    def _prover(self, mac: str, origin: str, challenge: str, nonce: str) -> Token:
        """Whose proof it is. Takes as long for a wrong one as for a right one."""
        prover = None
        for token in self._tokens.all():
            if hmac.compare_digest(_mac(token, "client", origin, challenge, nonce), mac):
                prover = token
        if prover is None:
            raise ProbedeckError(401, "bad_token", "The token is not, or no longer, valid.")
        return prover

    def _use(self, token: Token, challenge: str, expires_s: float) -> None:
        """A challenge is good for one session."""
        now_s = self._clock()
        known = self._tokens.all()
        for other in [each for each in self._used if each not in known]:
            del self._used[other]
        used = self._used.setdefault(token, deque())
        while used and used[0][0] <= now_s:
            used.popleft()
        if any(each == challenge for _, each in used):
            raise ProbedeckError(401, "bad_proof", "The challenge has been used.")
        if len(used) >= MOST_SIGN_INS:
            raise ProbedeckError(
                429, "too_often", f"This token has signed in {MOST_SIGN_INS} times in a minute."
            )
        # Challenges may be used in another order than they were given: kept the longest time.
        used.append((max(expires_s, now_s + ANSWER_WITHIN_S), challenge))

    def _keep(self, session: str, token: Token) -> None:
        now_s, known = self._clock(), self._tokens.all()
        self._sessions = {
            digest: each
            for digest, each in self._sessions.items()
            if each.until_s > now_s and each.token in known
        }
        own = [digest for digest, each in self._sessions.items() if each.token == token]
        for digest in own[: max(0, len(own) - MOST_PER_TOKEN + 1)]:
            del self._sessions[digest]
        self._sessions[_digest(session)] = _Session(token, now_s + LIFETIME_S)

    def _seal(self, text: str) -> str:
        return hmac.new(self._secret, text.encode(), hashlib.sha256).hexdigest()


def _mac(token: Token, *parts: str) -> str:
    """No part has a line break: the text tells them apart."""
    text = "\n".join((PURPOSE, *parts)).encode("utf-8", "surrogatepass")
    key = token.sha256.encode("utf-8", "surrogatepass")
    return hmac.new(key, text, hashlib.sha256).hexdigest()


def _digest(session: str) -> bytes:
    return hashlib.sha256(session.encode("utf-8", "surrogatepass")).digest()
