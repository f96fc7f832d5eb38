# SPDX-License-Identifier: Apache-2.0
"""The decoders of a plan's outputs: from numbers and texts of records to a column, by name.

Which decoder takes what is documented in app/columns/types.py. A cell is null where a value or text
that it needs could not be read. A text of which the end was cut off, or the beginning of its path
is missing, has an ellipsis there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache, partial
from typing import Any

import numpy as np

from app.columns.names import MAX_ERRNO, error_name
from app.columns.plan import Output
from app.tracer import text_columns
from app.tracer.any_records import Batch, Mask
from app.tracer.arrow import TYPES, Numbers
from app.tracer.number_texts import Spans, decimal, hex_digits, join, spans_of
from app.tracer.socket_texts import socket_address, socket_pair
from app.tracer.text_columns import Coded, Texts

Column = Numbers | Texts | Coded  # the cells of one column
Decoder = Callable[[Batch, Output], Column]

ERROR_NAMES = text_columns.Table(("", *(error_name(code) for code in range(1, MAX_ERRNO + 1))))
# Of a longer table, a batch has the names of the numbers in it only.
SHORT_TABLE = 64
MINOR_BITS = 20  # of a dev_t in the kernel (include/linux/kdev_t.h)


def error_names(results: np.ndarray[Any, Any], valid: Mask | None = None) -> Coded:
    """Return the names of negated errno values among int64 numbers; others are invalid."""
    codes = np.where((results < 0) & (results >= -MAX_ERRNO), -results, 0)
    return ERROR_NAMES.coded(codes, _both(codes > 0, valid))


def _head(batch: Batch, output: Output) -> Column:
    """Return the head's member that has the column's name."""
    return _HEAD[output.column.name](batch)


def _number(batch: Batch, output: Output) -> Column:
    """Return a number, of the column's type."""
    (index,) = output.values
    values = batch.value(index).astype(TYPES[output.column.type][1])
    return Numbers(values, batch.readable(output.values))


def _name(batch: Batch, output: Output) -> Column:
    """Return a number, and the names of an enumeration's numbers."""
    number = _number(batch, output)
    assert isinstance(number, Numbers)
    return Numbers(number.values, number.valid, _names(number.values, output))


def _names(values: np.ndarray[Any, Any], output: Output) -> Mapping[int, str]:
    """Return all names of a short table, and of a longer one those that `values` need."""
    if len(output.names) <= SHORT_TABLE:
        return _table(output)
    table = _table(output)
    return {value: table[value] for value in np.unique(values).tolist() if value in table}


@cache
def _table(output: Output) -> Mapping[int, str]:
    """Return the names of an output's numbers: the same object at each call."""
    return dict(output.names)


def _label(batch: Batch, output: Output) -> Column:
    """Return the name of a number as a text; null where it has none."""
    (index,) = output.values
    numbers = batch.value(index)
    known = list(_table(output))
    table = text_columns.Table(("", *_table(output).values()))
    codes = np.zeros(batch.rows, dtype=np.int32)
    for code, number in enumerate(known, 1):
        codes[numbers == np.uint64(number)] = code
    return table.coded(codes, _both(codes > 0, batch.readable(output.values)))


def _flags(batch: Batch, output: Output) -> Column:
    """Return the names of the bits of a number, or a number for unknown ones; null without bits.

    Of two numbers, each of 32 bits, the first tells what the bits of the second mean: the numbers
    of the names have both.
    """
    kind, flags = (batch.value(index) & np.uint64(0xFFFFFFFF) for index in output.values)
    is_set = _both(flags != 0, batch.readable(output.values))
    kinds, codes = np.unique(kind << np.uint64(32) | flags, return_inverse=True)
    # Few, as programs rarely pass flags that are not defined.
    texts = tuple(_flag_text(int(each), _table(output)) for each in kinds)
    return text_columns.Table(texts or ("",)).coded(codes.reshape(-1), is_set)


def _flag_text(number: int, names: Mapping[int, str]) -> str:
    kind, flags = number >> 32, number & 0xFFFFFFFF
    known = {bit & 0xFFFFFFFF: name for bit, name in names.items() if bit >> 32 == kind}
    words = [name for bit, name in known.items() if flags & bit]
    rest = flags & ~sum(known)
    return "|".join([*words, *([hex(rest)] if rest else [])])


def _path_at(batch: Batch, output: Output) -> Column:
    """Return a path without the steps that lead nowhere."""
    (index,) = output.texts
    raw = text_columns.without_dots(batch.raw_text(index))
    texts = text_columns.as_utf8(raw.offsets, raw.data)
    return text_columns.mark_missing(_with(texts, raw.valid), **batch.cut(index))


