# SPDX-License-Identifier: Apache-2.0
"""The JSON of probes (docs/protocol.md), declared once.

mypy checks `app.probes.describe` against these types, and `app.web.api.responses` makes the
schemas of the OpenAPI document from them: `Annotated` adds a member's description.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypedDict


class _EndRequired(TypedDict):
    code: str
    detail: str
    at: str


class EndJson(_EndRequired, total=False):
    """How the last run ended, and when it is started again."""

    reason: str
    restart_at: str


class ChangeJson(TypedDict):
    """The last change that somebody asked for."""

    who: str
    what: Literal["started", "stopped", "filter", "columns"]
    at: str


class CostJson(TypedDict):
    """Time inside the BPF programs, measured by the kernel over the last `calls` it counted."""

    calls: int
    ns_per_call: float


class BlindJson(TypedDict):
    """The programs of a running probe are attached, but the kernel does not run them."""

    since: str
    reason: str
    hint: str


class TargetJson(TypedDict):
    """What is traced instead of the default."""

    kind: str  # app.probes.spec.Target
    name: str


class HintJson(TypedDict):
    """How a filter was understood, and filters that may have been meant."""

    message: str
    fixes: list[str]


class ProbeJson(TypedDict):
    id: str
    mode: str
    target: TargetJson | None
    function: str | None
    expressions: Annotated[
        list[str] | None,
        "The expressions (docs/columns.md) that `columns` are made of; null without a target, or "
        "for all arguments",
    ]
    state: str
    available: bool
    reason: str | None
    hint: str | None
    filter: dict[str, Any]  # app.probes.spec.Filter
    where: Annotated[str | None, "The filter in the language of docs/filters.md"]
    where_in_service: Annotated[str | None, "The part of it that the kernel does not test"]
    where_hints: Annotated[list[HintJson], "How it was understood, where that may surprise"]
    aggregate: Annotated[
        dict[str, Any] | None, "What is counted instead of showing each call, as in its start"
    ]
    duration_s: float | None
    restart: bool
    restarts: int
    started_at: str | None
    ended: EndJson | None
    blind: BlindJson | None
    not_seen: Annotated[list[str], "What the preset does not show in this mode"]
    changed_by: ChangeJson | None
    columns: list[dict[str, Any]]  # app.columns.column.Column
    names: dict[str, list[dict[str, Any]]]  # tables that only this probe's columns refer to
    counters: dict[str, int]  # app.hub.Ledger
    drops: dict[str, int]  # app.probes.drops
    cost: CostJson | None
    clients: list[dict[str, Any]]  # app.hub.Hub.clients


class KernelJson(TypedDict):
    release: str
    machine: str
    hostname: str


class ProbesJson(TypedDict):
    probes: list[ProbeJson]
    kernel: KernelJson
    names: dict[str, list[dict[str, Any]]]  # app.columns.names.Name
