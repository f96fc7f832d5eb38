# SPDX-License-Identifier: Apache-2.0
"""The OpenAPI document as a plain HTML page without a script.

None of the viewers that were tried is used: they need inline styles or `data:` images, which the
policy of app/web/response_headers.py forbids (docs/architecture.md, "A reference without a
viewer").
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from flask import Flask, Response, current_app, render_template

from app.web.api.blueprint import Blueprint

API = "probedeck.api"
METHODS = ("get", "post", "patch", "put", "delete")
LIMITS = (
    ("minimum", "at least"),
    ("maximum", "at most"),
    ("minItems", "items, at least"),
    ("maxItems", "items, at most"),
    ("enum", "one of"),
    ("default", "default"),
)
Node = dict[str, Any]

blueprint = Blueprint("reference", __name__, description="This document")


@blueprint.route("/api", methods=["GET"])
@blueprint.response(200, content_type="text/html", description="The reference as a page")
@blueprint.doc(security=[])
def reference() -> Response:
    """This document as a page to read."""
    document = current_app.extensions[API].spec.to_dict()
    page = render_template("api.html", document=document, groups=list(groups(document)))
    return Response(page, mimetype="text/html")


def add_reference(app: Flask, api: Any) -> None:
    app.extensions[API] = api


def groups(document: Node) -> Iterator[Node]:
    """Yield each tag with its operations, as the template shows them."""
    for tag in document["tags"]:
        operations = [
            operation_of(document, path, method, item[method])
            for path, item in document["paths"].items()
            for method in METHODS
            if tag["name"] in item.get(method, {}).get("tags", ())
        ]
        if operations:
            yield {**tag, "operations": operations}


def operation_of(document: Node, path: str, method: str, operation: Node) -> Node:
    body = operation.get("requestBody", {}).get("content", {}).get("application/json")
    parameters = operation.get("parameters", ())
    return {
        "id": f"{method}{path}".replace("/", "-").replace("{", "").replace("}", ""),
        "title": f"{method.upper()} {path}",
        "summary": operation.get("summary", ""),
        "description": operation.get("description", ""),
        "query": [
            member(document, each["name"], each["schema"], is_needed=each.get("required", False))
            for each in parameters
            if each.get("in") == "query"
        ],
        "body": list(members(document, body["schema"])) if body else [],
        "responses": [
            response(document, status, each)
            for status, each in sorted(operation["responses"].items())
            if status != "default"
        ],
        "needs": security(operation.get("security", document["security"])),
    }


def security(requirements: Any) -> str:
    """Describe the security schemes that are needed."""
    names = [" and ".join(each) for each in requirements if each]
    if not names:
        return "nothing"
    return " or ".join(names) + (", or nothing on the machine itself" if {} in requirements else "")


def response(document: Node, status: str, node: Node) -> Node:
    node = resolved(document, node)
    content = node.get("content", {})
    media_type = next(iter(content), "")
    schema = content.get(media_type, {}).get("schema")
    is_problem = "problem" in media_type
    return {
        "status": status,
        "description": node.get("description", ""),
        "media_type": media_type,
        "members": [] if schema is None or is_problem else list(members(document, schema)),
    }


def members(document: Node, schema: Node, path: str = "") -> Iterator[Node]:
    """Yield the members of a schema and of nested ones, each with its path: `filter.pid`."""
    schema = resolved(document, schema)
    if "items" in schema:
        yield from members(document, schema["items"], path + "[]" if path else "")
    for name, inner in schema.get("properties", {}).items():
        way = f"{path}.{name}" if path else name
        yield member(document, way, inner, is_needed=name in schema.get("required", ()))
        yield from members(document, inner, way)


def member(document: Node, name: str, schema: Node, *, is_needed: bool) -> Node:
    schema = resolved(document, schema)
    kind = schema.get("type", "object")
    if kind == "array":
        kind = f"list of {resolved(document, schema.get('items', {})).get('type', 'object')}"
    limits = [
        f"{words} {shown(schema[key])}" for key, words in LIMITS if schema.get(key) is not None
    ]
    if schema.get("exclusiveMinimum"):
        limits[0] = f"above {shown(schema['minimum'])}"
    return {
        "name": name,
        "type": kind + (" or null" if schema.get("nullable") else ""),
        "is_needed": is_needed,
        "limits": ", ".join(limits),
        "description": schema.get("description", ""),
    }


def shown(value: Any) -> str:
    """Format a value as in JSON."""
    if isinstance(value, list):
        return ", ".join(str(each) for each in value)
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value)


def resolved(document: Node, node: Node) -> Node:
    """Follow references; of a choice with null, return the other alternative."""
    if "$ref" in node:
        target: Any = document
        for part in node["$ref"].removeprefix("#/").split("/"):
            target = target[part]
        return resolved(document, target)
    for choice in ("anyOf", "allOf"):
        for each in node.get(choice, ()):
            if "$ref" in each:
                nullable = {"nullable": True} if node.get("nullable") or choice == "anyOf" else {}
                return {**resolved(document, each), **nullable}
    return node
