# SPDX-License-Identifier: Apache-2.0
"""The websocket: JSON text frames for control, binary frames for Arrow batches.

The handshake is checked, and a seat taken, before the upgrade: after it there is no HTTP
left to answer with. flask-sock and simple-websocket speak the protocol (RFC 6455).
"""

from __future__ import annotations

import base64
import binascii
import json
import time
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
from app.hub import Batch, HubClosed, Subscription
from app.probes.probe import now
from app.web.api.body import StrictParser
from app.web.api.requests import WebsocketQuerySchema
from app.web.api.target import takes_query
from app.web.context import current_service
from app.web.routes.events import known_probes
from app.web.sockets import FrameSocket, bound_waits, peer_name

MAX_MESSAGE_BYTES = 4096
PROTOCOL_VERSION = 1
SUBPROTOCOL = "probedeck.v1"  # answered where it is offered: beside a token something must be
LOOK_EVERY_S = 1.0
PING_EVERY_S = 10.0
PONG_WITHIN_S = 20.0
GOODBYE_S = 1.0  # for the client's half of the closing handshake

blueprint = Blueprint("ws", __name__)
sock = Sock()
parser = StrictParser()


class _Nothing(list[Any]):
    """Where simple-websocket puts messages: clients send none that we read, so none is kept."""

    def append(self, _message: Any) -> None:
        pass


@blueprint.before_request
def prepare() -> None:
    """All that can be refused, before the upgrade; then hand simple-websocket a safe socket."""
    service = current_service()
    check_handshake()
    query = parser.parse(WebsocketQuerySchema, request, location="query", unknown="raise")
    g.probes, g.recent = known_probes(service, query.get("probe")), query["recent"]
    service.seats.take_for_request(current_caller())
    connection = request.environ["gunicorn.socket"]
    bound_waits(connection)
    g.peer, g.frames = peer_name(connection), FrameSocket(connection)
    request.environ["gunicorn.socket"] = g.frames
    # Offered compression is not taken: it would cost more than loopback saves.
    request.environ.pop("HTTP_SEC_WEBSOCKET_EXTENSIONS", None)


def check_handshake() -> None:
    """RFC 6455, 4.2.1; what is wrong raises 400 here and not an error in simple-websocket."""
    version = request.headers.get("Sec-WebSocket-Version", "")
    if version != "13":
        raise ProbedeckError(400, "bad_request", "Sec-WebSocket-Version must be 13.")
    try:
        key = base64.b64decode(request.headers.get("Sec-WebSocket-Key", ""), validate=True)
    except binascii.Error:
        key = b""
    if request.method != "GET" or len(key) != 16 or request.environ["SERVER_PROTOCOL"] < "HTTP/1.1":
        raise ProbedeckError(400, "bad_request", "Not a websocket handshake (RFC 6455).")
    # wsproto takes the request apart once more, and fails for text that HTTP itself allows.
    if not all(value.isascii() for value in request.headers.values()):
        raise ProbedeckError(400, "bad_request", "A header is not ASCII text.")


@sock.route("/ws", bp=blueprint)  # type: ignore[untyped-decorator]  # flask-sock has no types
@takes_query  # in `prepare`
def websocket(ws: Server) -> None:
    """Serve one client until it leaves, falls silent, stalls, or the service ends."""
    ws.input_buffer = _Nothing()
    service, caller = current_service(), current_caller()
    reason = CloseReason.INTERNAL_ERROR  # unless it ends in one of the ways below
    try:
        with service.hub.subscribe(
            kind="websocket", peer=g.peer, probes=g.probes, recent=g.recent
        ) as subscription:
            # Described after subscribing: no change of state falls between the two.
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
            ws.send(json.dumps(hello))
            reason = serve(ws, g.frames, subscription, caller)
    except HubClosed:
        reason = CloseReason.GOING_AWAY
    except (ConnectionClosed, LocalProtocolError):
        reason = CloseReason.NORMAL_CLOSURE  # the client closed while something was being sent
    finally:
        say_goodbye(ws, g.frames, reason)


def serve(
    ws: Server, frames: FrameSocket, subscription: Subscription, caller: Caller
) -> CloseReason:
    """Send what comes, and a ping now and then; returns why it ended."""
    pinged_at_s = frames.heard_at_s
    while ws.connected and not frames.lost:
        if not caller.is_still_let_in():
            return CloseReason.POLICY_VIOLATION
        for item in subscription.get(LOOK_EVERY_S):
            if isinstance(item, Batch):
                send_batch(ws, frames, item.data)
                if not frames.lost:
                    subscription.delivered(item)
            else:
                ws.send(json.dumps(item))
        now_s = time.monotonic()
        if frames.heard_at_s < pinged_at_s:  # that ping is not answered yet
            if now_s - pinged_at_s > PONG_WITHIN_S:
                return CloseReason.POLICY_VIOLATION
        elif now_s - pinged_at_s > PING_EVERY_S:
            pinged_at_s = now_s
            frames.send(ws.ws.send(Ping()))
    return CloseReason.NORMAL_CLOSURE


def send_batch(ws: Server, frames: FrameSocket, data: bytes) -> None:
    """As `ws.send`, without its copies. Raises ConnectionClosed when the closing has begun."""
    if ws.ws.state is not ConnectionState.OPEN:
        raise ConnectionClosed(ws.close_reason, ws.close_message)
    frames.send_binary(data)


def say_goodbye(ws: Server, frames: FrameSocket, reason: CloseReason) -> None:
    """Close from our side if need be, and leave no thread behind."""
    try:
        ws.close(reason)
    except (ConnectionClosed, LocalProtocolError):
        pass  # the client was first
    ws.thread.join(GOODBYE_S)  # ends on the client's close or end of file
    frames.close()
    ws.thread.join()
