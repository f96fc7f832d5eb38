# SPDX-License-Identifier: Apache-2.0
"""The fields that an expression can continue with."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from flask import Response, jsonify

from app.btf.format import BtfError
from app.columns.expression import ExpressionError
from app.columns.field_level import level_at
from app.columns.subject import Subject, subject_of
from app.columns.trace_target import FUNCTION, KINDS, SYSCALL, TRACEPOINT, Target
from app.errors import ProbedeckError
from app.kernel.kernel_types import KernelTypes
from app.web.api.blueprint import Blueprint
from app.web.api.requests import FieldsQuerySchema
from app.web.api.responses import LevelSchema
from app.web.context import current_service

MAX_NAME = 128

blueprint = Blueprint("fields", __name__, description="Fields of arguments and return values")


@blueprint.route("/functions/<string:name>/fields", methods=["GET"])
@blueprint.arguments(FieldsQuerySchema, location="query")
@blueprint.response(200, LevelSchema)
@blueprint.problems({404: "unknown_function", 501: "unavailable"})
def fields(query: dict[str, Any], name: str) -> Response:
    """The level below an expression, of a function, system call or tracepoint."""
    at = query["at"]
    try:
        subject = find_subject(
            current_service().kernel_types, name, query.get("kind"), query.get("module")
        )
        level = level_at(subject, at)
    except ExpressionError as error:
        fault = {
            "field": "at",
            "message": error.message,
            "position": error.position,
            "near": list(error.near),
        }
        raise ProbedeckError(422, "invalid", f"at: {error.message}", errors=[fault]) from None
    except (OSError, BtfError) as error:
        raise ProbedeckError(
            501,
            "unavailable",
            "The kernel's types cannot be read.",
            reason=str(error),
            hint="It needs a kernel with CONFIG_DEBUG_INFO_BTF, and tracefs for tracepoints.",
        ) from error
    kind = subject.hook.kind
    return jsonify({"name": name, "kind": kind, "at": at, **asdict(level)})


def find_subject(
    types: KernelTypes, name: str, kind: str | None = None, module: str | None = None
) -> Subject:
    """Return what has this name: a function, else a system call, else a tracepoint.

    `kind` is the only one to search for, `module` that of a function. Raises ProbedeckError 404
    `unknown_function`, OSError, BtfError.
    """
    name = name[: MAX_NAME + 1]
    kinds = KINDS if kind is None else (kind,)
    found = types.of_function(name, module) if FUNCTION in kinds else None
    if found:
        btf, home = found
        return subject_of(btf, Target(FUNCTION, name, module=home), "kretprobe")
    reason = f"this kernel has no {' or '.join(kinds)} {name[:MAX_NAME]!r}"
    near: list[str] = []
    for each in (SYSCALL, TRACEPOINT):
        if each in kinds:
            try:
                return subject_of(types.btf(), Target(each, name), "tracepoint")
            except ProbedeckError as error:
                near += error.extra["errors"][0].get("near", [])
    guess = f"; did you mean {' or '.join(near)}?" if near else ""
    raise ProbedeckError(404, "unknown_function", f"{reason}{guess}", near=near)
