# SPDX-License-Identifier: Apache-2.0
"""What can be traced: kernel functions, system calls and tracepoints."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from flask import Response, jsonify

from app.errors import ProbedeckError
from app.kernel.functions import Entry, FunctionIndex
from app.kernel.functions_query import QueryError, find, near_names, search
from app.probes.alternatives import alternatives
from app.probes.function_modes import entries_json
from app.web.api.blueprint import Blueprint
from app.web.api.function_schemas import (
    MAX_NAME,
    FunctionQuerySchema,
    FunctionSchema,
    FunctionsQuerySchema,
    FunctionsSchema,
)
from app.web.context import Service, current_service

blueprint = Blueprint("functions", __name__, description="What can be traced")


@blueprint.route("/functions", methods=["GET"])
@blueprint.arguments(FunctionsQuerySchema, location="query")
@blueprint.response(200, FunctionsSchema)
@blueprint.problems({503: "functions_not_ready"})
def functions(query: dict[str, Any]) -> Response:
    """Search kernel functions, system calls and tracepoints; each with its modes."""
    service = current_service()
    manager = service.manager
    index = manager.functions.current()
    try:
        hits = search(index, query["q"], query.get("kind"), query["limit"])
    except QueryError as error:
        manager.functions.check_current()
        fault = {"field": "q", "message": str(error), "near": error.near}
        raise ProbedeckError(422, "invalid", f"q: {error}", errors=[fault]) from error
    return jsonify(
        {
            "functions": described(hits.entries, index, service),
            "total": hits.total,
            "more": hits.total > len(hits.entries),
        }
    )


@blueprint.route("/functions/<string:name>", methods=["GET"])
@blueprint.arguments(FunctionQuerySchema, location="query")
@blueprint.response(200, FunctionSchema)
@blueprint.problems({404: "unknown_function", 503: "functions_not_ready"})
def function(query: dict[str, Any], name: str) -> Response:
    """One function, else system call, else tracepoint of this name; `kind` chooses."""
    service = current_service()
    manager = service.manager
    index = manager.functions.current()
    kind, module = query.get("kind"), query.get("module")
    entry = find(index, name, kind, module) if len(name) <= MAX_NAME else None
    if entry is None:
        manager.functions.check_current()
        near = near_names(index, name[:MAX_NAME], kind)
        where = f" in the module {module!r}" if module else ""
        guess = f"; did you mean {' or '.join(near)}?" if near else ""
        raise ProbedeckError(
            404,
            "unknown_function",
            f"this kernel has no {kind or 'function, system call or tracepoint'} "
            f"{name[:MAX_NAME]!r}{where}{guess}",
            near=near,
        )
    return jsonify(described([entry], index, service)[0])


def described(
    entries: Iterable[Entry], index: FunctionIndex, service: Service
) -> list[dict[str, Any]]:
    kernel, has = service.manager.kernel, service.preset_names.has
    working = kernel.working()
    return entries_json(
        entries, kernel.modes, lambda entry: alternatives(entry, index, working, has)
    )
