# SPDX-License-Identifier: Apache-2.0
"""A fake probe manager, a fake connection, and batches as the tracer makes them.

They replace the parts that the web tests do not test, processes and kernel. The hub is real.
"""

from __future__ import annotations

import array
import io
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import nanoarrow as na
from nanoarrow import ipc

from app.columns.names import tables_as_json
from app.config import Settings
from app.errors import ProbedeckError
from app.hub import Hub
from app.kernel.availability import Availability
from app.kernel.functions import FunctionIndex
from app.kernel.kernel_types import KernelTypes
from app.presets.deletions.columns import columns_of
from app.presets.deletions.not_seen import not_seen
from app.probes.drops import NO_DROPS
from app.probes.kernel_check import KernelAnswer
from app.probes.modes import MODES, PREFERENCE
from app.probes.planning import prepare
from app.probes.spec import ProbeSpec
from app.web.context import Service
from app.web.stream_limit import StreamLimit
from tests.support.fake_planner import FakePlanner
from tests.support.function_index import write_index

FIXED = {
    "timestamp_ns": (na.timestamp("ns", "UTC"), "q"),
    "uint32": (na.uint32(), "I"),
    "int32": (na.int32(), "i"),
    "uint64": (na.uint64(), "Q"),
    "int64": (na.int64(), "q"),
}
MIB = 1 << 20


