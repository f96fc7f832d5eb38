# SPDX-License-Identifier: Apache-2.0
"""The websocket: JSON text frames for control, binary frames for Arrow batches.

The handshake and the stream limit are checked before the upgrade: after it there is no HTTP
response to refuse with. flask-sock and simple-websocket implement the protocol (RFC 6455).
"""

from __future__ import annotations

import base64
import binascii
import json
import time
from collections.abc import Mapping
from typing import Any

from flask import Blueprint, g, request
from flask_sock import Sock
from simple_websocket import ConnectionClosed, Server
from wsproto.connection import ConnectionState
from wsproto.events import Ping
from wsproto.frame_protocol import CloseReason
from wsproto.utilities import LocalProtocolError

from app.access.caller import Caller, current_caller
from app.errors import ProbedeckError
from app.hub import Batch, HubClosedError, Snapshot, Subscription
from app.json_text import without_surrogates
from app.timestamps import now
from app.web.api.body import StrictParser
from app.web.api.requests import WebsocketQuerySchema
from app.web.api.target import takes_query
from app.web.context import current_service
from app.web.routes.events import known_probes
from app.web.sockets import FrameSocket, bound_waits, peer_name

MAX_MESSAGE_BYTES = 4096
PROTOCOL_VERSION = 1
SUBPROTOCOL = "probedeck.v1"  # browsers need one to be accepted, and it must not be the token
POLL_EVERY_S = 1.0
PING_EVERY_S = 10.0
PONG_WITHIN_S = 60.0  # a ping waits behind the batches that a slow client has yet to read
GOODBYE_S = 1.0  # for the client's half of the closing handshake

blueprint = Blueprint("ws", __name__)
sock = Sock()
parser = StrictParser()


class _Nothing(list[Any]):
    """simple-websocket's message buffer: we read no messages, so none is stored."""

    def append(self, _message: Any) -> None:
        pass


@blueprint.before_request
def prepare() -> None:
    """Check everything before the upgrade, then give simple-websocket a safe socket."""
    service = current_service()
    check_handshake()
    query = parser.parse(WebsocketQuerySchema, request, location="query", unknown="raise")
    g.probes, g.recent = known_probes(service, query.get("probe")), query["recent"]
    service.stream_limit.acquire_for_request(current_caller())
    connection = request.environ["gunicorn.socket"]
    bound_waits(connection)
    g.peer, g.frames = peer_name(connection), FrameSocket(connection)
    request.environ["gunicorn.socket"] = g.frames
    # Decline compression: it would cost more than it saves on loopback.
    request.environ.pop("HTTP_SEC_WEBSOCKET_EXTENSIONS", None)


def check_handshake() -> None:
    """Check the handshake by RFC 6455, 4.2.1. Raises 400; simple-websocket would fail with 500."""
    version = request.headers.get("Sec-WebSocket-Version", "")
    if version != "13":
        raise ProbedeckError(
            400,
            "bad_request",
            f"Unsupported Sec-WebSocket-Version {version[:20]!r}: it must be 13.",
        )
    try:
        key = base64.b64decode(request.headers.get("Sec-WebSocket-Key", ""), validate=True)
    except binascii.Error:
        key = b""
    if request.method != "GET" or len(key) != 16 or request.environ["SERVER_PROTOCOL"] < "HTTP/1.1":
        raise ProbedeckError(
            400,
            "bad_request",
            "Malformed websocket handshake: it takes GET, HTTP/1.1 and a Sec-WebSocket-Key of "
            "16 bytes in base64 (RFC 6455, 4.2.1).",
        )
    # wsproto parses the headers again, and fails for non-ASCII values, which HTTP allows.
    odd = [name for name, value in request.headers.items() if not value.isascii()]
    if odd:
        raise ProbedeckError(
            400, "bad_request", f"The value of the header {odd[0]} is not ASCII text."
        )


@sock.route("/ws", bp=blueprint)  # type: ignore[untyped-decorator]  # flask-sock has no types
@takes_query(WebsocketQuerySchema)  # parsed in `prepare`
def websocket(ws: Server) -> None:
    """Serve one client until it closes, stops answering pings, stalls, or the service ends."""
    ws.input_buffer = _Nothing()
    service, caller = current_service(), current_caller()
    reason = CloseReason.INTERNAL_ERROR  # unless replaced below
    try:
        with service.hub.subscribe(
            kind="websocket", peer=g.peer, probes=g.probes, recent=g.recent
        ) as subscription:
            # Describe after subscribing, so that no change of state is missed between the two.
            described = service.manager.describe_all()
            hello = {
                "type": "hello",
                "version": PROTOCOL_VERSION,
                "service": service.run_id,
                "time": now(),
                "recent_bytes": service.hub.recent_bytes,
                "client": subscription.id,
                "caller": {"name": caller.name, "role": caller.role},
                "names": described["names"],
                "probes": described["probes"],
            }
            send_json(ws, hello)
            reason = serve(ws, g.frames, subscription, caller)
    except HubClosedError:
        reason = CloseReason.GOING_AWAY
    except (ConnectionClosed, LocalProtocolError):
        reason = CloseReason.NORMAL_CLOSURE  # closed by the client during a send
    finally:
        say_goodbye(ws, g.frames, reason)


def serve(
    ws: Server, frames: FrameSocket, subscription: Subscription, caller: Caller
) -> CloseReason:
    """Send what the subscription receives, and pings; return the reason for the end."""
    pinged_at_s = frames.heard_at_s
    while ws.connected and not frames.lost:
        if not caller.is_authorised():
            return CloseReason.POLICY_VIOLATION
        for item in subscription.get(POLL_EVERY_S):
            if isinstance(item, Batch):
                send_batch(ws, frames, item.data)
                if not frames.lost:
                    subscription.delivered(item)
            elif isinstance(item, Snapshot):
                send_batch(ws, frames, item.data)
            else:
                send_json(ws, item)
        now_s = time.monotonic()
        if frames.heard_at_s < pinged_at_s:  # nothing heard since that ping
            if now_s - pinged_at_s > PONG_WITHIN_S:
                return CloseReason.POLICY_VIOLATION
        elif now_s - pinged_at_s > PING_EVERY_S:
            pinged_at_s = now_s
            frames.send(ws.ws.send(Ping()))
    return CloseReason.NORMAL_CLOSURE


def send_json(ws: Server, message: Mapping[str, Any]) -> None:
    """Send a text message, which any client's parser accepts. Raises ConnectionClosed."""
    ws.send(without_surrogates(json.dumps(message)))


def send_batch(ws: Server, frames: FrameSocket, data: bytes) -> None:
    """Send a binary message as `ws.send` does, without its copies. Raises ConnectionClosed."""
    if ws.ws.state is not ConnectionState.OPEN:
        raise ConnectionClosed(ws.close_reason, ws.close_message)
    frames.send_binary(data)


def say_goodbye(ws: Server, frames: FrameSocket, reason: CloseReason) -> None:
    """Close our side if the client has not, and end the reader thread."""
    try:
        ws.close(reason)
    except (ConnectionClosed, LocalProtocolError):
        pass  # the client has closed already
    ws.thread.join(GOODBYE_S)  # it ends at the client's close frame or end of file
    frames.close()
    ws.thread.join()
