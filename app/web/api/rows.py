# SPDX-License-Identifier: Apache-2.0
"""Arrow batches as rows for JSON; decoded only where they are sent as JSON.

Works column by column on the buffers of the batch, whose layout is the Arrow columnar
format (https://arrow.apache.org/docs/format/Columnar.html); no numpy in this process.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from itertools import pairwise, repeat
from typing import Any

from nanoarrow import c_array_stream
from nanoarrow.ipc import InputStream

EPOCH = datetime(1970, 1, 1)
NS_PER_S = 1_000_000_000
INTEGERS = "cCsSiIlL"  # Arrow's formats of integers, of 8 to 64 bits
# The bits of a two's complement, by the column's type.
MASKS = {"uint32": 2**32 - 1, "int32": 2**32 - 1, "uint64": 2**64 - 1, "int64": 2**64 - 1}
TYPES = {"I": "uint32", "i": "int32", "L": "uint64", "l": "int64"}
CONSTANTS = ("probe", "mode")  # the same for all rows of a batch: metadata of its schema


def rows_of(data: bytes, start: int = 0, stop: int | None = None) -> Iterator[dict[str, Any]]:
    """Yield the rows `start` to `stop` of a self-contained Arrow IPC stream, in order.

    Members are in the order of the columns, with `probe` and `mode` after `time`. Raises
    ValueError for a column type that no probe has.
    """
    with InputStream.from_readable(data) as source:
        stream = c_array_stream(source)
        schema = stream.get_schema()
        names = [child.name for child in schema.children]
        kinds = [Kind(child) for child in schema.children]
        metadata = _metadata(schema)
        constants = {name: metadata.get(name, "") for name in CONSTANTS}
        passed = 0
        for array in stream:
            view = array.view()
            first = min(max(start - passed, 0), view.length)
            last = view.length if stop is None else min(max(stop - passed, 0), view.length)
            columns: dict[str, Iterable[Any]] = {}
            for index, (name, kind) in enumerate(zip(names, kinds, strict=True)):
                columns[name] = _values(view.child(index), kind, first, last)
                if name == "time":
                    columns.update((key, repeat(value)) for key, value in constants.items())
            keys = list(columns)
            for values in zip(*columns.values(), strict=False):  # constants have no end
                yield dict(zip(keys, values, strict=True))
            passed += view.length


def metadata_of(data: bytes) -> dict[str, str]:
    """Return the metadata of a stream's schema."""
    with InputStream.from_readable(data) as source:
        return _metadata(c_array_stream(source).get_schema())


def rfc3339(timestamps_ns: Iterable[int]) -> list[str]:
    """Format nanoseconds since 1970, UTC, by RFC 3339 with nine decimals; exact for every int64."""
    second, prefix = None, ""
    texts = []
    for timestamp_ns in timestamps_ns:
        seconds, nanoseconds = divmod(timestamp_ns, NS_PER_S)
        if seconds != second:  # rows are ordered by time: one conversion serves many
            second = seconds
            prefix = (EPOCH + timedelta(seconds=seconds)).isoformat()
        texts.append(f"{prefix}.{nanoseconds:09d}Z")
    return texts


class Kind:
    """A column's Arrow type and rendering (docs/protocol.md, "Types of columns")."""

    def __init__(self, field: Any) -> None:
        self.format: str = field.format
        self.is_coded = field.dictionary is not None
        metadata = _metadata(field)
        self.type = metadata.get("type") or TYPES.get(self.format, "")
        names = json.loads(metadata.get("value_names", "{}"))
        self.names = {int(value): name for value, name in names.items()}
        self.is_hex = metadata.get("render") == "hex"

    def shown(self, numbers: list[int]) -> Sequence[Any]:
        """Return numbers as JSON has them: digits beyond 2^53 survive where they are texts."""
        if self.is_hex:
            mask = MASKS[self.type]
            return [f"{number & mask:#x}" for number in numbers]
        return [self.names.get(number, number) for number in numbers] if self.names else numbers


def _metadata(schema: Any) -> dict[str, str]:
    metadata = schema.metadata
    return {key.decode(): value.decode() for key, value in metadata.items()} if metadata else {}


def _values(view: Any, kind: Kind, first: int, last: int) -> Sequence[Any]:
    first, last = first + view.offset, last + view.offset
    values: Sequence[Any]
    if kind.is_coded:
        texts = _texts(view.dictionary, 0, view.dictionary.length)
        values = [texts[code] for code in _numbers(view, first, last)]
    elif kind.format == "u":
        values = _texts(view, first, last)
    elif kind.format in INTEGERS:
        values = kind.shown(_numbers(view, first, last))
    elif kind.format == "tsn:UTC":
        values = rfc3339(_numbers(view, first, last))
    elif kind.format == "b":
        bits = memoryview(view.buffer(1))
        values = [bool(bits[i >> 3] >> (i & 7) & 1) for i in range(first, last)]
    else:
        raise ValueError(f"no probe has columns of the Arrow type {kind.format!r}")
    validity = memoryview(view.buffer(0))
    if not validity:
        return values
    return [
        value if validity[i >> 3] >> (i & 7) & 1 else None for i, value in enumerate(values, first)
    ]


def _numbers(view: Any, first: int, last: int) -> list[int]:
    numbers: list[int] = memoryview(view.buffer(1))[first:last].tolist()
    return numbers


def _texts(view: Any, first: int, last: int) -> list[str]:
    offsets = memoryview(view.buffer(1))[first : last + 1].tolist()
    data = bytes(memoryview(view.buffer(2))) if view.buffer(2).size_bytes else b""
    # The tracer sends valid UTF-8; should it ever not, a bad byte shows as \xNN as there.
    return [data[begin:end].decode("utf-8", "backslashreplace") for begin, end in pairwise(offsets)]
