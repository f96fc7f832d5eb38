# SPDX-License-Identifier: Apache-2.0
"""The query parameter `where`: a filter of events (docs/filters.md)."""

from __future__ import annotations

import pwd
from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import cache
from typing import Any

from app.columns.column import Column
from app.filters import FilterFault, RowFilter, Vocabulary, row_filter
from app.web.context import Service

MAX_USER_NAME = 256  # LOGIN_NAME_MAX


def filter_of(
    service: Service, probes: frozenset[str] | None, where: str | None
) -> RowFilter | None:
    """Return the test of rows of these probes (None: all) that `where` is; None for no test.

    Raises ProbedeckError: 422 `invalid`, or 404 for a probe that has been deleted.
    """
    if where is None:
        return None
    described: Iterable[Mapping[str, Any]] = (
        service.manager.describe_all()["probes"]
        if probes is None
        else [service.manager.describe(probe_id) for probe_id in sorted(probes)]
    )
    try:
        return row_filter(where, vocabulary_of(described))
    except FilterFault as fault:
        raise fault.error("where", where) from None


def vocabulary_of(probes: Iterable[Mapping[str, Any]]) -> Vocabulary:
    """Return what a filter of rows of these probes may name."""
    columns: dict[Column, None] = {}
    tables: dict[str, dict[int, str]] = {}
    for probe in probes:
        own = probe.get("names") or {}
        for members in probe["columns"]:
            column = Column(**members)
            if column.names in own:
                # Another probe may call another table the same.
                entries = {entry["value"]: entry["name"] for entry in own[column.names]}
                table = f"{probe['id']} {column.names}"
                tables[table] = entries
                column = replace(column, names=table)
            columns[column] = None
    return Vocabulary.of(columns, tables, cache(user_number))


def user_number(name: str) -> int | None:
    """Return the number of a user of this machine, from the sources of nsswitch.conf(5)."""
    if len(name) > MAX_USER_NAME or not name.isprintable():
        return None
    try:
        return pwd.getpwnam(name).pw_uid
    except KeyError:
        return None
