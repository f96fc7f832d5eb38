# SPDX-License-Identifier: Apache-2.0
"""Who may do what: the checks that every request passes, in this order, before the application.

Host, Origin, Sec-Fetch-Site, caller, role. They stand around the whole application as WSGI
middleware, so that websockets, static files, unknown routes and errors are behind them too;
and they look at every request anew, also on a connection that was let in before.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from app.access.caller import ENVIRON, NOBODY, Caller
from app.access.sessions import PREFIX as SESSION_PREFIX
from app.access.sessions import Sessions
from app.access.tokens import OPERATOR, Token, TokenFile
from app.config import Settings
from app.errors import ProbedeckError
from app.linux.sock_diag import Address, plain
from app.linux.socket_owner import is_established, owner_uid
from app.web.api.problem import problem_response
from app.web.routes.signing_in import ORIGIN, SESSIONS, is_sign_in

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

PeerOwner = Callable[[tuple[str, int], tuple[str, int]], int | None]
NAMES = ("localhost", "127.0.0.1", "[::1]")
# Hold no data: the page, which asks for a token, the API's reference, and the sign of life.
OPEN = ("/", "/api", "/healthz")
OPEN_FOLDER = "/static/"
READING = ("GET", "HEAD", "OPTIONS")  # no such request changes anything
# A browser's websocket can send no header of its own but this list (docs/protocol.md).
TOKEN_PROTOCOL = "bearer."  # what a token stands behind
FORWARDING = ("HTTP_FORWARDED", "HTTP_VIA", "HTTP_X_REAL_IP", "HTTP_X_FORWARDED")


class Guard:
    """WSGI middleware: passes on what is allowed, with the caller, and answers 401 or 403 else.

    `owner` tells who holds the peer's end of a connection; see `app.linux.socket_owner.owner_uid`.
    """

    def __init__(
        self,
        app: WSGIApplication,
        settings: Settings,
        owner: PeerOwner = owner_uid,
    ) -> None:
        self._app = app
        self._owner = owner
        self._owner_uid = settings.owner_uid
        self._trusted_peer = settings.trusted_peer
        self._require_token = settings.require_token
        self._tokens = TokenFile(settings.run_dir)
        self._sessions = Sessions(self._tokens)
        self._settings = settings
        self._hosts = own_hosts(settings)

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        try:
            self.check(environ)
        except ProbedeckError as error:
            return problem_response(error)(environ, start_response)
        return self._app(environ, start_response)

    def check(self, environ: WSGIEnvironment) -> None:
        """Let a request in, and note its caller, or raise ProbedeckError.

        Looks at the head alone: the worker asks before it waits for a body.
        """
        host = check_host(environ, self._hosts_of(environ), self._settings.scheme)
        environ[ORIGIN] = f"{self._settings.scheme}://{host}"
        check_origin(environ, environ[ORIGIN])
        check_site(environ)
        if is_sign_in(environ):  # what is shown there is judged there
            environ[SESSIONS], environ[ENVIRON] = self._sessions, NOBODY
        else:
            environ[ENVIRON] = caller = self._caller(environ)
            check_role(environ, caller)

    def _hosts_of(self, environ: WSGIEnvironment) -> frozenset[str]:
        """Our hosts; where other machines connect, the address that this one connected to too.

        An address as Host cannot come from DNS, hence from no rebinding.
        """
        if not self._settings.is_remote:
            return self._hosts
        address = ipaddress.ip_address(environ["gunicorn.socket"].getsockname()[0])
        return self._hosts | with_port(self._settings, [literal(address)])

    def _caller(self, environ: WSGIEnvironment) -> Caller:
        """Who asks; raises 401 or 403 for one who may not.

        The kernel is asked only where the answer decides: not with a token, and not for what
        is open to everybody.
        """
        shown = shown_token(environ)
        if shown is not None:
            token = self._token(shown)
            return Caller(f"token {token.name}", token.role, token, self._tokens)
        if is_open(environ):
            return NOBODY
        if self._require_token:
            raise ProbedeckError(401, "token_needed", "Probedeck takes requests with a token.")
        return Caller(self._local_user(environ), OPERATOR)

    def _token(self, shown: str) -> Token:
        """The token shown, or the one that a session was opened with; raises 401."""
        if shown.startswith(SESSION_PREFIX):
            if (token := self._sessions.find(shown)) is None:
                raise ProbedeckError(401, "session_over", "The session is over: sign in again.")
        elif (token := self._tokens.find(shown)) is None:
            raise ProbedeckError(401, "bad_token", "The token is not, or no longer, valid.")
        return token

    def _local_user(self, environ: WSGIEnvironment) -> str:
        """Only local programs of the user who started the service need no token.

        Not even root's, when another user started it: a root-owned forwarder (a container
        runtime's proxy, say) would carry in whoever can reach it. Root can say --owner-uid 0.
        """
        if any(name.startswith(FORWARDING) for name in environ):
            raise _forbidden("A request that a proxy forwards is not let in without a token.")
        connection: socket.socket = environ["gunicorn.socket"]
        try:
            peer, local = connection.getpeername(), connection.getsockname()
        except OSError:
            raise _forbidden("The connection is gone.") from None
        address = plain(ipaddress.ip_address(peer[0]))
        if self._trusted_peer and address == ipaddress.ip_address(self._trusted_peer):
            return "relay"  # our own, which asked the same question on its side
        if not address.is_loopback:
            raise _forbidden("Only programs on this machine are let in without a token.")
        try:
            uid = self._owner(peer[:2], local[:2])
        except OSError as error:
            raise _forbidden(
                f"It cannot be told whose this connection is ({error.strerror}); use a token."
            ) from error
        if not is_established(connection):
            # Its addresses may be another connection's by now, and the answer about that one.
            raise _forbidden("The connection is gone.")
        if uid != self._owner_uid:
            who = "an unknown user" if uid is None else f"user {uid}"
            raise _forbidden(
                f"Only programs of user {self._owner_uid}, who started Probedeck, are let in "
                f"without a token; this connection belongs to {who}. (--owner-uid names another.)"
            )
        return f"uid {uid}"


def shown_token(environ: WSGIEnvironment) -> str | None:
    """The token of `Authorization: Bearer` (RFC 6750), or of a websocket's list of subprotocols.

    None when there is none. Raises 401 `bad_token` for other kinds of credentials, and for two.
    """
    found = []
    if (header := environ.get("HTTP_AUTHORIZATION")) is not None:
        scheme, _, value = header.partition(" ")
        if scheme.lower() != "bearer":
            raise ProbedeckError(
                401, "bad_token", "The only kind of credentials is a bearer token."
            )
        found.append(value.strip())
    if _is_websocket(environ):
        offered = environ.get("HTTP_SEC_WEBSOCKET_PROTOCOL", "").split(",")
        found += [
            each.strip()[len(TOKEN_PROTOCOL) :]
            for each in offered
            if each.strip().startswith(TOKEN_PROTOCOL)
        ]
    if len(found) > 1:
        raise ProbedeckError(401, "bad_token", "There is more than one token.")
    return found[0] if found else None


def is_open(environ: WSGIEnvironment) -> bool:
    """Whether the request is for something that holds no data and does nothing."""
    path = environ.get("PATH_INFO", "")
    return environ["REQUEST_METHOD"] in ("GET", "HEAD") and (
        path in OPEN or path.removesuffix("/") in OPEN[1:] or path.startswith(OPEN_FOLDER)
    )


def check_role(environ: WSGIEnvironment, caller: Caller) -> None:
    """Who only views changes nothing; raises 403 `operator_only`."""
    if environ["REQUEST_METHOD"] not in READING and not caller.is_operator:
        raise ProbedeckError(
            403,
            "operator_only",
            f"{caller.name} may watch; starting and stopping is an operator's.",
        )


def own_hosts(settings: Settings) -> frozenset[str]:
    """The Host headers that are ours. Anything else is a name that another site chose.

    A browser that was told by DNS that evil.test is 127.0.0.1 still sends `Host: evil.test`.
    """
    return with_port(settings, [*NAMES, *settings.host_names])


def with_port(settings: Settings, names: Iterable[str]) -> frozenset[str]:
    """Names as they stand in a Host header: browsers leave out the scheme's own port."""
    names = [name.lower() for name in names]
    hosts = {f"{name}:{settings.port}" for name in names}
    is_usual = settings.port == {"http": 80, "https": 443}[settings.scheme]
    return frozenset(hosts.union(names) if is_usual else hosts)


