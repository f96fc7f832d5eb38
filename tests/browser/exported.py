# SPDX-License-Identifier: Apache-2.0
"""Exports saved from the page and read back, each by a reader that is not ours.

Rows are dictionaries as in `GET /events`; `time` is nanoseconds since 1970 where a format has a
type for times.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from arro3.core import DataType, Table
from arro3.io import read_ipc, read_parquet
from playwright.sync_api import Page, expect

Row = dict[str, Any]
ROWS = {"shown": "Filtered events", "held": "All events in memory"}


def export(page: Page, title: str, rows: str, folder: Path) -> Path:
    """Save `rows` ("shown" or "held") in the format of that title; the file under its own name."""
    page.get_by_role("button", name="Export", exact=True).click()
    dialog = page.get_by_role("dialog", name="Export events")
    dialog.get_by_label(ROWS[rows]).check()
    dialog.get_by_label(title).check()
    with page.expect_download() as download:
        dialog.get_by_role("button", name="Save").click()
    path = folder / download.value.suggested_filename
    download.value.save_as(path)
    expect(dialog.get_by_role("status")).to_contain_text(f"as {path.name}")
    dialog.get_by_role("button", name="Close").click()
    return path


def read_csv(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, strict=True))


def read_ndjson(path: Path) -> list[Row]:
    return [json.loads(line) for line in path.read_text("ascii").splitlines()]


def read_arrow(path: Path) -> tuple[dict[str, str], list[Row]]:
    """The columns' types, and the rows."""
    return _table(read_ipc(path).read_all())


def read_parquet_file(path: Path) -> tuple[dict[str, str], list[Row]]:
    return _table(read_parquet(path).read_all())


TYPED: dict[str, Callable[[Path], tuple[dict[str, str], list[Row]]]] = {
    "Arrow": read_arrow,
    "Parquet": read_parquet_file,
}


def _table(table: Table) -> tuple[dict[str, str], list[Row]]:
    schema = table.schema
    types = {name: _type_name(schema.field(name).type) for name in schema.names}
    columns = {}
    for name in schema.names:
        column = table.column(name)
        if types[name] == "timestamp_ns":
            column = column.cast(DataType.int64())  # Python's datetime has no nanoseconds
        columns[name] = [value.as_py() for value in column]
    rows = [
        dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)
    ]
    return types, rows


def _type_name(data_type: DataType) -> str:
    names = {
        "timestamp_ns": DataType.timestamp("ns", tz="UTC"),
        "uint32": DataType.uint32(),
        "int32": DataType.int32(),
        "uint64": DataType.uint64(),
        "int64": DataType.int64(),
        "bool": DataType.bool(),
        "text": DataType.string(),
    }
    return next((name for name, known in names.items() if known == data_type), str(data_type))
