"""In-memory fakes of the hub and the probe manager, and batches as the tracer makes them.

They stand for the parts that the web tests do not test: no process, no kernel.
"""

from __future__ import annotations

import array
import io
import threading
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import nanoarrow as na
from nanoarrow import ipc

from app.config import Settings
from app.errors import ProbedeckError
from app.hub import Batch, HubClosed
from app.probes.modes import MODES
from app.probes.spec import Filter, ProbeSpec
from app.web.seats import Seats
from app.web.service import Service

FIXED = {
    "timestamp_ns": (na.timestamp("ns", "UTC"), "q"),
    "uint32": (na.uint32(), "I"),
    "int32": (na.int32(), "i"),
    "uint64": (na.uint64(), "Q"),
    "int64": (na.int64(), "q"),
}
QUEUE_BATCHES = 64


def arrow_batch(
    columns: Mapping[str, tuple[str, Sequence[Any]]], *, probe: str = "fexit", mode: str = "fexit"
) -> bytes:
    """A self-contained Arrow IPC stream; `columns` is name -> (type of columns.py, values)."""
    types = {name: na.string() if t == "text" else FIXED[t][0] for name, (t, _) in columns.items()}
    rows = len(next(iter(columns.values()))[1])
    schema = na.c_schema(na.struct(types)).modify(
        metadata={b"probe": probe.encode(), b"mode": mode.encode(), b"run": b"1", b"batch": b"0"}
    )
    children = [_column(kind, values) for kind, values in columns.values()]
    out = io.BytesIO()
    with ipc.StreamWriter.from_writable(out) as writer:
        writer.write_array(na.c_array_from_buffers(schema, rows, [None], children=children))
    return out.getvalue()


