"""What sees the whole suite sees what is wrong; the one of tests/conftest.py is at work here too."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from offhook.cti import codec, commands, events, schema
from offhook.cti.dialog import outbound
from offhook.cti.errors import Failure
from offhook.testing.desk import Desk
from offhook.testing.witness import Witness, told, validators


@pytest.fixture
def witness() -> Witness:
    return Witness()


def dialling(state: events.State = "INITIATING", seq: int | None = None, number: str = "5551234") -> events.ToDesk:
    dialog = outbound("d", number, "800", "audio", extension="1", address_type="X", originator="normal", wall=1e9)
    response = events.DialogResponse(loginId="1", dialog=msgspec.structs.replace(dialog, state=state))
    if seq is None:
        return events.OutboundDialing(response=response)
    return events.OutboundDialing(response=response, seq=seq, stream="s")


def wrong_error() -> events.ToDesk:
    return events.error("1", Failure("invalidState", "timeout", "No.", "No."), None, 1e9, 0.0)


def test_what_is_right_is_silent(witness: Witness) -> None:
    encode = witness.encoding(codec.encode)
    assert json.loads(encode(dialling()))["event"] == "outboundDialing"
    assert witness.violations() == []


@pytest.mark.foreign
def test_a_message_against_the_schema(witness: Witness) -> None:
    text = witness.encoding(codec.encode)(wrong_error())
    assert json.loads(text)["event"] == "Error"
    (said,) = witness.violations()
    assert said.startswith("Error.response.code is string of 7, against $defs/ErrorResponse/allOf/")
    assert witness.violations() == []


def test_names_and_keys_but_no_values(witness: Witness) -> None:
    message: dict[str, Any] = json.loads(codec.encode(dialling()))
    record = message["response"]["dialog"]
    record["ani"], record["5551234"] = 5551234, None
    del record["dnis"]
    witness.message(message)
    witness.message({"event": "consultCall"})
    said = witness.violations()
    assert any(".dialog" in text and "against" in text for text in said)
    assert "no message has the name 'consultCall'" in said
    assert not any("5551234" in text.replace("('5551234' was", "") for text in said)


@pytest.mark.parametrize(
    ("value", "kind"),
    [("abc", "string of 3"), (3, "integer"), (None, "null"), ([1], "array of 1"), (1.5, "number"), ({}, "object")],
)
def test_what_is_told_of_a_value(value: Any, kind: str) -> None:
    document = {
        "$schema": schema.DIALECT, "oneOf": [{"$ref": "#/$defs/A"}], "$defs": {
            "A": {"title": "a", "properties": {"x": {"items": {"const": True}}}},
        },
    }  # fmt: skip
    (problem,) = validators(document)["a"].iter_errors({"x": [value]})
    assert told(problem) == f".x[0] is {kind}, against $defs/A/properties/x/items/const"


def test_a_command_that_was_accepted(witness: Witness) -> None:
    def takes_all(text: str | bytes, *, password_optional: bool = False) -> commands.Command:
        return commands.GetState()

    decode = witness.decoding(takes_all)
    decode('{"action": "holdCall", "parameter": {"dialogId": "d"}}')
    decode('{"action": "login", "parameter": {"extension": "1"}}', password_optional=True)
    assert witness.violations() == []
    decode('{"action": "login", "parameter": {"extension": "1", "token": "t"}}')
    assert witness.violations() == []
    decode('{"action": "login", "parameter": {"extension": "1"}}')
    (said,) = witness.violations()
    assert said.startswith("login was accepted, but.parameter is object")
    assert said.endswith("/parameter/anyOf")


@pytest.mark.foreign
def test_a_stream_is_read_by_a_desk_of_the_reference(witness: Witness) -> None:
    encode = witness.encoding(codec.encode)
    encode(dialling(seq=1))
    encode(dialling(seq=1))  # another network, or one that resumes from the beginning
    encode(dialling(seq=2))
    (said,) = witness.violations()
    assert said.startswith("a desk of the reference: outboundDialing INITIATING")
    encode(dialling(seq=3))
    assert witness.violations() == [], "a stream that nobody saw begin"


def test_each_desk_is_read_for_itself(witness: Witness) -> None:
    first, second = Desk("ws://a"), Desk("ws://b")
    message = json.loads(codec.encode(dialling()))
    witness.heard(first, message)
    witness.heard(second, message)
    assert witness.violations() == []
    witness.heard(first, message)
    assert len(witness.violations()) == 1


@pytest.mark.parametrize(("status", "said"), [("done", ["holdCall was accepted, but"]), ("failed", [])])
def test_a_command_of_a_desk(witness: Witness, status: str, said: list[str]) -> None:
    """The gateway may be another process: that it took the command is known by the result."""
    desk = Desk("ws://a")
    why = {"type": "generalError", "code": "timeout", "description": "No.", "dialogId": None}
    witness.sent(desk, '{"action": "holdCall", "parameter": {"dialogId": ""}, "id": "1"}')
    witness.sent(desk, "not JSON")
    witness.sent(desk, '{"action": "holdCall"}')
    witness.heard(
        desk,
        {
            "event": "commandResult", "id": "1", "action": "holdCall", "status": status, "dialogId": "",
            "error": None if status == "done" else why,
        },
    )  # fmt: skip
    assert [text[:26] for text in witness.violations()] == said


def test_a_desk_that_logs_out_with_a_call(witness: Witness) -> None:
    desk = Desk("ws://a")
    witness.heard(desk, json.loads(codec.encode(dialling())))
    witness.heard(desk, json.loads(codec.encode(events.agent_info("1", "LOGOUT"))))
    (said,) = witness.violations()
    assert "whose end is never reported: customer INITIATING" in said


def test_it_is_at_work_in_this_suite(suite_witness: Witness) -> None:
    codec.encode(wrong_error())
    codec.decode_command('{"action": "getState"}')
    assert suite_witness.heard in Desk.observers
    assert len(suite_witness.violations()) == 1