def literal(address: Address) -> str:
    """An address as it stands in a Host header (RFC 3986, 3.2.2)."""
    address = plain(address)
    if isinstance(address, ipaddress.IPv6Address):
        return f"[{ipaddress.IPv6Address(int(address))}]"  # without the scope
    return str(address)


def check_host(environ: WSGIEnvironment, hosts: frozenset[str], scheme: str) -> str:
    """The Host header in lower case (RFC 9110, 4.2.3), one of `hosts`; raises 403 `bad_host`.

    gunicorn refuses a second Host header; where a server joins them, the comma is in no host.
    A target in absolute form (RFC 9112, 3.2.2) must name the same host.
    """
    host: str = environ.get("HTTP_HOST", "")
    # ASCII only: str.lower() makes a plain k of the Kelvin sign.
    host = host.lower() if host.isascii() else ""
    if host not in hosts:
        raise ProbedeckError(
            403, "bad_host", f"The Host header must be one of {', '.join(sorted(hosts))}."
        )
    target: str = environ.get("RAW_URI", "/").lower()
    absolute = f"{scheme}://{host}"
    is_own = target in ("*", absolute) or target.startswith(
        ("/", f"{absolute}/", f"{absolute}?", f"{absolute}#")
    )
    if not is_own:
        raise ProbedeckError(403, "bad_host", "The request target names another host.")
    return host


