# SPDX-License-Identifier: Apache-2.0
"""Sessions: how the page uses a token without ever sending it.

An open page reconnects automatically, to whatever program has the port by then. So page and
service prove to each other that they know the token, and the page gets a session that ends with
this process:

    service -> page   challenge
    page -> service   nonce, HMAC(key, "client", origin, challenge, nonce)
    service -> page   session, HMAC(key, "server", origin, challenge, nonce, session)

The key is the token's SHA-256 digest, which both sides have. Another program on the port can
capture proofs for its own challenges, and sessions of a process that has ended: a service that is
started later accepts neither. The origin keeps a proof from being relayed to a service on another
port or host.
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
LIFETIME_S = 8 * 3600.0  # then the page signs in again, without asking its user
MOST_PER_TOKEN = 32  # a further one replaces the oldest
ANSWER_WITHIN_S = 60.0  # from the challenge to its proof
MOST_SIGN_INS = 120  # of one token within ANSWER_WITHIN_S
PURPOSE = "probedeck sign-in 1"

PROOF = re.compile(
    r"challenge=(?P<challenge>[0-9a-f.]{1,200}), *nonce=(?P<nonce>[0-9a-f]{32,64}), *"
    r"mac=(?P<mac>[0-9a-f]{64})"
)


@dataclass(frozen=True)
class Opened:
    """The answer to the page: the session, its lifetime, and the service's proof."""

    session: str
    lifetime_s: float
    mac: str


@dataclass(frozen=True)
class _Session:
    token: Token
    until_s: float


class Sessions:
    """The sessions of one process, in memory only; thread-safe."""

    def __init__(self, tokens: TokenFile, clock: Callable[[], float] = time.monotonic) -> None:
        self._tokens, self._clock = tokens, clock
        self._secret = secrets.token_bytes(32)
        self._lock = threading.Lock()
        self._sessions: dict[bytes, _Session] = {}  # by digest, the oldest first
        # Per token, the used challenges that have not expired: expiry and challenge.
        self._used: dict[Token, deque[tuple[float, str]]] = {}

    def challenge(self) -> str:
        """Return a new challenge. It is not stored, so that requests for many fill no memory."""
        text = f"{int(self._clock() * 1000):x}.{secrets.token_hex(16)}"
        return f"{text}.{self._seal(text)}"

    def sign_in(self, credentials: str, origin: str) -> Opened:
        """Open a session for a caller that proves to have a token.

        `credentials` is `challenge=…, nonce=…, mac=…`. Raises 401 `bad_token`, 401 `bad_proof`,
        429 `too_often`.
        """
        found = PROOF.fullmatch(credentials)
        if found is None:
            raise ProbedeckError(
                401,
                "bad_proof",
                "The credentials are malformed: send challenge=..., nonce=..., mac=...",
            )
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
        """Return the token that opened a session; None if either has ended. Raises 503."""
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
        """Return when a challenge expires; raises 401 `bad_proof` if it has, or is not ours."""
        text, _, seal = challenge.rpartition(".")
        if not hmac.compare_digest(seal, self._seal(text)):
            raise ProbedeckError(
                401, "bad_proof", "The challenge was not issued by this process; ask for a new one."
            )
        expires_s = int(text.partition(".")[0], 16) / 1000 + ANSWER_WITHIN_S
        if expires_s <= self._clock():
            raise ProbedeckError(401, "bad_proof", "The challenge has expired; ask for a new one.")
        return expires_s

    def _prover(self, mac: str, origin: str, challenge: str, nonce: str) -> Token:
        """Return the token that made the proof, in constant time; raises 401 `bad_token`."""
        prover = None
        for token in self._tokens.all():
            if hmac.compare_digest(_mac(token, "client", origin, challenge, nonce), mac):
                prover = token
        if prover is None:
            raise ProbedeckError(401, "bad_token", "The token is not, or no longer, valid.")
        return prover

    def _use(self, token: Token, challenge: str, expires_s: float) -> None:
        """Mark a challenge as used: it opens one session only."""
        now_s = self._clock()
        known = self._tokens.all()
        for other in [each for each in self._used if each not in known]:
            del self._used[other]
        used = self._used.setdefault(token, deque())
        while used and used[0][0] <= now_s:
            used.popleft()
        if any(each == challenge for _, each in used):
            raise ProbedeckError(
                401, "bad_proof", "The challenge has already been used; ask for a new one."
            )
        if len(used) >= MOST_SIGN_INS:
            raise ProbedeckError(
                429,
                "too_often",
                f"This token has signed in {MOST_SIGN_INS} times in a minute; wait a minute.",
            )
        # Challenges may be used out of order: keep each for the longest possible time.
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
    """Authenticate the parts, none of which has a line break."""
    text = "\n".join((PURPOSE, *parts)).encode("utf-8", "surrogatepass")
    key = token.sha256.encode("utf-8", "surrogatepass")
    return hmac.new(key, text, hashlib.sha256).hexdigest()


def _digest(session: str) -> bytes:
    return hashlib.sha256(session.encode("utf-8", "surrogatepass")).digest()
