# SPDX-License-Identifier: Apache-2.0
"""Moving records from the rings to the outbox, and keeping the books of it."""

from __future__ import annotations

import traceback
from collections.abc import Sequence
from contextlib import ExitStack

import numpy as np

from app.link.frames import Outbox, TracerRequest
from app.probes.drops import UNFINISHED
from app.probes.modes import MODES
from app.tracer.clock import WallClock
from app.tracer.cost import CostMeter
from app.tracer.decode import Encoder, Records
from app.tracer.programs import Programs
from app.tracer.records import NAME_BYTES
from app.tracer.rings import Ring, slot_dtype

# Rows of a batch: large enough that its fixed cost does not count, small enough that a
# viewer's first rows come soon. Long names are taken few at a time (4 KiB each).
MOST_ROWS = {"ring_short": 16384, "ring_medium": 4096, "ring_long": 512}
# When the service takes nothing, records wait in the rings, where their loss is counted.
OUTBOX_BYTES = 8 << 20


def in_order(peeked: Sequence[tuple[Records, bool]], before_ns: int) -> list[int]:
    """How many records of each ring to take, so that a thread's calls stay in order.

    Rings are looked at one after the other: a thread may have put a record into one that was
    looked at already, and its next into another. `before_ns` is the monotonic time before the
    first look. A record X that is left behind was written either after that, or behind
    all the records L that its ring gave. The same thread's next record has a later stamp than
    X's end, so later than `before_ns` or than each L: take nothing with a stamp beyond these.
    """
    cutoff = before_ns
    stamps = [view["entry_ns"] + view["latency_ns"] for view, _ in peeked]
    for stamp, (_, all_there) in zip(stamps, peeked, strict=True):
        if not all_there:
            cutoff = min(cutoff, int(stamp.max()) if len(stamp) else 0)
    return [
        int(np.argmax(late)) if (late := stamp > cutoff).any() else len(stamp) for stamp in stamps
    ]


class Drain:
    """The rings of a probe, read in batches. A context manager."""

    def __init__(self, request: TracerRequest, programs: Programs, outbox: Outbox) -> None:
        self._programs = programs
        self._encoder = Encoder(
            request.probe, request.mode, request.run, MODES[request.mode].columns
        )
        self._outbox = outbox
        self._clock = WallClock()
        self._stack = ExitStack()
        self._rings = {
            name: self._stack.enter_context(Ring(map_fd, size, slot_dtype(NAME_BYTES[name])))
            for name, (map_fd, size) in programs.rings().items()
        }
        self._cost = self._stack.enter_context(CostMeter(programs.run_time))
        self._reported: dict[str, object] = {}
        self._faults: set[str] = set()  # that were told
        self._lost_rows = False  # since the last report
        self.is_behind = False  # more was there than the last batch took
        self.fill = 0.0  # of the fullest ring, at the last look: 0 to 1

    def __enter__(self) -> Drain:
        return self

    def __exit__(self, *exc: object) -> None:
        self._stack.close()

    @property
    def consumed(self) -> int:
        return sum(ring.consumed for ring in self._rings.values())

    @property
    def produced(self) -> int:
        """Records in the rings since the start: the kernel's own count."""
        return sum(ring.produced for ring in self._rings.values())

    def once(self) -> int:
        """One batch of what is there; the number of rows. 0 too when the outbox is full."""
        self.is_behind, self.fill = False, 0.0
        self._clock.sample()
        if self._outbox.waiting_bytes > OUTBOX_BYTES:
            return 0
        self.fill = max(ring.fill for ring in self._rings.values())
        if not self.fill:
            return 0  # the common case, many times a second
        before_ns = self._clock.now_ns()
        peeked = [ring.peek(MOST_ROWS[name]) for name, ring in self._rings.items()]
        counts = in_order(peeked, before_ns)
        rows = sum(counts)
        if not rows:
            return 0  # all of it waits for a record that is still being written
        self.is_behind = any(
            len(view) == MOST_ROWS[name]
            for name, (view, _) in zip(self._rings, peeked, strict=True)
        )
        filled = [view[:count] for (view, _), count in zip(peeked, counts, strict=True) if count]
        self._send(rows, filled)
        for ring, count in zip(self._rings.values(), counts, strict=True):
            ring.release(count)
        if self._lost_rows:
            self._lost_rows = False
            self.report()  # here, as this is where the rows are missing
        return rows

    def _send(self, rows: int, records: Sequence[Records]) -> None:
        """Queue the rows. Where that cannot be done they are lost, and the probe goes on.

        The service counts them as lost on the way to it, by the totals: consumed, and not received.
        """
        try:
            data = self._encoder.encode(records, self._clock.offset_ns)
        except Exception as error:  # noqa: BLE001 - whatever a record may cause costs its batch
            cause = f"{type(error).__name__} at {_place(error)}"
            if cause not in self._faults:  # told once: it may happen to every batch
                self._faults.add(cause)
                text = "".join(traceback.format_exception(error))
                self._outbox.message({"type": "fault", "rows": rows, "traceback": text})
            self._lost_rows = True
        else:
            self._outbox.batch(rows, data)

    def report(self, unfinished: int = 0) -> None:
        """Queue the totals, if they changed, behind the batches they count."""
        drops = {**self._programs.drops(), UNFINISHED: unfinished}
        dropped = sum(drops.values())
        delivered = self.consumed
        counters = {
            "produced": delivered + dropped,
            "delivered": delivered,
            "dropped_kernel": dropped,
            "dropped_pipe": 0,
            "drops": drops,
            "cost": self._cost.measure(),
        }
        if counters != self._reported:
            self._outbox.message({"type": "counters", **counters})
            self._reported = counters


def _place(error: Exception) -> str:
    """Where an exception was raised."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return f"{frame.filename}:{frame.lineno}"