def check_origin(environ: WSGIEnvironment, own: str) -> None:
    """An Origin, when present, is ours; a browser's websocket has one. Raises 403 `bad_origin`."""
    origin: str | None = environ.get("HTTP_ORIGIN")
    if origin is None:
        if _is_websocket(environ) and _is_browser(environ):
            raise ProbedeckError(403, "bad_origin", "A browser's websocket must have an Origin.")
    elif origin != own:
        raise ProbedeckError(403, "bad_origin", f"The Origin must be {own}.")


def check_site(environ: WSGIEnvironment) -> None:
    """Sec-Fetch-Site, when present, says that no other site asks; raises 403 `cross_site`.

    `same-site` is another site too: a page on another port of localhost. A link from
    anywhere to our page may be followed; the page itself does nothing by being opened.
    """
    site = environ.get("HTTP_SEC_FETCH_SITE")
    if site in (None, "same-origin", "none"):
        return
    follows_link = (
        environ["REQUEST_METHOD"] == "GET"
        and environ.get("PATH_INFO") == "/"
        and environ.get("HTTP_SEC_FETCH_MODE") == "navigate"
        and environ.get("HTTP_SEC_FETCH_DEST") == "document"
        and not _is_websocket(environ)
    )
    if not follows_link:
        raise ProbedeckError(403, "cross_site", "Another site sent this request.")


def _is_websocket(environ: WSGIEnvironment) -> bool:
    return "HTTP_UPGRADE" in environ or "HTTP_SEC_WEBSOCKET_KEY" in environ


def _is_browser(environ: WSGIEnvironment) -> bool:
    """Browsers name themselves Mozilla/…, and since 2023 all of them send Sec-Fetch-*."""
    return environ.get("HTTP_USER_AGENT", "").startswith("Mozilla/") or any(
        name.startswith("HTTP_SEC_FETCH_") for name in environ
    )


def _forbidden(detail: str) -> ProbedeckError:
    return ProbedeckError(403, "forbidden", detail)
