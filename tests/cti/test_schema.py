"""The schemas say what the decoder takes and what the contract allows, and nothing else."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, get_args

import jsonschema_rs
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from offhook.cti import events, schema
from offhook.cti.codec import CommandRefused, decode_command, encode
from offhook.cti.commands import Command, Login, Resume
from offhook.cti.dialog import outbound
from offhook.cti.errors import failure

Json = dict[str, Any]

COMMANDS = jsonschema_rs.Draft202012Validator(schema.commands())
BY_TOKEN = jsonschema_rs.Draft202012Validator(schema.commands(password_optional=True))
OPEN = jsonschema_rs.Draft202012Validator(schema.messages())
CLOSED = jsonschema_rs.Draft202012Validator(schema.messages(closed=True))


def accepted(command: Json, *, password_optional: bool = False) -> bool:
    try:
        decode_command(json.dumps(command), password_optional=password_optional)
    except CommandRefused:
        return False
    return True


@pytest.mark.parametrize("document", [schema.commands(), schema.messages(), schema.messages(closed=True)])
def test_they_are_schemas(document: Json) -> None:
    jsonschema_rs.meta.validate(document)
    assert len({shape["title"] for shape in document["$defs"].values()}) == len(document["$defs"])


def test_every_command_and_every_field_is_there() -> None:
    shapes = {shape["title"]: shape for shape in schema.commands()["$defs"].values()}
    assert set(shapes) == {schema.tag_of(kind) for kind in get_args(Command)}
    for kind in get_args(Command):
        parameter = shapes[schema.tag_of(kind)]["properties"]["parameter"]
        fields = [field for field in msgspec.structs.fields(kind) if field.name != "id"]
        assert list(parameter["properties"]) == [field.name for field in fields]
        # A login proves a password or a token.
        optional = {"password"} if kind is Login else set()
        required = [field.name for field in fields if field.required and field.name not in optional]
        assert parameter.get("required", []) == required
        assert ("anyOf" in parameter) == (kind in (Login, Resume))


def test_every_message_and_every_field_is_there() -> None:
    shapes = schema.messages()["$defs"]
    assert {kind.__name__ for kind in get_args(events.ToDesk)} <= set(shapes)
    for name, shape in shapes.items():
        kind = getattr(events, name)
        assert [key for key in shape["properties"] if key != "event"] == list(kind.__struct_fields__)
        unset = {field.name for field in msgspec.structs.fields(kind) if field.default is msgspec.UNSET}
        assert set(shape["properties"]) - set(shape["required"]) == unset


def test_docstrings_are_descriptions() -> None:
    shapes = schema.messages()["$defs"]
    assert shapes["MediaConversion"]["description"] == "The one event without a `response` (contract §4)."
    assert "response" not in shapes["MediaConversion"]["properties"]
    assert "description" not in shapes["AgentInfo"], "what Message says is no description of each message"
    assert schema.commands()["$defs"]["SST"]["description"] == "Blind transfer (Single Step Transfer)."


def test_all_references_lead_somewhere() -> None:
    text = json.dumps(schema.messages("#/components/schemas/"))
    assert "#/$defs/" not in text and "#/components/schemas/Dialog" in text


@pytest.mark.parametrize(
    "command",
    [
        {"action": "holdCall", "parameter": {"dialogId": "d"}},
        {"action": "holdCall", "parameter": {"dialogId": "d", "clientCallbackFunction": None}, "more": 1, "id": None},
        {"action": "holdCall", "parameter": {"dialogId": ""}},
        {"action": "holdCall", "parameter": {"dialogId": None}},
        {"action": "holdCall", "parameter": {"dialogId": "d"}, "id": ""},
        {"action": "holdCall", "parameter": {"dialogId": "d"}, "id": "x" * 65},
        {"action": "holdCall", "parameter": {}},
        {"action": "holdCall"},
        {"action": "hold"},
        {"action": "logout"},
        {"action": "logout", "parameter": None},
        {"action": "logout", "parameter": []},
        {"action": "logout", "parameter": {"reasonCode": ""}},
        {"action": "logout", "parameter": {"reasonCode": 7}},
        {"action": "consultTransfer", "parameter": {"dialogId": None}},
        {"action": "login", "parameter": {"extension": "1000", "password": "p", "loginId": None}},
        {"action": "login", "parameter": {"extension": "1000\n", "password": "p"}},
        {"action": "login", "parameter": {"extension": "1000"}},
        {"action": "login", "parameter": {"extension": "1000", "password": None}},
        {"action": "resume", "parameter": {"extension": "1", "stream": "s", "seq": 0, "token": "t"}},
        {"action": "resume", "parameter": {"extension": "1", "stream": "s", "seq": 0, "password": "p", "token": ""}},
        {"action": "resume", "parameter": {"extension": "1", "stream": "s", "seq": 0, "token": ""}},
        {"action": "resume", "parameter": {"extension": "1", "stream": "s", "seq": -1, "token": "t"}},
        {"action": "SendDtmf", "parameter": {"dialogId": "d", "message": "12#"}},
        {"action": "SendDtmf", "parameter": {"dialogId": "d", "message": "12\n"}},
        {"action": "convertCall", "parameter": {"dialogId": "d", "streamType": "video", "streamStatus": "on"}},
        {"action": "convertCall", "parameter": {"dialogId": "d", "streamType": "tv", "streamStatus": "on"}},
        {"action": "updateCallVariableData", "parameter": {"dialogId": "d", "callVariables": {"a": "b"}}},
        {"action": "updateCallVariableData", "parameter": {"dialogId": "d", "callVariables": {}}},
        {"action": "updateCallVariableData", "parameter": {"dialogId": "d", "callVariables": {"a b": "b"}}},
        {"action": "updateCallVariableData", "parameter": {"dialogId": "d", "callVariables": {"a": 1}}},
    ],
)
@pytest.mark.parametrize("by_token", [False, True])
def test_what_the_decoder_takes_the_schema_takes(command: Json, by_token: bool) -> None:
    validator = BY_TOKEN if by_token else COMMANDS
    assert validator.is_valid(command) == accepted(command, password_optional=by_token)


VALUES = st.one_of(
    st.none(), st.booleans(), st.integers(-2, 70), st.text(max_size=4), st.sampled_from(["", "video", "on", "1" * 65])
)
NAMES = sorted({field for kind in get_args(Command) for field in kind.__struct_fields__})


@given(st.sampled_from(get_args(Command)), st.data())
def test_any_parameters_are_judged_alike(kind: Any, data: st.DataObject) -> None:
    likely = st.dictionaries(st.sampled_from(kind.__struct_fields__), VALUES | st.just("d"))
    parameter = data.draw(likely | st.dictionaries(st.sampled_from(NAMES), VALUES))
    command = {"action": schema.tag_of(kind), "parameter": parameter, "id": data.draw(VALUES)}
    if command["id"] is not None and not isinstance(command["id"], str):
        command["id"] = "1"
    assert COMMANDS.is_valid(command) == accepted(command)


def told(state: events.State = "ACTIVE", kind: type[events.DialogMessage] = events.DialogState) -> Json:
    dialog = outbound("d", "5551234", "800", "audio", extension="1", address_type="X", originator="normal", wall=1e9)
    made: Json = json.loads(encode(events.OutboundDialing(response=events.DialogResponse(loginId="1", dialog=dialog))))
    made["event"] = schema.tag_of(kind)
    made["response"]["dialog"]["state"] = state
    if state == "DROPPED":
        made["response"]["dialog"]["endCallReason"] = None
    return made


def an_error(**change: Any) -> Json:
    made: Json = json.loads(encode(events.error("1", failure("timeout"), "d", 1e9, 0.0)))
    made["response"].update(change)
    return made


def result(**change: Any) -> Json:
    return {
        "event": "commandResult", "id": "1", "action": "holdCall", "status": "done", "error": None, "dialogId": "d",
        **change,
    }  # fmt: skip


WHY = {"type": "generalError", "code": "timeout", "description": "Too late.", "dialogId": None}


@pytest.mark.parametrize(
    "message",
    [
        told(),
        told("DROPPED"),
        told("INITIATED", events.OutboundDialing),
        told("ALERTING"),
        {**told(), "seq": 1, "stream": "s"},
        an_error(),
        an_error(code="USER_BUSY"),
        an_error(code="486"),
        an_error(type="invalidState", code="wrong-state"),
        result(),
        result(status="failed", error=WHY),
        result(action="login", result={"stream": "s", "seq": 3}),
        json.loads(encode(events.no_dialog("1000"))),
    ],
)
def test_messages_that_are_right(message: Json) -> None:
    assert CLOSED.is_valid(message) and OPEN.is_valid(message)


def with_dialog(**change: Any) -> Json:
    made = told()
    made["response"]["dialog"].update(change)
    return made


def without(key: str) -> Json:
    made = told()
    del made["response"]["dialog"][key]
    return made


def with_times(time: str) -> Json:
    made = told()
    made["response"]["dialog"]["participants"][0]["startTime"] = time
    return made


WRONG: dict[str, Callable[[], Json]] = {
    "a name that is no event": lambda: {**told(), "event": "consultCall"},
    "seq without stream": lambda: {**told(), "seq": 1},
    "stream without seq": lambda: {**told(), "stream": "s"},
    "seq from 0": lambda: {**told(), "seq": 0, "stream": "s"},
    "a numbered commandResult": lambda: result(seq=1, stream="s"),
    "isCallEnded as a boolean": lambda: with_dialog(isCallEnded=False),
    "isCallEnded in ACTIVE": lambda: with_dialog(isCallEnded=1),
    "callEndReason in ACTIVE": lambda: with_dialog(callEndReason="Canceled"),
    "endCallReason in ACTIVE": lambda: with_dialog(endCallReason=None),
    "DROPPED without endCallReason": lambda: with_dialog(state="DROPPED"),
    "a state of nobody": lambda: with_dialog(state="FAILED"),
    "participants as an object": lambda: with_dialog(participants={"Participant": []}),
    "a key that is gone": lambda: without("primaryDN"),
    "a local time": lambda: with_times("2023-5-13 3:22:51.778"),
    "a ringing dialogState's dialog as newInboundCall": lambda: told("ACTIVE", events.NewInboundCall),
    "outboundDialing ACTIVE": lambda: told("ACTIVE", events.OutboundDialing),
    "newInboundCall without a dialog": lambda: {
        "event": "newInboundCall",
        "response": {"loginId": "1", "dialog": None},
    },
    "an Error with a dialog": lambda: an_error(dialog=None),
    "an Error without description": lambda: an_error(description=None),
    "a code of another type": lambda: an_error(type="invalidState"),
    "generalError with a code of invalidState": lambda: an_error(code="wrong-state"),
    "ISO time in an Error": lambda: an_error(event_time="2023-06-20T08:51:35.993Z"),
    "done with an error": lambda: result(error=WHY),
    "failed without an error": lambda: result(status="failed"),
    "failed with an answer": lambda: result(status="failed", error=WHY, result={}),
    "an answer of another query": lambda: result(action="getStats", result={"stream": "s", "seq": 0}),
}


@pytest.mark.parametrize("message", WRONG.values(), ids=WRONG)
def test_messages_that_are_wrong(message: Callable[[], Json]) -> None:
    assert not OPEN.is_valid(message())


def test_another_key_is_wrong_in_tests_alone() -> None:
    assert not CLOSED.is_valid({**told(), "extra": 1}) and OPEN.is_valid({**told(), "extra": 1})
    assert not CLOSED.is_valid(with_dialog(extra=1)) and OPEN.is_valid(with_dialog(extra=1))