def arrow_batch(
    columns: Mapping[str, tuple[str, Sequence[Any]]],
    *,
    probe: str = "fexit",
    mode: str = "fexit",
    metadata: Mapping[str, Mapping[str, str]] | None = None,
) -> bytes:
    """A self-contained Arrow IPC stream; `columns` is name -> (type of columns.py, values).

    `metadata` is that of the fields, by name.
    """
    others = {"text": na.string(), "bool": na.bool_()}
    types = {name: others.get(t) or FIXED[t][0] for name, (t, _) in columns.items()}
    for name, members in (metadata or {}).items():
        types[name] = na.c_schema(types[name]).modify(metadata=members)
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
    if kind == "bool":
        packed = bytearray((len(values) + 7) // 8)
        for index, value in enumerate(values):
            packed[index >> 3] |= bool(value) << (index & 7)
        return na.c_array_from_buffers(
            na.bool_(), len(values), [bits, bytes(packed)], null_count=nulls
        )
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


class FakeFunctions:
    """A fake of app.probes.function_index.Functions: the index of a small kernel."""

    def __init__(self) -> None:
        self.is_ready = True
        self.is_made_again = False
        self._index: FunctionIndex | None = None

    def current(self) -> FunctionIndex:
        if not self.is_ready:
            detail = "There is no list of functions."
            raise ProbedeckError(503, "functions_not_ready", detail, retry_after_s=0.5)
        if self._index is None:
            with TemporaryDirectory() as folder:  # what is mapped remains when the files are gone
                self._index = write_index(Path(folder, "index"))
        return self._index

    def check_current(self) -> None:
        if self.is_made_again:
            detail = "There is no list of functions."
            raise ProbedeckError(503, "functions_not_ready", detail, retry_after_s=0.5)


class FakeManager:
    """A fake of app.probes.manager.ProbeManager: five probes that trace nothing, and those of
    other names that are started.
    """

    def __init__(self, hub: Hub) -> None:
        self.hub = hub
        self.functions = FakeFunctions()
        modes = {mode: Availability(True, "do_unlinkat") for mode in MODES}
        self.kernel = KernelAnswer("6.1.0", "x86_64", "lab", modes)
        self.specs: dict[str, ProbeSpec] = {}
        self.calls: list[tuple[Any, ...]] = []
        self.unavailable: dict[str, str] = {}
        self.remainders: dict[str, str] = {}
        self.changed_by: dict[str, dict[str, str]] = {}
        self.closed = False

    def start_service(self) -> None:
        self.calls.append(("start_service",))

    def check_availability(self) -> None:
        self.calls.append(("check_availability",))

    def describe_all(self) -> dict[str, Any]:
        kernel = {"release": "6.1.0", "machine": "x86_64", "hostname": "lab"}
        return {
            "probes": [self.describe(name) for name in dict.fromkeys((*MODES, *self.specs))],
            "kernel": kernel,
            "names": tables_as_json(),
        }

    def describe(self, probe_id: str) -> dict[str, Any]:
        spec = self.specs.get(probe_id)
        if probe_id not in MODES and spec is None:
            raise ProbedeckError(404, "unknown_probe", f"There is no probe {probe_id!r}.")
        given = spec or ProbeSpec()
        mode = given.mode or probe_id
        return {
            "id": probe_id,
            "mode": mode,
            "target": None if given.target is None else asdict(given.target),
            "function": given.target.name if given.target else "do_unlinkat",
            "expressions": None if given.columns is None else list(given.columns),
            "state": "running" if spec else "stopped",
            "available": probe_id not in self.unavailable,
            "reason": self.unavailable.get(probe_id),
            "hint": None,
            "filter": given.filter.as_json(),
            "where": given.where,
            "where_in_service": self.remainders.get(probe_id),
            "where_hints": [],
            "aggregate": None if given.aggregate is None else given.aggregate.as_json(),
            "duration_s": given.duration_s,
            "restart": given.restart,
            "restarts": 0,
            "started_at": "2026-11-22T10:00:00.123456Z" if spec else None,
            "ended": None,
            "blind": None,
            "not_seen": not_seen(mode, True),
            "changed_by": self.changed_by.get(probe_id),
            "columns": [column.as_json() for column in columns_of(mode)],
            "names": {},
            "counters": self.hub.counters(probe_id),
            "drops": NO_DROPS,
            "cost": None,
            "clients": self.hub.clients(probe_id),
        }

    def describe_forgotten(self) -> list[dict[str, Any]]:
        return []

    def describe_last(self, probe_id: str) -> dict[str, Any]:
        return self.describe(probe_id)

    def remainder(self, probe_id: str) -> str | None:
        return self.remainders.get(probe_id)

    def start(self, probe_id: str, spec: ProbeSpec, actor: str = "") -> tuple[dict[str, Any], bool]:
        if spec.target is None:
            self.describe(probe_id)
        spec = prepare(FakePlanner(), probe_id, spec, list(PREFERENCE)).spec
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
        self._change(probe_id, actor, "started")
        return self.describe(probe_id), running is None

    def change(self, probe_id: str, changes: Mapping[str, Any], actor: str = "") -> dict[str, Any]:
        self.calls.append(("change", probe_id, changes))
        spec = self._running(probe_id)
        if "where" in changes:
            spec = replace(spec, where=changes["where"])
        if "filter" in changes:
            spec = replace(spec, filter=spec.filter.merged(changes["filter"]))
        self.specs[probe_id] = spec
        self._change(probe_id, actor, "filter")
        return self.describe(probe_id)

    def stop(self, probe_id: str, actor: str = "") -> dict[str, Any]:
        spec = self._running(probe_id)
        self._change(probe_id, actor, "stopped")
        stopped = {**self.describe(probe_id), "state": "stopped"}
        del self.specs[probe_id]
        if probe_id in MODES:
            return self.describe(probe_id)
        assert spec.target is not None
        return stopped

    def _change(self, probe_id: str, who: str, what: str) -> None:
        self.changed_by[probe_id] = {"who": who, "what": what, "at": "2026-11-22T10:00:00.000000Z"}

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

    def getsockopt(self, *_: object) -> bytes:
        return b"\x01"  # TCP_INFO begins with the state: established

    def recv(self, *_: object) -> bytes:
        raise BlockingIOError

    def shutdown(self, _how: int) -> None:
        pass


COMPARED = {
    "target": {"kind": "function", "name": "vfs_read"},
    "calls": None,
    "untraced_ns_per_call": None,
    "modes": [
        {
            **dict.fromkeys(("reason", "hint", "rows", "lost", "missing", "slow_down")),
            **dict.fromkeys(("program_ns_per_call", "added_ns_per_call")),
            "mode": "fexit",
            "available": True,
        }
    ],
    "agree": None,
    "compared": [],
    "differences": [],
}


class FakeComparison:
    """A fake of app.compare.comparison.Comparison, which remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[Any, ...]] = []

    def compare(self, *asked: Any, actor: str, **_: Any) -> dict[str, Any]:
        self.asked.append((*asked, actor))
        return COMPARED


def fake_service(settings: Settings | None = None) -> Service:
    """A service with a fake manager."""
    settings = settings or Settings(owner_uid=1000)
    if settings.audit_log == Settings.audit_log:
        settings = replace(settings, audit_log=Path("/dev/null"))  # not this machine's
    hub = Hub(settings.recent_mib * MIB, settings.client_queue_mib * MIB)
    limit = StreamLimit(settings.max_websockets)
    types = KernelTypes(settings.btf_path)
    service = Service(settings, hub, FakeManager(hub), limit, types)  # type: ignore[arg-type]
    service.__dict__["comparison"] = FakeComparison()  # as cached_property keeps it
    return service


def publish(hub: Hub, names: Sequence[str | bytes | None], probe: str = "fexit") -> None:
    """One batch of deletions of these names."""
    hub.publish(hub.begin_run(probe), len(names), deletions(names, probe=probe))
