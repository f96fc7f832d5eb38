# SPDX-License-Identifier: Apache-2.0
"""Moving records from the rings to the outbox, and counting them."""

from __future__ import annotations

import traceback
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from typing import Any, Protocol

import numpy as np

from app.link.frames import Outbox
from app.probes.drops import UNFINISHED
from app.tracer.any_records import Records, WallOffset
from app.tracer.clock import WallClock
from app.tracer.cost import CostMeter, RunTime
from app.tracer.rings import Ring

# Rows of a batch from each ring: large enough that its fixed cost does not matter, small enough
# that a client's first rows come soon. A long record has 4 or 8 KiB.
MAX_ROWS = {"ring_short": 16384, "ring_medium": 4096, "ring_large": 2048, "ring_long": 512}
# With more queued than this, records stay in the rings, where their loss is counted.
OUTBOX_BYTES = 8 << 20


def takeable(peeked: Sequence[tuple[Records, bool]], before_ns: int) -> list[int]:
    """Return how many records of each ring to take, so that a thread's calls stay in order.

    Rings are polled in turn, so a thread's later record may be visible while its earlier one, in a
    ring polled before, is not. To keep each thread in order, take only records that completed
    before polling began, which was at `before_ns`, and before the last record taken from any ring
    that still has more. A record completes at its entry plus its latency.
    """
    cutoff = before_ns
    stamps = [view["entry_ns"] + view["latency_ns"] for view, _ in peeked]
    for stamp, (_, is_all) in zip(stamps, peeked, strict=True):
        if not is_all:
            cutoff = min(cutoff, int(stamp.max()) if len(stamp) else 0)
    return [
        int(np.argmax(late)) if (late := stamp > cutoff).any() else len(stamp) for stamp in stamps
    ]


class Encoder(Protocol):
    """Makes one batch for clients from the records of several rings."""

    def encode(self, parts: Sequence[Records], wall_offset_ns: WallOffset) -> bytes: ...


class RingSource(Protocol):
    """A set of programs that writes records."""

    def rings(self) -> dict[str, tuple[int, int]]: ...


class Source(RingSource, Protocol):
    """The programs whose records are read (app/tracer/attached_programs.py)."""

    def drops(self) -> dict[str, int]: ...
    def run_time(self) -> RunTime: ...


class _Part:
    """The rings of one set of programs, and what encodes their records."""

    def __init__(
        self, source: RingSource, encoder: Encoder, slots: Mapping[str, np.dtype[Any]]
    ) -> None:
        self.encoder = encoder
        with ExitStack() as stack:
            self.rings = {
                name: stack.enter_context(Ring(map_fd, size, slots[name]))
                for name, (map_fd, size) in source.rings().items()
            }
            self.close = stack.pop_all().close


class Drain:
    """Reads the rings of a probe in batches. A context manager.

    `slots` has the type of the records in each ring of `programs`, with their header.
    """

    def __init__(
        self,
        programs: Source,
        outbox: Outbox,
        encoder: Encoder,
        slots: Mapping[str, np.dtype[Any]],
    ) -> None:
        self._programs = programs
        self._outbox = outbox
        self._clock = WallClock()
        self._stack = ExitStack()
        self._parts: list[_Part] = []
        self._removed = 0  # records of rings that are no longer read
        self.add(programs, encoder, slots)
        self._cost = self._stack.enter_context(CostMeter(programs.run_time))
        self._reported: dict[str, object] = {}
        self._faults: set[str] = set()  # already reported
        self._lost_rows = False  # since the last report
        self.is_behind = False  # the last batch did not take all
        self.occupancy = 0.0  # of the fullest ring at the last poll: 0 to 1

    def __enter__(self) -> Drain:
        return self

    def __exit__(self, *exc: object) -> None:
        self._stack.close()
        for part in self._parts:
            part.close()

    def add(self, source: RingSource, encoder: Encoder, slots: Mapping[str, np.dtype[Any]]) -> None:
        """Also read these rings; of each thread their records follow those of the rings before."""
        self._parts.append(_Part(source, encoder, slots))

    def encode_by(self, encoder: Encoder) -> None:
        """Make the batches of the rings that were added first by another encoder from now on."""
        self._parts[0].encoder = encoder

    def is_empty(self, place: int) -> bool:
        """Whether all records of the rings that were added at this place have been read."""
        rings = self._parts[place].rings.values()
        return all(ring.consumed == ring.produced for ring in rings)

    def remove(self, place: int) -> None:
        """Stop reading the rings at this place; their records stay counted."""
        part = self._parts.pop(place)
        self._removed += sum(ring.consumed for ring in part.rings.values())
        part.close()

    def _rings(self) -> list[tuple[str, Ring]]:
        return [each for part in self._parts for each in part.rings.items()]

    @property
    def consumed(self) -> int:
        return self._removed + sum(ring.consumed for _, ring in self._rings())

    @property
    def produced(self) -> int:
        """Records put into the rings since the start, by the kernel's count."""
        return self._removed + sum(ring.produced for _, ring in self._rings())

    def poll(self) -> int:
        """Queue one batch of available records; return the number of rows.

        With a full outbox it takes none.
        """
        self.is_behind, self.occupancy = False, 0.0
        self._clock.sample()
        if self._outbox.queued_bytes > OUTBOX_BYTES:
            return 0
        self.occupancy = max(ring.occupancy for _, ring in self._rings())
        if not self.occupancy:
            return 0  # the common case, many times a second
        # Not later: the clock may have been set since, which only the next sample shows.
        before_ns = self._clock.sampled_ns
        rings = self._rings()
        peeked = [ring.peek(MAX_ROWS[name]) for name, ring in rings]
        counts = takeable(peeked, before_ns)
        rows = sum(counts)
        if not rows:
            return 0  # all are after one that is still being written
        self.is_behind = any(
            len(view) == MAX_ROWS[name] for (name, _), (view, _) in zip(rings, peeked, strict=True)
        )
        taken = iter([view[:count] for (view, _), count in zip(peeked, counts, strict=True)])
        for part in self._parts:
            records = [each for each in (next(taken) for _ in part.rings) if len(each)]
            if records:
                self._send(part.encoder, records)
        for (_, ring), count in zip(rings, counts, strict=True):
            ring.release(count)
        if self._lost_rows:
            self._lost_rows = False
            self.report()  # here, where the rows are missing
        return rows

    def _send(self, encoder: Encoder, records: Sequence[Records]) -> None:
        """Queue the rows. If they cannot be encoded they are lost, and the probe continues.

        The service counts them as lost on the way to it, as the totals have more rows than arrived.
        """
        rows = sum(len(each) for each in records)
        try:
            data = encoder.encode(records, self._clock.offset_ns)
        except Exception as error:  # noqa: BLE001 - a bad record costs its batch, not the probe
            cause = f"{type(error).__name__} at {_location(error)}"
            if cause not in self._faults:  # reported once, as it may happen to every batch
                self._faults.add(cause)
                text = "".join(traceback.format_exception(error))
                self._outbox.message({"type": "fault", "rows": rows, "traceback": text})
            self._lost_rows = True
        else:
            self._outbox.batch(rows, data)

    def report(self, unfinished: int = 0) -> None:
        """Queue the totals, if they changed, after the batches they count."""
        drops = {UNFINISHED: 0, **self._programs.drops()}
        drops[UNFINISHED] += unfinished
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


def _location(error: Exception) -> str:
    """Return where an exception was raised."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return f"{frame.filename}:{frame.lineno}"