def _column(kind: str, values: Sequence[Any]) -> Any:
    validity = bytearray((len(values) + 7) // 8)
    for index, value in enumerate(values):
        validity[index >> 3] |= (value is not None) << (index & 7)
    nulls = sum(value is None for value in values)
    bits = bytes(validity) if nulls else None
    if kind != "text":
        arrow_type, code = FIXED[kind]
        data = array.array(code, [value or 0 for value in values])
        return na.c_array_from_buffers(arrow_type, len(values), [bits, data], null_count=nulls)
    offsets, text = array.array("i", [0]), b""
    for value in values:
        text += value if isinstance(value, bytes) else (value or "").encode()
        offsets.append(len(text))
    return na.c_array_from_buffers(
        na.string(), len(values), [bits, offsets, text], null_count=nulls
    )


def deletions(names: Sequence[str | bytes | None], *, probe: str = "fexit") -> bytes:
    """A batch of deletions of these names, with the columns of an exit mode."""
    count = len(names)
    return arrow_batch(
        {
            "time": ("timestamp_ns", [1_795_341_600_123_456_789 + i for i in range(count)]),
            "pid": ("uint32", [100] * count),
            "comm": ("text", ["rm"] * count),
            "filename": ("text", names),
            "ret": ("int64", [0] * count),
            "errno": ("text", [None] * count),
            "latency_ns": ("uint64", [1500] * count),
        },
        probe=probe,
        mode=probe,
    )


class FakeSubscription:
    """A fake of app.hub.Subscription: a bounded queue; what does not fit becomes a gap."""

    def __init__(self, hub: FakeHub, number: int, probes: frozenset[str] | None) -> None:
        self._hub, self.id, self._probes = hub, number, probes
        self._queue: deque[Batch | dict[str, Any]] = deque()
        self.delivered_rows = 0

    def __enter__(self) -> FakeSubscription:
        return self

    def __exit__(self, *_: object) -> None:
        with self._hub.changed:
            self._hub.subscriptions.remove(self)

    def put(self, item: Batch | dict[str, Any]) -> None:
        if isinstance(item, Batch) and self._probes is not None and item.probe not in self._probes:
            return
        if len(self._queue) < QUEUE_BATCHES:
            self._queue.append(item)

    def get(self, timeout_s: float) -> list[Batch | dict[str, Any]]:
        with self._hub.changed:
            self._hub.changed.wait_for(lambda: self._queue or self._hub.closed, timeout_s)
            if not self._queue and self._hub.closed:
                raise HubClosed
            items = list(self._queue)
            self._queue.clear()
            return items

    def delivered(self, batch: Batch) -> None:
        self.delivered_rows += batch.rows


class FakeHub:
    """A fake of app.hub.Hub that holds everything."""

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self.batches: list[Batch] = []
        self.evicted: list[Batch] = []
        self.subscriptions: list[FakeSubscription] = []
        self.next_seq = 0
        self.clients = 0
        self.closed = False

    def publish(self, data: bytes, rows: int, probe: str = "fexit", *, keep: bool = True) -> None:
        with self.changed:
            batch = Batch(self.next_seq, probe, rows, data)
            self.next_seq += 1
            if keep:
                self.batches.append(batch)
            for subscription in self.subscriptions:
                subscription.put(batch)
            self.changed.notify_all()

    def control(self, message: dict[str, Any]) -> None:
        with self.changed:
            for subscription in self.subscriptions:
                subscription.put(message)
            self.changed.notify_all()

    def evict(self, count: int) -> None:
        self.evicted += self.batches[:count]
        del self.batches[:count]

    def subscribe(
        self, *, kind: str, peer: str, probes: frozenset[str] | None, recent: bool
    ) -> FakeSubscription:
        with self.changed:
            if self.closed:
                raise HubClosed
            self.clients += 1
            subscription = FakeSubscription(self, self.clients, probes)
            if recent:
                for batch in self.batches:
                    subscription.put(batch)
            self.subscriptions.append(subscription)
            return subscription

    def recent(
        self, probes: frozenset[str] | None, *, after_seq: int | None = None
    ) -> tuple[list[Batch], int]:
        def wanted(batch: Batch) -> bool:
            return (probes is None or batch.probe in probes) and (
                after_seq is None or batch.seq > after_seq
            )

        missed = sum(b.rows for b in self.evicted if wanted(b)) if after_seq is not None else 0
        return [b for b in self.batches if wanted(b)], missed

    def close(self) -> None:
        with self.changed:
            self.closed = True
            self.changed.notify_all()


class FakeManager:
    """A fake of app.probes.manager.ProbeManager: five probes that trace nothing."""

    def __init__(self, hub: FakeHub) -> None:
        self.hub = hub
        self.specs: dict[str, ProbeSpec] = {}
        self.calls: list[tuple[Any, ...]] = []
        self.unavailable: dict[str, str] = {}
        self.closed = False

    def start_service(self) -> None:
        self.calls.append(("start_service",))

    def check_availability(self) -> None:
        self.calls.append(("check_availability",))

    def describe_all(self) -> dict[str, Any]:
        kernel = {"release": "6.1.0", "machine": "x86_64", "hostname": "lab"}
        return {"probes": [self.describe(name) for name in MODES], "kernel": kernel}

    def describe(self, probe_id: str) -> dict[str, Any]:
        if probe_id not in MODES:
            raise ProbedeckError(404, "unknown_probe", f"There is no probe {probe_id!r}.")
        spec = self.specs.get(probe_id)
        return {
            "id": probe_id,
            "mode": probe_id,
            "function": "do_unlinkat",
            "state": "running" if spec else "stopped",
            "available": probe_id not in self.unavailable,
            "reason": self.unavailable.get(probe_id),
            "hint": None,
            **(spec or ProbeSpec()).as_json(),
            "started_at": "2026-11-22T10:00:00.123456Z" if spec else None,
            "ended": None,
            "columns": [column.as_json() for column in MODES[probe_id].columns],
            "counters": {
                "produced": 0,
                "delivered": 0,
                "dropped_kernel": 0,
                "dropped_pipe": 0,
                "dropped_client": 0,
            },
            "drops": {"ring_full": 0, "stash_full": 0, "missed_return": 0, "recursion": 0},
            "clients": [],
        }

    def start(self, probe_id: str, spec: ProbeSpec) -> tuple[dict[str, Any], bool]:
        self.describe(probe_id)
        if probe_id in self.unavailable:
            raise ProbedeckError(
                501,
                "unavailable",
                "This kernel cannot.",
                reason=self.unavailable[probe_id],
                hint=None,
                alternatives=["tracepoint"],
            )
        running = self.specs.get(probe_id)
        if running is not None and running != spec:
            detail = "Another spec of this probe runs."
            raise ProbedeckError(409, "running_differently", detail, running=running.as_json())
        self.specs[probe_id] = spec
        return self.describe(probe_id), running is None

    def change_filter(self, probe_id: str, changes: Mapping[str, Any] | None) -> dict[str, Any]:
        self.calls.append(("change_filter", probe_id, changes))
        spec = self._running(probe_id)
        merged = Filter()
        if changes is not None:
            given = {**asdict(spec.filter), **changes}
            merged = Filter(**{k: v for k, v in given.items() if v is not None})
        self.specs[probe_id] = replace(spec, filter=merged)
        return self.describe(probe_id)

    def stop(self, probe_id: str) -> dict[str, Any]:
        self._running(probe_id)
        del self.specs[probe_id]
        return self.describe(probe_id)

    def _running(self, probe_id: str) -> ProbeSpec:
        self.describe(probe_id)
        if probe_id not in self.specs:
            raise ProbedeckError(404, "not_running", f"{probe_id} does not run.")
        return self.specs[probe_id]

    def close(self) -> None:
        self.closed = True


class FakeConnection:
    """A fake of the accepted socket, as far as the guard and the streams look at it."""

    def __init__(
        self,
        peer: tuple[str, int] = ("127.0.0.1", 40412),
        local: tuple[str, int] = ("127.0.0.1", 5000),
    ) -> None:
        self._peer, self._local = peer, local

    def getpeername(self) -> tuple[str, int]:
        return self._peer

    def getsockname(self) -> tuple[str, int]:
        return self._local

    def setsockopt(self, *_: object) -> None:
        pass

    def recv(self, *_: object) -> bytes:
        raise BlockingIOError

    def shutdown(self, _how: int) -> None:
        pass


def fake_service(settings: Settings | None = None, run_dir: Path | None = None) -> Service:
    """A service on fakes; `service.hub` and `service.manager` are the fakes."""
    settings = settings or Settings(owner_uid=1000)
    hub = FakeHub()
    seats = Seats(settings.max_websockets)
    return Service(settings, hub, FakeManager(hub), seats)  # type: ignore[arg-type]
