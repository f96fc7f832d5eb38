# SPDX-License-Identifier: Apache-2.0
"""Access control: the checks that every request passes before the application sees it.

In this order: Host, Origin, Sec-Fetch-Site, caller, role. As WSGI middleware they also protect
websockets, static files, unknown routes and errors; and they check every request, on a connection
that is kept open too.
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
# Open to all, for they hold no data: the page, the API's reference, the health check.
OPEN = ("/", "/api", "/healthz")
OPEN_FOLDER = "/static/"
READING = ("GET", "HEAD", "OPTIONS")  # these methods change nothing
# A browser's websocket can send no header of its own but this list (docs/protocol.md).
TOKEN_PROTOCOL = "bearer."  # the prefix of a token in it
FORWARDING = ("HTTP_FORWARDED", "HTTP_VIA", "HTTP_X_REAL_IP", "HTTP_X_FORWARDED")


class Guard:
    """WSGI middleware: passes on allowed requests, with their caller; answers others 401 or 403.

    `owner` returns the user at the peer's end of a connection; see `app.linux.socket_owner`.
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
        """Store the caller of an allowed request in `environ`; raise ProbedeckError for others.

        Needs the head only: the worker calls it before it waits for a body.
        """
        host = check_host(environ, self._hosts_of(environ), self._settings.scheme)
        environ[ORIGIN] = f"{self._settings.scheme}://{host}"
        check_origin(environ, environ[ORIGIN])
        check_site(environ)
        if is_sign_in(environ):  # that route checks the credentials itself
            environ[SESSIONS], environ[ENVIRON] = self._sessions, NOBODY
        else:
            environ[ENVIRON] = caller = self._caller(environ)
            check_role(environ, caller)

    def _hosts_of(self, environ: WSGIEnvironment) -> frozenset[str]:
        """Return our hosts; for a remote service also the address that the client connected to.

        An address as Host does not come from DNS, so not from DNS rebinding either.
        """
        if not self._settings.is_remote:
            return self._hosts
        address = ipaddress.ip_address(environ["gunicorn.socket"].getsockname()[0])
        return self._hosts | with_port(self._settings, [literal(address)])

    def _caller(self, environ: WSGIEnvironment) -> Caller:
        """Return the caller; raise 401 or 403 for one without access.

        The kernel is asked for the connection's user only when that decides: not for a request
        with a token, nor for an open path.
        """
        shown = shown_token(environ)
        if shown is not None:
            token = self._token(shown)
            return Caller(f"token {token.name}", token.role, token, self._tokens)
        if is_open(environ):
            return NOBODY
        if self._require_token:
            raise ProbedeckError(
                401, "token_needed", "This service requires a token for every request."
            )
        return Caller(self._local_user(environ), OPERATOR)

    def _token(self, shown: str) -> Token:
        """Return the token sent, or the one that the session was opened with; raise 401."""
        if shown.startswith(SESSION_PREFIX):
            if (token := self._sessions.find(shown)) is None:
                raise ProbedeckError(401, "session_over", "The session has expired: sign in again.")
        elif (token := self._tokens.find(shown)) is None:
            raise ProbedeckError(401, "bad_token", "The token is not, or no longer, valid.")
        return token

    def _local_user(self, environ: WSGIEnvironment) -> str:
        """Return the user of a local program of the service's owner; raise 403 for all others.

        Root is refused too when another user started the service: a forwarder that runs as root
        (a container runtime's proxy, say) would let in everyone who can reach it. Root can say
        --owner-uid 0.
        """
        if any(name.startswith(FORWARDING) for name in environ):
            raise _forbidden("A request forwarded by a proxy needs a token.")
        connection: socket.socket = environ["gunicorn.socket"]
        try:
            peer, local = connection.getpeername(), connection.getsockname()
        except OSError:
            raise _forbidden("The client closed the connection.") from None
        address = plain(ipaddress.ip_address(peer[0]))
        if self._trusted_peer and address == ipaddress.ip_address(self._trusted_peer):
            return "relay"  # ours (--vm), which made the same check on its side
        if not address.is_loopback:
            raise _forbidden("Requests from other machines need a token.")
        try:
            uid = self._owner(peer[:2], local[:2])
        except OSError as error:
            raise _forbidden(
                f"The user of this connection is not known ({error.strerror}): send a token."
            ) from error
        if not is_established(connection):
            # The addresses may belong to another connection by now, and `uid` to its user.
            raise _forbidden("The client closed the connection.")
        if uid != self._owner_uid:
            user = "an unknown user" if uid is None else f"user {uid}"
            raise _forbidden(
                f"This connection belongs to {user} and needs a token: only programs of user "
                f"{self._owner_uid}, who started Probedeck, need none (--owner-uid changes that)."
            )
        return f"uid {uid}"


