"""TypeScript declarations of the contract, written from its JSON Schema documents.

`Command` and `Message` are unions that `action` and `event` tell apart. What only a rule of the schema says (patterns,
lengths, what holds between two keys) stands in the comments or not at all; the schema is the stricter one.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from offhook.cti.schema import DEFS, Json, commands, messages

HEAD = """\
// What goes over the socket of an Offhook gateway, both ways. Written by `offhook schema typescript`; do not edit.
// One JSON object a text frame. Keys that are not named here may come in a later version: ignore them.
"""

_LIMITS = {
    "minLength": "at least {} characters",
    "maxLength": "at most {} characters",
    "minimum": "at least {}",
    "minProperties": "at least {} keys",
    "maxProperties": "at most {} keys",
    "pattern": "matches {}",
}


def typescript() -> str:
    """The declarations, a module."""
    sent, told = commands(), messages()
    parts = [HEAD]
    for document, union, key, suffix in (
        (sent, "Command", "action", "Command"),
        (told, "Message", "event", "Message"),
    ):
        tagged = {ref["$ref"].removeprefix(DEFS) for ref in document["oneOf"]}
        names = {name: name + suffix if name in tagged else name for name in document["$defs"]}
        parts += [_interface(names[name], shape, names) for name, shape in document["$defs"].items()]
        members = "\n".join(f"  | {names[ref['$ref'].removeprefix(DEFS)]}" for ref in document["oneOf"])
        parts.append(f"/** {document['title']}, told apart by `{key}`. */\nexport type {union} =\n{members};\n")
    parts.append(_LOOKUPS)
    return "\n".join(parts)


_LOOKUPS = """\
/** The command of an action: `CommandOf<"holdCall">`. */
export type CommandOf<A extends Command["action"]> = Extract<Command, { action: A }>;

/** The message of an event name: `MessageOf<"dialogState">`. */
export type MessageOf<E extends Message["event"]> = Extract<Message, { event: E }>;
"""


def _interface(name: str, shape: Json, names: Mapping[str, str]) -> str:
    return f"{_comment(shape.get('description'), '')}export interface {name} {_object(shape, names, '')}\n"


def _object(shape: Json, names: Mapping[str, str], indent: str) -> str:
    properties: dict[str, Json] = shape.get("properties", {})
    if not properties:
        return "{}"
    inner = indent + "  "
    required = shape.get("required", ())
    lines = []
    for key, value in properties.items():
        lines.append(_comment(_limits(value), inner) + f"{inner}{key}{'' if key in required else '?'}: ")
        lines[-1] += _type(value, names, inner) + ";"
    return "{\n" + "\n".join(lines) + f"\n{indent}}}"


def _type(shape: Json, names: Mapping[str, str], indent: str) -> str:
    """A type expression; a union stands in brackets only where an array is made of it."""
    if "$ref" in shape:
        return names[shape["$ref"].removeprefix(DEFS)]
    if "const" in shape:
        return json.dumps(shape["const"])
    if "enum" in shape:
        return " | ".join(json.dumps(value) for value in shape["enum"])
    if "anyOf" in shape and "type" not in shape:
        return " | ".join(_type(option, names, indent) for option in shape["anyOf"])
    if "allOf" in shape and "type" not in shape:
        return " & ".join(_type(part, names, indent) for part in shape["allOf"])
    kinds = shape.get("type", [])
    return " | ".join(
        _named(kind, shape, names, indent) for kind in ([kinds] if isinstance(kinds, str) else kinds)
    ) or ("unknown")


def _named(kind: str, shape: Json, names: Mapping[str, str], indent: str) -> str:
    if kind == "array":
        item = _type(shape["items"], names, indent)
        return f"({item})[]" if " | " in item or " & " in item else f"{item}[]"
    if kind == "object":
        if isinstance(shape.get("additionalProperties"), dict):
            return f"Record<string, {_type(shape['additionalProperties'], names, indent)}>"
        return _object(shape, names, indent)
    return {"integer": "number"}.get(kind, kind)


def _limits(shape: Json) -> str:
    """What the type cannot say of a value, in words."""
    options = [shape, *shape.get("anyOf", ())]
    words = [
        # What Python's `$` needs and JavaScript's does not.
        text.format(str(option[key]).removesuffix(r"(?!\n)"))
        for option in options
        for key, text in _LIMITS.items()
        if key in option
    ]
    return ", ".join(words).replace("at least 1 characters", "not empty").replace("at least 1 keys", "not empty")


def _comment(text: str | None, indent: str) -> str:
    if not text:
        return ""
    lines = text.replace("*/", "*\\/").splitlines()
    if len(lines) == 1:
        return f"{indent}/** {lines[0]} */\n"
    middle = "\n".join(f"{indent} * {line}".rstrip() for line in lines)
    return f"{indent}/**\n{middle}\n{indent} */\n"