def _bool(batch: Batch, output: Output) -> Column:
    """Return whether a number is not 0."""
    (index,) = output.values
    return Numbers(batch.value(index) != 0, batch.readable(output.values))


def _error(batch: Batch, output: Output) -> Column:
    """Return the name of an error that a number, or an error pointer, is."""
    (index,) = output.values
    return error_names(batch.value(index).view(np.int64), batch.readable(output.values))


def _since(batch: Batch, output: Output) -> Column:
    """Return the time from a moment of the monotonic clock to the entry, in nanoseconds."""
    (index,) = output.values
    moments = batch.value(index).view(np.int64)
    return Numbers(batch.entry_ns - moments, batch.readable(output.values))


def _device(batch: Batch, output: Output) -> Column:
    """Return `major:minor` of a dev_t."""
    (index,) = output.values
    return _with(join(batch.rows, *_device_texts(batch, index)), batch.readable(output.values))


def _inode(batch: Batch, output: Output) -> Column:
    """Return `ino on major:minor` of i_ino and s_dev."""
    number, device = output.values
    texts = join(batch.rows, decimal(batch.value(number)), " on ", *_device_texts(batch, device))
    return _with(texts, batch.readable(output.values))


def _list(batch: Batch, output: Output) -> Column:
    """Return `[1, 2]` of any number of numbers, signed where their reads are."""
    pieces: list[Spans | str] = []
    for index in output.values:
        values = batch.value(index)
        is_signed = batch.plan.values[index].signed
        pieces += [", " if pieces else "[", decimal(values.view(np.int64) if is_signed else values)]
    return _with(join(batch.rows, *pieces, "]"), batch.readable(output.values))


def _text(batch: Batch, output: Output) -> Column:
    """Return a text."""
    (index,) = output.texts
    raw = batch.raw_text(index)
    texts = text_columns.as_utf8(raw.offsets, raw.data)
    return text_columns.mark_missing(_with(texts, raw.valid), **batch.cut(index))


def _bytes(batch: Batch, output: Output) -> Column:
    """Return bytes as two hex digits each."""
    (index,) = output.texts
    return text_columns.mark_missing(hex_digits(batch.raw_text(index)), **batch.cut(index))


def _task(batch: Batch, output: Output) -> Column:
    """Return `comm (tgid)` of a task."""
    (tgid,), (comm,) = output.values, output.texts
    raw = batch.raw_text(comm)
    names = text_columns.as_utf8(raw.offsets, raw.data)
    texts = join(batch.rows, spans_of(names), " (", decimal(batch.value(tgid).view(np.int64)), ")")
    return _with(texts, _both(raw.valid, batch.readable(output.values)))


def _sock(batch: Batch, output: Output) -> Column:
    """Return addresses and ports of a socket."""
    family, ports, ipv4, *ipv6 = (batch.value(index) for index in output.values)
    texts = socket_pair(family, ports, ipv4, ipv6)
    return _with(texts, batch.readable(output.values))


def _sockaddr(batch: Batch, output: Output) -> Column:
    """Return address and port of a struct sockaddr."""
    (index,) = output.texts
    return socket_address(batch.raw_text(index))


def _device_texts(batch: Batch, index: int) -> tuple[Spans, str, Spans]:
    devices = batch.value(index).astype(np.uint32)
    minors = devices & np.uint32((1 << MINOR_BITS) - 1)
    return decimal(devices >> np.uint32(MINOR_BITS)), ":", decimal(minors)


def _with(texts: Texts, valid: Mask | None) -> Texts:
    return Texts(texts.offsets, texts.data, valid)


def _both(left: Mask | None, right: Mask | None) -> Mask | None:
    if left is None or right is None:
        return left if right is None else right
    return left & right


_HEAD: dict[str, Callable[[Batch], Column]] = {
    "time": lambda batch: Numbers(batch.wall_ns),
    **{
        name: partial(lambda batch, name: Numbers(batch.head(name)), name=name)
        for name in ("pid", "tid", "uid", "cpu", "ret", "latency_ns")
    },
    "process": lambda batch: text_columns.distinct(batch.head("process")),
    "comm": lambda batch: text_columns.distinct(batch.head("comm")),
    "errno": lambda batch: error_names(batch.head("ret")),
}
DECODERS: dict[str, Decoder] = {
    "head": _head,
    "number": _number,
    "hex": _number,
    "bool": _bool,
    "name": _name,
    "text": _text,
    "bytes": _bytes,
    "error": _error,
    "device": _device,
    "inode": _inode,
    "task": _task,
    "sock": _sock,
    "sockaddr": _sockaddr,
    "list": _list,
    "since": _since,
    "label": _label,
    "flags": _flags,
    "path_at": _path_at,
}
