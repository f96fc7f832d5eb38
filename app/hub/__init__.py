# SPDX-License-Identifier: Apache-2.0
"""The hub: a bounded log of the batches that tracers send, read by clients at their own pace.

A batch is bytes and a number of rows; the hub knows no columns, neither BCC nor flask.
A client is a position in the log, not a queue of its own, so memory is bounded once,
whatever the number of clients. A client that connects late first reads the batches still in the
log and then the live ones, without gap or duplicate in between, because both come from one log.

Rows that a slow client can no longer be given are dropped for that client, counted, and reported
to it as a gap at the place where they are missing.

`Hub` is the only way in. It owns the one lock; the other classes of this package, but for the
public methods of `Subscription`, rely on their caller holding it.
"""

from app.hub.hub import Hub
from app.hub.items import ITEM_OVERHEAD_BYTES, Batch, Gap, Snapshot
from app.hub.ledger import Ledger
from app.hub.log import Excerpt
from app.hub.subscription import HubClosedError, Subscription

__all__ = [
    "ITEM_OVERHEAD_BYTES",
    "Batch",
    "Excerpt",
    "Gap",
    "Hub",
    "HubClosedError",
    "Ledger",
    "Snapshot",
    "Subscription",
]
