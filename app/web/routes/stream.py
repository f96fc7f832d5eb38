# SPDX-License-Identifier: Apache-2.0
"""The live stream as NDJSON (https://github.com/ndjson/ndjson-spec), for curl: one event a line."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from flask import Response

from app.access.caller import Caller, current_caller
from app.filters import RowFilter
from app.hub import Batch, HubClosedError, Snapshot, Subscription
from app.json_text import without_surrogates
from app.web.api.blueprint import Blueprint
from app.web.api.requests import StreamQuerySchema
from app.web.api.rows import rows_of
from app.web.context import Service, current_service
from app.web.routes.events import known_probes
from app.web.routes.where import filter_of, where_hints
from app.web.sockets import bound_waits, hang_up, has_left, peer_name

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

POLL_EVERY_S = 1.0  # how often an idle stream checks that its client is still connected
# ASCII, for the reason given at app.web.api.body.StrictJSON.
encode = json.JSONEncoder(ensure_ascii=True, allow_nan=False, separators=(",", ":")).encode

blueprint = Blueprint("stream", __name__, description="Live events")


@blueprint.route("/events/stream", methods=["GET"])
@blueprint.arguments(StreamQuerySchema, location="query")
@blueprint.response(200, content_type="application/x-ndjson", description="An event a line")
@blueprint.problems({404: "unknown_probe", 503: "busy"})
def stream(query: dict[str, Any]) -> Response:
    """Live events as they happen; with `recent=1`, the recent ones first."""
    service = current_service()
    probes = known_probes(service, query.get("probe"))
    passes = filter_of(service, probes, query.get("where"), is_live=True)
    hints = where_hints(service, probes, query.get("where"))
    service.stream_limit.acquire_for_request(current_caller())
    return StreamResponse(service, probes, current_caller(), passes, hints, recent=query["recent"])


class StreamResponse(Response):
    """Writes lines until the client leaves or the service ends.

    It calls WSGI's `write` itself (PEP 3333): a generator would not learn that a write failed,
    and a batch counts as delivered when it is written, not when the next one is requested.
    """

    def __init__(
        self,
        service: Service,
        probes: frozenset[str] | None,
        caller: Caller,
        passes: RowFilter | None = None,
        hints: Sequence[dict[str, Any]] = (),
        *,
        recent: bool,
    ) -> None:
        super().__init__(content_type="application/x-ndjson")
        self._passes, self._hints = passes, hints
        self._service, self._probes, self._recent = service, probes, recent
        self._caller = caller

    def get_wsgi_headers(self, environ: WSGIEnvironment) -> Any:
        headers = super().get_wsgi_headers(environ)
        headers.remove("Content-Length")  # werkzeug computed it for an empty body
        return headers

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        _, status, headers = self.get_wsgi_response(environ)
        write = start_response(status, headers)
        if environ["REQUEST_METHOD"] == "GET":
            self._serve(environ["gunicorn.socket"], write)
        return ()

    def _serve(self, connection: socket.socket, write: Callable[[bytes], object]) -> None:
        bound_waits(connection)
        try:
            with self._service.hub.subscribe(
                kind="stream",
                peer=peer_name(connection),
                probes=self._probes,
                recent=self._recent,
                states_in_order=True,
            ) as subscription:
                # Send the head now: a client that has received it misses no event.
                write(_lines([{"type": "hints", "hints": self._hints}]) if self._hints else b"")
                for lines, batch in items(
                    subscription, lambda: self._is_over(connection), self._passes
                ):
                    write(lines)
                    if batch is not None:
                        subscription.delivered(batch)
        except OSError:
            hang_up(connection)  # disconnected, or stalled

    def _is_over(self, connection: socket.socket) -> bool:
        return has_left(connection) or not self._caller.is_authorised()


def items(
    subscription: Subscription, left: Callable[[], bool], passes: RowFilter | None = None
) -> Iterator[tuple[bytes, Batch | None]]:
    """Yield lines with the batch they are from, until the client leaves or the hub closes.

    Rows that do not pass have no line, and their batch counts as delivered.
    """
    while not left():
        try:
            received = subscription.get(POLL_EVERY_S)
        except HubClosedError:
            return
        for item in received:
            if isinstance(item, Batch):
                rows = rows_of(item.data)
                yield _lines(filter(passes, rows) if passes else rows), item
            elif not isinstance(item, Snapshot):  # which a client in order is not told
                yield _lines((item,)), None


def _lines(objects: Iterable[dict[str, Any]]) -> bytes:
    return without_surrogates("".join([encode(each) + "\n" for each in objects])).encode()
