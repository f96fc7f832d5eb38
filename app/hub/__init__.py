# SPDX-License-Identifier: Apache-2.0
"""The hub: a bounded log of the batches that tracers send, read by clients at their own pace."""

from app.hub.hub import (
    ITEM_OVERHEAD_BYTES,
    Batch,
    Gap,
    Held,
    Hub,
    HubClosed,
    Ledger,
    Subscription,
)

__all__ = [
    "ITEM_OVERHEAD_BYTES",
    "Batch",
    "Gap",
    "Held",
    "Hub",
    "HubClosed",
    "Ledger",
    "Subscription",
]
