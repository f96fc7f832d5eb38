# SPDX-License-Identifier: Apache-2.0
"""Records to columns to Arrow: the only module that knows both bpf/record.c and the columns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from app.columns.column import Column
from app.columns.plan import Plan
from app.probes.modes import PATH_COLUMN
from app.tracer import text_columns
from app.tracer.any_records import Records, WallOffset
from app.tracer.arrow import Numbers, Stream
from app.tracer.decoders import error_names
from app.tracer.records import (
    CALL_MASK,
    CALLS,
    FIRST_RENAME,
    FOLDER_OPEN,
    NAME_CUT,
    NO_FOLDER,
    REPLACES,
)
from app.tracer.text_columns import Coded, Texts

_CALL_NAMES = text_columns.Table(CALLS)
_REPLACED = text_columns.Table(("", "unknown", "yes"))
# AT_REMOVEDIR of include/uapi/linux/fcntl.h, RENAME_WHITEOUT of fs.h.
_CALL_FLAGS = {"unlinkat": {0x200: "AT_REMOVEDIR"}, "renameat2": {4: "RENAME_WHITEOUT"}}


def encoder_of(probe: str, run: int, plan: Plan) -> Encoder:
    """Return what encodes the columns of a plan of these programs."""
    return Encoder(probe, plan.mode, run, [output.column for output in plan.outputs])


class Encoder:
    """Encodes records of one run of a probe as self-contained Arrow IPC streams."""

    def __init__(self, probe: str, mode: str, run: int, columns: Sequence[Column]) -> None:
        self._columns = columns
        self._wants_path = any(column.name == PATH_COLUMN for column in columns)
        self._stream = Stream({"probe": probe, "mode": mode, "run": str(run)}, columns)

    def encode(self, parts: Sequence[Records], wall_offset_ns: WallOffset) -> bytes:
        """Return the rows of all parts, ordered by entry time, as one Arrow IPC stream."""
        values = to_columns(parts, wall_offset_ns, wants_path=self._wants_path)
        wanted = [values[column.name] for column in self._columns]
        return self._stream.write(
            len(values["time"]),
            [Numbers(each) if isinstance(each, np.ndarray) else each for each in wanted],
        )


def to_columns(
    parts: Sequence[Records], wall_offset_ns: WallOffset, *, wants_path: bool
) -> dict[str, Any]:
    """Return all columns that records can yield: arrays of shape (n,), `Texts` or `Coded`.

    Without `wants_path`, `path` is the name.
    """
    entry = np.concatenate([part["entry_ns"] for part in parts])
    in_order = bool((entry[1:] >= entry[:-1]).all())
    order = None if in_order else np.argsort(entry, kind="stable")

    def put_in_order(values: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        return values if order is None else values[order]

    def column(name: str) -> np.ndarray[Any, Any]:
        return put_in_order(np.concatenate([part[name] for part in parts]))

    flags, ret = column("flags"), column("ret")
    call = flags & CALL_MASK
    replaced = np.where(call < FIRST_RENAME, 0, np.where(flags & REPLACES, 2, 1))
    readable = column("name_size") >= 0
    filename, path = _names(parts, order, flags, column("folder_size"), wants_path=wants_path)
    stamps = put_in_order(entry).astype(np.int64)
    return {
        "time": stamps + wall_offset_ns(stamps),
        "pid": column("pid"),
        "tid": column("tid"),
        "uid": column("uid"),
        "process": text_columns.distinct(column("process")),
        "comm": text_columns.distinct(column("comm")),
        "syscall": _CALL_NAMES.coded(call),
        "flags": _flag_names(call, column("call_flags")),
        "dfd": column("dfd"),
        "filename": replace(filename, valid=readable),
        "path": replace(path, valid=readable & (flags & NO_FOLDER == 0)),
        "replaced": _REPLACED.coded(replaced, replaced > 0),
        "ret": ret,
        "errno": error_names(ret),
        "latency_ns": column("latency_ns"),
    }


def _names(
    parts: Sequence[Records],
    order: np.ndarray[Any, Any] | None,
    flags: np.ndarray[Any, Any],
    folder_sizes: np.ndarray[Any, Any],
    *,
    wants_path: bool,
) -> tuple[Texts, Texts]:
    """Return each call's name as it was passed, and its path, if that is wanted.

    `flags` and `folder_sizes` are in `order`, as the result is.
    """
    both = text_columns.raw_parts(
        [
            (part["name"], part["folder_size"].astype(np.int32) + np.maximum(part["name_size"], 0))
            for part in parts
        ],
        order,
    )
    heads = folder_sizes.astype(np.int32)
    has_folders = bool(heads.any())
    names = text_columns.without_heads(both, heads) if has_folders else both
    cut, is_open = flags & NAME_CUT != 0, flags & FOLDER_OPEN != 0
    name = text_columns.as_utf8(names.offsets, names.data)
    name = text_columns.mark_missing(name, before=np.zeros_like(cut), after=cut)
    if not wants_path:
        return name, name
    both = text_columns.without_dots(both)
    path = text_columns.as_utf8(both.offsets, both.data)
    return name, text_columns.mark_missing(path, before=is_open, after=cut)


def _flag_names(call: np.ndarray[Any, Any], flags: np.ndarray[Any, Any]) -> Coded:
    """Return the names of each call's flags, or a number for unknown ones; null without flags."""
    is_set = flags != 0
    if not is_set.any():
        return text_columns.Table(("",)).coded(np.zeros(len(flags), dtype=np.int32), is_set)
    kinds, codes = np.unique(
        call.astype(np.uint64) << np.uint64(32) | flags, return_inverse=True
    )  # few, as programs rarely pass flags that are not defined
    table = text_columns.Table(
        tuple(_flag_text(int(kind) >> 32, int(kind) & 0xFFFFFFFF) for kind in kinds)
    )
    return table.coded(codes.reshape(-1), is_set)


def _flag_text(call: int, flags: int) -> str:
    known = _CALL_FLAGS.get(CALLS[call], {})
    words = [name for bit, name in known.items() if flags & bit]
    rest = flags & ~sum(known)
    return "|".join([*words, *([hex(rest)] if rest else [])])
