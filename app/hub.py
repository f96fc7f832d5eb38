"""The hub: takes batches of rows from tracers, holds the recent ones, hands them to clients.

Knows no column. Neither bcc nor flask. Every queue is bounded in bytes; what a client
cannot take is dropped for that client only, counted, and told to it as a gap.
"""

from __future__ import annotations
