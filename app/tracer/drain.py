"""Moving records from the rings to the outbox, and keeping the books of it."""

from __future__ import annotations

from contextlib import ExitStack
from types import TracebackType

from app.frames import Outbox, TracerRequest
from app.probes.modes import MODES
from app.tracer.batches import Encoder
from app.tracer.clock import wall_offset_ns
from app.tracer.programs import Programs
from app.tracer.records import NAME_BYTES
from app.tracer.ring import Ring, slot_dtype

# Rows of a batch: large enough that its fixed cost does not count, small enough that a
# viewer's first rows come soon. Long names are taken few at a time (4 KiB each).
MOST_ROWS = {"ring_short": 8192, "ring_medium": 4096, "ring_long": 512}
# When the service takes nothing, records wait in the rings, where their loss is counted.
OUTBOX_BYTES = 8 << 20


class Drain:
    """The rings of a probe, read in batches. A context manager."""

    def __init__(self, request: TracerRequest, programs: Programs, outbox: Outbox) -> None:
        self._programs = programs
        self._encoder = Encoder(
            request.probe, request.mode, request.run, MODES[request.mode].columns
        )
        self._outbox = outbox
        self._stack = ExitStack()
        self._rings = {
            name: self._stack.enter_context(Ring(map_fd, size, slot_dtype(NAME_BYTES[name])))
            for name, (map_fd, size) in programs.rings().items()
        }
        self._reported: dict[str, object] = {}

    def __enter__(self) -> Drain:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
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
        if self._outbox.waiting_bytes > OUTBOX_BYTES:
            return 0
        parts = {name: ring.peek(MOST_ROWS[name]) for name, ring in self._rings.items()}
        filled = [part for part in parts.values() if len(part)]
        if not filled:
            return 0
        rows = sum(map(len, filled))
        self._outbox.batch(rows, self._encoder.encode(filled, wall_offset_ns()))
        for name, part in parts.items():
            self._rings[name].release(len(part))
        return rows

    def report(self, unfinished: int = 0) -> None:
        """Queue the totals, if they changed, behind the batches they count."""
        drops = {**self._programs.drops(), "unfinished": unfinished}
        dropped = sum(drops.values())
        delivered = self.consumed
        counters = {
            "produced": delivered + dropped,
            "delivered": delivered,
            "dropped_kernel": dropped,
            "dropped_pipe": 0,
            "drops": drops,
        }
        if counters != self._reported:
            self._outbox.message({"type": "counters", **counters})
            self._reported = counters
