"""JSON Schema (2020-12) of the contract: every command and every message, drawn from the types.

What a type cannot say of the wire is added here: a command's fields stand in `parameter`, a key whose value may be
unset is the only one that may be absent, `seq` and `stream` come together, a code belongs to one error type, and what a
record may hold in which state (contract §1, §4, §5).

Both documents are open: a key that they do not name is allowed, because the gateway ignores a stray one in a command
and a later version may add one to a message. `messages(closed=True)` allows no other key; the tests use it.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from typing import Any, TypeAlias, get_args

import msgspec
from msgspec import UNSET, Struct

from offhook.cti import events
from offhook.cti.commands import Command, Login, Request, Resume
from offhook.cti.errors import CODES, ErrorType
from offhook.cti.events import DialogMessage, Event, Message, ToDesk

Json: TypeAlias = dict[str, Any]

DIALECT = "https://json-schema.org/draft/2020-12/schema"
DEFS = "#/$defs/"

OPEN_TYPE: ErrorType = "generalError"
"""The one type whose errors may have a code from outside the table: the other side's own words."""

_ISO_TIME = {"type": "string", "pattern": r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z$"}
_LOCAL_TIME = {
    "type": "string",
    "pattern": r"^[0-9]{4}-[0-9]{1,2}-[0-9]{1,2} [0-9]{1,2}:[0-9]{1,2}:[0-9]{1,2}\.[0-9]{1,3}$",
}

_NARROWED: dict[tuple[type[Struct], str], Json] = {
    (events.Participant, "startTime"): _ISO_TIME,
    (events.Participant, "stateChangeTime"): _ISO_TIME,
    (events.Conversion, "timeStamp"): _ISO_TIME,
    (events.ErrorResponse, "event_time"): _LOCAL_TIME,
    (events.ErrorResponse, "code"): {"type": "string", "minLength": 1},
    (events.ResultError, "code"): {"type": "string", "minLength": 1},
    (events.Dialog, "id"): {"type": "string", "minLength": 1},
    (events.Dialog, "eventType"): {"const": "PUT"},
    (events.CommandResult, "id"): {"type": "string", "minLength": 1, "maxLength": 64},
    (events.SnapshotResponse, "seq"): {"type": "integer", "minimum": 0},
}
"""Fields that the contract binds more tightly than their type."""

STATES: dict[type[DialogMessage], tuple[events.State, ...]] = {
    events.OutboundDialing: ("INITIATING", "INITIATED"),
    events.NewInboundCall: ("ALERTING",),
    events.Monitoring: ("ALERTING",),
    events.CampaignCall: ("ALERTING", "ACTIVE", "HELD", "DROPPED"),
    events.ConsultCall: get_args(events.State),
}
"""The states that an event's dialog may be in. A `dialogState` may tell any, as the answer to `getDialog`, or none."""


_UNNUMBERED: Json = {"not": {"anyOf": [{"required": ["seq"]}, {"required": ["stream"]}]}}
"""Told to one desk alone (contract §1)."""
_NUMBERED: Json = {
    "anyOf": [
        {
            "required": ["seq", "stream"],
            "properties": {"seq": {"type": "integer", "minimum": 1}, "stream": {"type": "string", "minLength": 1}},
        },
        _UNNUMBERED,
    ]
}
"""An event has its number and its stream, or, told to one desk alone, neither."""


def commands(at: str = DEFS, *, password_optional: bool = False) -> Json:
    """The document of all commands; `at` begins its references.

    `password_optional`: as a connection may send them whose token names its extension.
    """
    components = msgspec.json.schema_components(get_args(Command), ref_template=at + "{name}")[1]
    defs = {kind.__name__: _command(kind, components[kind.__name__], password_optional) for kind in get_args(Command)}
    return _document("commands", "Commands to an Offhook gateway", at, get_args(Command), defs)


def messages(at: str = DEFS, *, closed: bool = False) -> Json:
    """The document of all messages to desks; `at` begins its references, `closed` allows no unknown key."""
    kinds = get_args(ToDesk)
    components = msgspec.json.schema_components(kinds, ref_template=at + "{name}")[1]
    defs = {kind.__name__: _struct(kind, components[kind.__name__], at) for kind in _structs(ToDesk)}
    for shape in defs.values() if closed else ():
        shape["additionalProperties"] = False
    return _document("messages", "Messages from an Offhook gateway", at, kinds, defs)


def tag_of(kind: type[Struct]) -> str:
    """The `action` of a command's type, the `event` of a message's."""
    return str(kind.__struct_config__.tag)


def _document(name: str, title: str, at: str, kinds: Iterable[type[Struct]], defs: dict[str, Json]) -> Json:
    return {
        "$schema": DIALECT,
        "$id": f"urn:offhook:{name}",
        "title": title,
        "oneOf": [{"$ref": at + kind.__name__} for kind in kinds],
        "$defs": defs,
    }


def _command(kind: type[Request], component: Json, password_optional: bool) -> Json:
    """The envelope of one command; an absent and a null parameter are the same, as is an empty required one."""
    properties: dict[str, Json] = component["properties"]
    fields = [field for field in msgspec.structs.fields(kind) if field.name != "id"]
    optional = {"password"} if kind is Login else set()
    parameter: Json = {"type": "object", "properties": {}}
    required = []
    for field in fields:
        shape = _without_default(properties[field.name])
        if field.name in optional:
            shape = {"anyOf": [shape, {"type": "null"}]}
        elif field.required:
            required.append(field.name)
            shape = {**shape, "minLength": 1} if shape.get("type") == "string" else shape
        parameter["properties"][field.name] = shape
    if required:
        parameter["required"] = required
    else:
        parameter["type"] = ["object", "null"]
    if kind in (Login, Resume) and not password_optional:
        proof = {"type": "string", "minLength": 1}
        parameter["anyOf"] = [{"required": [name], "properties": {name: proof}} for name in ("password", "token")]
    return {
        "title": tag_of(kind),
        **_described(kind),
        "type": "object",
        "properties": {
            "action": {"const": tag_of(kind)},
            "parameter": parameter,
            "id": _without_default(properties["id"]),
        },
        "required": ["action", "parameter"] if required else ["action"],
    }


def _struct(kind: type[Struct], component: Json, at: str) -> Json:
    """One object of a message: every key is there but those that may be unset."""
    properties = {}
    required = []
    if issubclass(kind, Message):
        properties["event"] = {"const": tag_of(kind)}
        required.append("event")
    for field in msgspec.structs.fields(kind):
        narrowed = _NARROWED.get((kind, field.name))
        properties[field.name] = narrowed or _without_default(component["properties"][field.name])
        if field.default is not UNSET:
            required.append(field.name)
    shape: Json = {
        "title": tag_of(kind) if issubclass(kind, Message) else kind.__name__,
        **_described(kind),
        "type": "object",
        "properties": properties,
        "required": required,
    }
    if kind in STATES:
        properties["response"] = _dialog_in(STATES[kind], properties["response"])
    rules = _rules(kind, at)
    return {**shape, "allOf": rules} if rules else shape


def _dialog_in(states: tuple[events.State, ...], response: Json) -> Json:
    dialog = {"type": "object", "properties": {"state": {"enum": list(states)}}, "required": ["state"]}
    return {"allOf": [response, {"type": "object", "properties": {"dialog": dialog}, "required": ["dialog"]}]}


def _rules(kind: type[Struct], at: str) -> list[Json]:
    """What holds between the keys of one object."""
    if kind in get_args(Event):
        return [_NUMBERED]
    if kind is events.CommandResult:
        return [_UNNUMBERED, *_result_rules(at)]
    if issubclass(kind, Message):
        return [_UNNUMBERED]
    if kind is events.Dialog:
        return _dialog_rules()
    return _error_rules() if kind in (events.ErrorResponse, events.ResultError) else []


def _dialog_rules() -> list[Json]:
    """Only what was dropped has ended, and says why; and says it twice (contract §4)."""
    alive: Json = {
        "properties": {"isCallEnded": {"const": 0}, "callEndReason": {"type": "null"}},
        "not": {"required": ["endCallReason"]},
    }
    dropped = {"properties": {"state": {"const": "DROPPED"}}}
    return [{"if": dropped, "then": {"required": ["endCallReason"]}, "else": alive}]


def _error_rules() -> list[Json]:
    """A code of the table has the table's type, and only a generalError has a code from outside (contract §5)."""
    rules = []
    for name in get_args(ErrorType):
        codes = [code for code, row in CODES.items() if row.type == name]
        others = [code for code in CODES if code not in codes]
        allowed = {"not": {"enum": others}} if name == OPEN_TYPE else {"enum": codes}
        rules.append({"if": {"properties": {"type": {"const": name}}}, "then": {"properties": {"code": allowed}}})
    # A desk of the reference ends the call that it finds in an Error (RB §8.24).
    return [*rules, {"not": {"required": ["dialog"]}}]


def _result_rules(at: str) -> list[Json]:
    """Done has no error, failed has one and no answer; a query's answer is in `result`."""
    failed = {"properties": {"status": {"const": "failed"}}}
    no_error = {"properties": {"error": {"type": "null"}}}
    an_error = {"properties": {"error": {"type": "object"}}, "not": {"required": ["result"]}}
    rules: list[Json] = [{"if": failed, "then": an_error, "else": no_error}]
    position = {
        "type": "object",
        "properties": {"stream": {"type": "string"}, "seq": {"type": "integer", "minimum": 0}},
        "required": ["stream", "seq"],
    }
    answers: dict[str, Json] = {
        "login": position,
        "resume": position,
        "getState": {"$ref": f"{at}AgentStateResponse"},
        "getDialog": {"type": "object", "properties": {"dialog": {"$ref": f"{at}Dialog"}}, "required": ["dialog"]},
        "getStats": {
            "type": "object",
            "properties": {"dialogId": {"type": "string"}, "audio": {"$ref": f"{at}Audio"}},
            "required": ["dialogId", "audio"],
        },
    }
    for action, answer in answers.items():
        asked = {"properties": {"action": {"const": action}}}
        rules.append({"if": asked, "then": {"properties": {"result": answer}}})
    return rules


def _structs(of: Any) -> list[type[Struct]]:
    """The struct types of a union and all that they hold, each once, outermost first."""
    found: dict[type[Struct], None] = {}
    todo = [msgspec.inspect.type_info(kind) for kind in get_args(of)]
    while todo:
        info = todo.pop(0)
        if isinstance(info, msgspec.inspect.StructType):
            if info.cls not in found:
                found[info.cls] = None
                todo += [field.type for field in info.fields]
        elif isinstance(info, msgspec.inspect.UnionType):
            todo += info.types
        elif isinstance(info, msgspec.inspect.VarTupleType | msgspec.inspect.ListType):
            todo.append(info.item_type)
        elif isinstance(info, msgspec.inspect.DictType):
            todo.append(info.value_type)
        elif isinstance(info, msgspec.inspect.Metadata):
            todo.append(info.type)
    return list(found)


def _without_default(shape: Json) -> Json:
    return {key: value for key, value in shape.items() if key != "default"}


def _described(kind: type[Struct]) -> Json:
    """The docstring of the type itself, not an inherited one."""
    own = kind.__dict__.get("__doc__")
    return {"description": inspect.cleandoc(own)} if own else {}