def shown_token(environ: WSGIEnvironment) -> str | None:
    """Return the token of `Authorization: Bearer` (RFC 6750) or of a websocket's subprotocols.

    None without one. Raises 401 `bad_token` for other kinds of credentials, and for two tokens.
    """
    found = []
    if (header := environ.get("HTTP_AUTHORIZATION")) is not None:
        scheme, _, value = header.partition(" ")
        if scheme.lower() != "bearer":
            raise ProbedeckError(
                401, "bad_token", "Unsupported credentials: send `Authorization: Bearer TOKEN`."
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
        raise ProbedeckError(401, "bad_token", "The request has more than one token: send one.")
    return found[0] if found else None


def is_open(environ: WSGIEnvironment) -> bool:
    """Return whether the request is for something without data or effect."""
    path = environ.get("PATH_INFO", "")
    return environ["REQUEST_METHOD"] in ("GET", "HEAD") and (
        path in OPEN or path.removesuffix("/") in OPEN[1:] or path.startswith(OPEN_FOLDER)
    )


def check_role(environ: WSGIEnvironment, caller: Caller) -> None:
    """Raise 403 `operator_only` when a viewer would change something."""
    if environ["REQUEST_METHOD"] not in READING and not caller.is_operator:
        raise ProbedeckError(
            403,
            "operator_only",
            "This token is read-only; starting and stopping probes needs an operator token.",
        )


def own_hosts(settings: Settings) -> frozenset[str]:
    """Return the Host headers that are ours. Any other name was chosen by another site.

    A browser for which evil.test resolves to 127.0.0.1 (DNS rebinding) sends `Host: evil.test`.
    """
    listen = ipaddress.ip_address(settings.listen)
    own = [literal(listen)] if listen.is_loopback else []  # 127.0.0.2, say
    return with_port(settings, [*NAMES, *own, *settings.host_names])


def with_port(settings: Settings, names: Iterable[str]) -> frozenset[str]:
    """Return names as in a Host header: browsers omit the scheme's default port."""
    names = [name.lower() for name in names]
    hosts = {f"{name}:{settings.port}" for name in names}
    is_usual = settings.port == {"http": 80, "https": 443}[settings.scheme]
    return frozenset(hosts.union(names) if is_usual else hosts)


def literal(address: Address) -> str:
    """Return an address as in a Host header (RFC 3986, 3.2.2)."""
    address = plain(address)
    if isinstance(address, ipaddress.IPv6Address):
        return f"[{ipaddress.IPv6Address(int(address))}]"  # without the scope
    return str(address)


def check_host(environ: WSGIEnvironment, hosts: frozenset[str], scheme: str) -> str:
    """Return the Host header in lower case (RFC 9110, 4.2.3); raise 403 if not one of `hosts`.

    gunicorn refuses a second Host header; a server that joins two makes a value with a comma.
    A target in absolute form (RFC 9112, 3.2.2) must name the same host.
    """
    host: str = environ.get("HTTP_HOST", "")
    # ASCII only: str.lower() turns the Kelvin sign into a plain k.
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
        raise ProbedeckError(
            403, "bad_host", f"The request target names another host than the Host header, {host}."
        )
    return host


def check_origin(environ: WSGIEnvironment, own: str) -> None:
    """Raise 403 `bad_origin` for a foreign Origin, and for a browser's websocket without one."""
    origin: str | None = environ.get("HTTP_ORIGIN")
    if origin is None:
        if _is_websocket(environ) and _is_browser(environ):
            raise ProbedeckError(
                403, "bad_origin", "A websocket handshake by a browser must have the header Origin."
            )
    elif origin != own:
        raise ProbedeckError(403, "bad_origin", f"The header Origin must be {own}.")


def check_site(environ: WSGIEnvironment) -> None:
    """Raise 403 `cross_site` when Sec-Fetch-Site says that another site made the request.

    `same-site` is another site too: a page on another port of localhost. A link to our page may
    be followed from anywhere; opening the page changes nothing.
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
        raise ProbedeckError(403, "cross_site", "This request was made by a page of another site.")


def _is_websocket(environ: WSGIEnvironment) -> bool:
    return "HTTP_UPGRADE" in environ or "HTTP_SEC_WEBSOCKET_KEY" in environ


def _is_browser(environ: WSGIEnvironment) -> bool:
    """Browsers call themselves Mozilla/…, and since 2023 all of them send Sec-Fetch-*."""
    return environ.get("HTTP_USER_AGENT", "").startswith("Mozilla/") or any(
        name.startswith("HTTP_SEC_FETCH_") for name in environ
    )


def _forbidden(detail: str) -> ProbedeckError:
    return ProbedeckError(403, "forbidden", detail)
