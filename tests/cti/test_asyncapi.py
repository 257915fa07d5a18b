"""The AsyncAPI document: its references, its messages, its keywords."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, get_args

import jsonschema_rs

from offhook.cti import schema
from offhook.cti.asyncapi import asyncapi
from offhook.cti.commands import Command
from offhook.cti.events import ToDesk

DOCUMENT = asyncapi("1.2.3")
NEWER_THAN_DRAFT_07 = {"$defs", "dependentRequired", "dependentSchemas", "prefixItems", "unevaluatedProperties"}


def objects(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from objects(inner)


def found(reference: str) -> Any:
    value: Any = DOCUMENT
    for key in reference.removeprefix("#/").split("/"):
        value = value[key]
    return value


def test_its_references_lead_somewhere() -> None:
    references = [value["$ref"] for value in objects(DOCUMENT) if "$ref" in value]
    assert all(found(reference) for reference in references)


def test_a_reference_stands_alone() -> None:
    assert all(len(value) == 1 for value in objects(DOCUMENT["components"]["schemas"]) if "$ref" in value)


def test_all_that_goes_over_the_socket_is_there() -> None:
    names = {"command": set(), "message": set()}  # type: dict[str, set[str]]
    for operation, of in names.items():
        for reference in DOCUMENT["operations"][operation]["messages"]:
            of.add(found(found(reference["$ref"])["$ref"])["name"])
    assert names["command"] == {schema.tag_of(kind) for kind in get_args(Command)}
    assert names["message"] == {schema.tag_of(kind) for kind in get_args(ToDesk)}
    assert DOCUMENT["info"]["version"] == "1.2.3"


def test_its_schemas_mean_the_same_in_draft_07() -> None:
    schemas = DOCUMENT["components"]["schemas"]
    assert not any(NEWER_THAN_DRAFT_07 & set(value) for value in objects(schemas))
    jsonschema_rs.Draft7Validator({"components": {"schemas": schemas}, "$ref": "#/components/schemas/HoldCall"})
    sent, told = schema.commands()["$defs"], schema.messages()["$defs"]
    assert not set(sent) & set(told) and set(schemas) == set(sent) | set(told)
