"""The page docs/reference/asyncapi.md: what goes over the gateway's socket, for people; from the same schemas."""

from __future__ import annotations

from offhook.cti.commands import NOT_OURS
from offhook.cti.schema import DEFS, Json, commands, messages

INTRODUCTION = """\
# Commands and messages

What goes over the gateway's socket `/cti`: one JSON object a text frame, commands in, messages out. The same for
programs: [asyncapi.json](asyncapi.json) (AsyncAPI 3.0), [commands.schema.json](commands.schema.json) and
[events.schema.json](events.schema.json) (JSON Schema 2020-12), [offhook.d.ts](offhook.d.ts) (TypeScript); `offhook
schema` prints each. In all of them other keys than these are allowed: the gateway ignores one in a command, and a later
version may add one to a message.

An event that is told to all desks of an agent carries `seq` (1, 2, 3, ...) and `stream`; the answer to one desk alone
carries neither. [Error codes](errors.md)."""


def page() -> str:
    sent, told = commands(), messages()
    parts = [INTRODUCTION, "## Commands", _commands(sent), _not_ours(), "## Messages"]
    tagged = [ref["$ref"].removeprefix(DEFS) for ref in told["oneOf"]]
    parts += [_object(told["$defs"][name]) for name in tagged]
    parts.append("## What messages hold")
    parts += [_object(shape) for name, shape in told["$defs"].items() if name not in tagged]
    return "\n\n".join(parts) + "\n"


def _commands(document: Json) -> str:
    lines = ['`{"action", "parameter": {...}, "id"}`. With an `id` a command gets exactly one `commandResult`.\n']
    lines += ["| action | parameter | |", "|---|---|---|"]
    for shape in document["$defs"].values():
        parameter = shape["properties"]["parameter"]
        needed = parameter.get("required", ())
        fields = [
            f"`{name}`{'' if name in needed else ' (optional)'}: {_type(value)}"
            for name, value in parameter["properties"].items()
        ]
        lines.append(f"| `{shape['title']}` | {'<br>'.join(fields) or '–'} | {_cell(shape.get('description', ''))} |")
    return "\n".join(lines)


def _not_ours() -> str:
    names = ", ".join(f"`{name}`" for name in sorted(NOT_OURS))
    return f"Names of another product, which do nothing here and get no `Error`: {names}."


def _object(shape: Json) -> str:
    lines = [f"### {shape['title']}", ""]
    if "description" in shape:
        lines += [shape["description"], ""]
    lines += ["| key | |", "|---|---|"]
    for name, value in shape["properties"].items():
        lines.append(f"| `{name}`{'' if name in shape['required'] else ' (may be absent)'} | {_type(value)} |")
    return "\n".join(lines)


def _type(shape: Json) -> str:
    """A type in words, for a cell of a table."""
    if "$ref" in shape:
        return f"[{shape['$ref'].removeprefix(DEFS)}](#{shape['$ref'].removeprefix(DEFS).lower()})"
    if "const" in shape:
        return f"`{shape['const']}`"
    if "enum" in shape:
        return ", ".join(f"`{value}`" for value in shape["enum"])
    if "allOf" in shape:
        dialog = shape["allOf"][1]["properties"]["dialog"]
        states = ", ".join(f"`{state}`" for state in dialog["properties"]["state"]["enum"])
        return f"{_type(shape['allOf'][0])}, `dialog` not null, its `state` one of {states}"
    if "anyOf" in shape and "type" not in shape:
        return " or ".join(_type(option) for option in shape["anyOf"])
    kind = shape.get("type", "anything")
    if kind == "array":
        return f"array of {_type(shape['items'])}"
    if kind == "object":
        return f"object with values: {_type(shape['additionalProperties'])}"
    limits = [
        text.format(_cell(str(shape[key]).removesuffix(r"(?!\n)")))
        for key, text in (("maxLength", "at most {}"), ("minimum", "from {}"), ("pattern", "`{}`"))
        if key in shape
    ]
    return ", ".join([kind, *limits])


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
