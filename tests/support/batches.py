# SPDX-License-Identifier: Apache-2.0
"""Arrow batches read back into rows, as the JSON of `GET /events` shows them."""

from __future__ import annotations

import io
import re
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

import nanoarrow as na
from nanoarrow.ipc import InputStream

Row = dict[str, Any]

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_RFC3339_NS = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)\.(\d{9})Z")


def time_ns(text: str) -> int:
    """Nanoseconds since 1970 of a time as events have it; AssertionError for any other form."""
    match = _RFC3339_NS.fullmatch(text)
    assert match, f"{text!r} is not a time in UTC with nine decimals"
    since = datetime.fromisoformat(match[1] + "+00:00") - _EPOCH
    return (since.days * 86400 + since.seconds) * 10**9 + int(match[2])


def time_text(ns: int) -> str:
    """Return a time in the form that `time_ns` reads."""
    seconds, rest = divmod(ns, 10**9)
    return f"{datetime.fromtimestamp(seconds, timezone.utc):%Y-%m-%dT%H:%M:%S}.{rest:09}Z"


@dataclass(frozen=True)
class Batch:
    """One binary frame of the websocket."""

    probe: str
    mode: str
    run: int
    number: int
    rows: list[Row]


def read_batch(frame: bytes) -> Batch:
    """Decode a self-contained Arrow IPC stream, which must hold exactly one batch."""
    with InputStream.from_readable(io.BytesIO(frame)) as stream:
        table = na.Array(stream)
    assert table.n_chunks == 1
    metadata = dict(table.schema.metadata.items())
    probe, mode = metadata[b"probe"].decode(), metadata[b"mode"].decode()
    columns = {
        field.name: _values(table.child(position), field)
        for position, field in enumerate(table.schema.fields)
    }
    names = ["time", "probe", "mode", *(name for name in columns if name != "time")]
    columns["probe"] = [probe] * len(table)
    columns["mode"] = [mode] * len(table)
    ordered = [columns[name] for name in names]
    return Batch(
        probe=probe,
        mode=mode,
        run=int(metadata[b"run"]),
        number=int(metadata[b"batch"]),
        rows=[dict(zip(names, values, strict=True)) for values in zip(*ordered, strict=True)],
    )


def _values(column: Any, field: Any) -> list[Any]:
    if field.type != na.Type.TIMESTAMP:
        return list(column.to_pylist())
    # Python's datetime has no nanoseconds: read the numbers.
    assert (field.unit, field.timezone) == (na.TimeUnit.NANO, "UTC")
    return [time_text(ns) for ns in memoryview(column.buffer(1))]
