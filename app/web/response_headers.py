# SPDX-License-Identifier: Apache-2.0
"""The headers of every response, errors and static files included."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
ALWAYS = (
    ("Content-Security-Policy", CONTENT_SECURITY_POLICY),
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
)


def strict_transport(max_age_s: int) -> tuple[tuple[str, str], ...]:
    """Return the header of RFC 6797; none for 0: it would bind the whole host, on every port."""
    return (("Strict-Transport-Security", f"max-age={max_age_s}"),) if max_age_s else ()


def hardened(headers: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """Return `headers` with ours, and `Cache-Control: no-store` unless there is one."""
    ours = {name.lower() for name, _ in ALWAYS}
    kept = [(name, value) for name, value in headers if name.lower() not in ours]
    kept.extend(ALWAYS)
    if not any(name.lower() == "cache-control" for name, _ in kept):
        kept.append(("Cache-Control", "no-store"))
    return kept


class Hardened:
    """WSGI middleware that adds the headers, and `more`, to every response."""

    def __init__(self, app: WSGIApplication, more: tuple[tuple[str, str], ...] = ()) -> None:
        self._app = app
        self._more = more

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        def start(
            status: str, headers: list[tuple[str, str]], exc_info: Any = None, /
        ) -> Callable[[bytes], object]:
            return start_response(status, [*hardened(headers), *self._more], exc_info)

        return self._app(environ, start)
