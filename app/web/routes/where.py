# SPDX-License-Identifier: Apache-2.0
"""The query parameter `where`: a filter of events (docs/filters.md)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import cache
from typing import Any

from app.columns.column import Column
from app.filters import FilterFault, RowFilter, Vocabulary, hints_of, row_filter
from app.linux.user_names import user_number
from app.web.context import Service


def filter_of(
    service: Service, probes: frozenset[str] | None, where: str | None, *, is_live: bool = False
) -> RowFilter | None:
    """Return the test of rows of these probes (None: all) that `where` is, beside their own.

    It is None if it passes all rows; of a live stream it never is, as the probes' own may change.
    Raises ProbedeckError 422 `invalid`.
    """
    remainders = Remainders(service)
    described = _described(service, probes)
    if where is None:
        has_remainder = any(probe["where_in_service"] is not None for probe in described)
        return remainders if is_live or has_remainder else None
    try:
        asked = row_filter(where, vocabulary_of(described))
    except FilterFault as fault:
        raise fault.error("where", where) from None
    if asked is None:
        return remainders
    return lambda row: asked(row) and remainders(row)


def where_hints(
    service: Service, probes: frozenset[str] | None, where: str | None
) -> list[dict[str, Any]]:
    """Return the hints about a `where` that `filter_of` has accepted, as in docs/protocol.md."""
    if where is None:
        return []
    found = hints_of(where, vocabulary_of(_described(service, probes)))
    return [hint.as_json() for hint in found]


def _described(service: Service, probes: frozenset[str] | None) -> list[Mapping[str, Any]]:
    """Return these probes (None: all), also forgotten ones that there still are rows of."""
    manager = service.manager
    forgotten = [each for each in manager.describe_forgotten() if service.hub.holds(each["id"])]
    return [
        probe
        for probe in (*manager.describe_all()["probes"], *forgotten)
        if probes is None or probe["id"] in probes
    ]


class Remainders:
    """Tests rows by what their probe's programs do not test of its `where`, as that is now."""

    def __init__(self, service: Service) -> None:
        self._manager = service.manager
        self._tests: dict[str, tuple[str, RowFilter | None]] = {}

    def __call__(self, row: Mapping[str, Any]) -> bool:
        probe_id = row["probe"]
        text = self._manager.remainder(probe_id)
        if text is None:
            return True
        known = self._tests.get(probe_id)
        if known is None or known[0] != text:
            described = self._manager.describe_last(probe_id)
            test = row_filter(text, vocabulary_of([described] if described else []))
            known = self._tests[probe_id] = (text, test)
        return known[1] is None or known[1](row)


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
