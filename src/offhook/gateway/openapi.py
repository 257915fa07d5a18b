"""The OpenAPI 3.1 document of REST, from the same structs and the same table that serve it; and its page. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import Any, TypeAlias

import msgspec
from msgspec import Struct

from offhook import __version__
from offhook.gateway.resources import (
    Agents,
    AgentView,
    Calls,
    CallsQuery,
    DialogId,
    Extension,
    HistoryQuery,
    NoQuery,
    Problem,
    Records,
    StartCall,
    Started,
)

Json: TypeAlias = dict[str, Any]
BASE = "/api/v1"
_REF = "#/components/schemas/"


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One method of one path. `gives` None: an answer without a body."""

    name: str
    method: str
    path: str
    summary: str
    gives: type[Struct] | None
    status: int = 200
    takes: type[Struct] | None = None
    query: type[Struct] = NoQuery
    acts: bool = False
    """It changes something: a supervisor may do it for its own extension alone."""


OPERATIONS = (
    Operation(name="listAgents", method="GET", path="/agents", summary="The agents that are logged in", gives=Agents),
    Operation(name="readAgent", method="GET", path="/agents/{extension}", summary="One of them", gives=AgentView),
    Operation(
        name="startCall",
        method="POST",
        path="/agents/{extension}/calls",
        summary="Have an agent call a number",
        takes=StartCall,
        gives=Started,
        status=201,
        acts=True,
    ),
    Operation(
        name="hangUp",
        method="DELETE",
        path="/agents/{extension}/calls/{id}",
        summary="End a call of an agent, or refuse it while it rings",
        gives=None,
        status=204,
        acts=True,
    ),
    Operation(name="listCalls", method="GET", path="/calls", summary="Live calls", query=CallsQuery, gives=Calls),
    Operation(
        name="readHistory",
        method="GET",
        path="/history",
        summary="Calls that are over, the latest first, as far as this process remembers them",
        query=HistoryQuery,
        gives=Records,
    ),
)

PROBLEMS = {
    400: "The request is not well formed",
    401: "There is no valid token",
    403: "The token's role does not allow it",
    404: "There is no such agent or call, or it is not of the token's tenant",
    409: "The call is not in a state in which this can be done, or the server refused it",
    413: "The body is too large",
    415: "The body is not application/json",
    422: "A value is not possible; `field` names it",
    429: "Too many requests; Retry-After says when to try again",
    500: "A bug of the gateway",
    503: "The server cannot be reached, or the gateway is being stopped",
    504: "The outcome did not become known in time",
}


def document() -> Json:
    """The whole document."""
    kinds = [Problem, *(kind for operation in OPERATIONS for kind in (operation.gives, operation.takes) if kind)]
    schemas = msgspec.json.schema_components(kinds, ref_template=_REF + "{name}")[1]
    paths: Json = {}
    for operation in OPERATIONS:
        paths.setdefault(BASE + operation.path, {})[operation.method.lower()] = _operation(operation)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Offhook for the back office",
            "version": __version__,
            "description": "Needs a token (JWT) of a configured key. Role service: all agents of its tenant; "
            "supervisor: reads all of its tenant, acts for its own extension; agent: its own extension.",
        },
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}},
            "responses": {
                str(status): {
                    "description": text,
                    "content": {"application/problem+json": {"schema": {"$ref": _REF + "Problem"}}},
                }
                for status, text in PROBLEMS.items()
            },
        },
        "security": [{"token": []}],
    }


def _operation(operation: Operation) -> Json:
    responses: Json = {str(operation.status): {"description": "Done"}}
    if operation.gives is not None:
        schema = {"$ref": _REF + operation.gives.__name__}
        responses[str(operation.status)]["content"] = {"application/json": {"schema": schema}}
    responses |= {str(status): {"$ref": f"#/components/responses/{status}"} for status in PROBLEMS}
    made: Json = {
        "operationId": operation.name,
        "summary": operation.summary,
        "parameters": [*_path_parameters(operation.path), *_query_parameters(operation.query)],
        "responses": responses,
    }
    if operation.takes is not None:
        schema = {"$ref": _REF + operation.takes.__name__}
        made["requestBody"] = {"required": True, "content": {"application/json": {"schema": schema}}}
    return made


def _path_parameters(path: str) -> list[Json]:
    return [
        {"name": name, "in": "path", "required": True, "schema": msgspec.json.schema(kind)}
        for name, kind in (("extension", Extension), ("id", DialogId))
        if f"{{{name}}}" in path
    ]


def _query_parameters(kind: type[Struct]) -> list[Json]:
    shape = msgspec.json.schema_components([kind])[1][kind.__name__]
    return [
        {"name": name, "in": "query", "required": False, "schema": schema}
        for name, schema in shape["properties"].items()
    ]


def page() -> str:
    """The document for people: one table, no script."""
    rows = []
    for operation in OPERATIONS:
        takes = "" if operation.takes is None else f"<code>{operation.takes.__name__}</code>"
        gives = "" if operation.gives is None else f"<code>{operation.gives.__name__}</code>"
        query = ", ".join(f"<code>{field.name}</code>" for field in msgspec.structs.fields(operation.query))
        rows.append(
            f"<tr><td><code>{operation.method} {escape(BASE + operation.path)}</code></td>"
            f"<td>{escape(operation.summary)}</td><td>{query}</td><td>{takes}</td>"
            f"<td>{operation.status} {gives}</td></tr>"
        )
    shapes = "".join(_shape(name, shape) for name, shape in sorted(document()["components"]["schemas"].items()))
    problems = "".join(f"<tr><td>{status}</td><td>{escape(text)}</td></tr>" for status, text in PROBLEMS.items())
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>Offhook REST</title>'
        f"<h1>Offhook {__version__} for the back office</h1><p>{escape(document()['info']['description'])} "
        '<a href="/api/openapi.json">openapi.json</a></p>'
        "<table><thead><tr><th>Request</th><th></th><th>Query</th><th>Body</th><th>Answer</th></tr></thead>"
        f"<tbody>{''.join(rows)}</tbody></table><h2>Bodies</h2>{shapes}"
        f"<h2>Problems</h2><p>As <code>application/problem+json</code>.</p><table>{problems}</table></html>\n"
    )


def _shape(name: str, shape: Json) -> str:
    fields = "".join(
        f"<li><code>{escape(field)}</code>{'' if field in shape.get('required', ()) else ' (optional)'}</li>"
        for field in shape.get("properties", ())
    )
    return f"<h3>{escape(name)}</h3><p>{escape(shape.get('description', ''))}</p><ul>{fields}</ul>"
