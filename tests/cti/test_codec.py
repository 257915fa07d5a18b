"""JSON to commands, messages to JSON: contract §1."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from offhook.clock import Now
from offhook.cti import codec, commands
from offhook.cti.codec import CommandRefused, decode_command
from offhook.cti.errors import failure

NOW = Now(0.0, 1_687_251_095.993)


def text(action: object = "holdCall", parameter: object = None, **more: object) -> str:
    return json.dumps({"action": action, "parameter": {"dialogId": "d"} if parameter is None else parameter, **more})


def refused(given: str | bytes, **options: Any) -> CommandRefused:
    with pytest.raises(CommandRefused) as caught:
        decode_command(given, **options)
    return caught.value


def test_a_command_is_typed() -> None:
    made = decode_command(
        text("makeCall", {"calledNumber": "1", "Destination_Number": "2", "callType": "audio"}, id="7")
    )
    assert isinstance(made, commands.MakeCall)
    assert (made.calledNumber, made.Destination_Number, made.callType) == ("1", "2", "audio")
    assert (made.action, made.id) == ("makeCall", "7")


def test_unknown_parameters_are_ignored() -> None:
    made = decode_command(text("holdCall", {"dialogId": "d", "clientCallbackFunction": None, "id": 7, "x": {"y": 1}}))
    assert made == commands.HoldCall(dialogId="d")


def test_optional_parameters() -> None:
    made = decode_command(text("answerCall", {"dialogId": "d"}))
    assert isinstance(made, commands.AnswerCall) and made.answerCalltype is None
    made = decode_command('{"action": "logout"}')
    assert made == commands.Logout()
    made = decode_command(text("logout", {"reasonCode": "Logged Out", "userId": "u"}))
    assert made == commands.Logout(reasonCode="Logged Out", userId="u")


@pytest.mark.parametrize(
    ("action", "parameter", "missing"),
    [
        ("makeCall", {}, "calledNumber, Destination_Number, callType"),
        (
            "makeCall",
            {"calledNumber": "", "Destination_Number": None, "callType": "audio"},
            "calledNumber, Destination_Number",
        ),
        ("login", {"extension": "1000"}, "password"),
        ("SendDtmf", {}, "dialogId, message"),
        ("holdCall", {"dialogId": ""}, "dialogId"),
        ("resume", {}, "extension, stream, seq, password"),
        ("resume", {"extension": "1", "stream": "s", "seq": 0}, "password"),
    ],
)
def test_all_missing_parameters_are_listed_by_their_json_names(action: str, parameter: object, missing: str) -> None:
    """RB §8.15: the reference named its own variables, and shifted them."""
    why = refused(text(action, parameter)).failure
    assert why.type == "generalError" and why.code == "missing-parameter"
    assert why.description == "Error: The following parameter(s) are undefined or null or empty: " + missing


def test_no_parameter_at_all() -> None:
    assert refused('{"action": "holdCall"}').failure.description.endswith(": dialogId")
    assert refused('{"action": "holdCall", "parameter": null}').failure.description.endswith(": dialogId")


def test_a_token_instead_of_a_password() -> None:
    made = decode_command(text("resume", {"extension": "1", "stream": "s", "seq": 3, "token": "t"}))
    assert isinstance(made, commands.Resume) and made.token == "t"
    made = decode_command(text("login", {"extension": "1"}), password_optional=True)
    assert isinstance(made, commands.Login) and made.password == ""


@pytest.mark.parametrize(
    ("given", "code", "says"),
    [
        (text("holdCall", {"dialogId": 7}), "invalid-parameter", "parameter.dialogId"),
        (text("holdCall", {"dialogId": "d" * 257}), "invalid-parameter", "parameter.dialogId"),
        (
            text("resume", {"extension": "1", "password": "p", "stream": "s", "seq": "3"}),
            "invalid-parameter",
            "parameter.seq",
        ),
        (
            text("resume", {"extension": "1", "password": "p", "stream": "s", "seq": -1}),
            "invalid-parameter",
            "parameter.seq",
        ),
        (text("holdCall", "text"), "invalid-parameter", "parameter must be an object"),
        (text("holdCall", id=7), "invalid-parameter", "id must be"),
        (text("holdCall", id=""), "invalid-parameter", "id must be"),
        (text("holdCall", id="x" * 65), "invalid-parameter", "id must be"),
        (text(None), "invalid-command", "action"),
        (text(7), "invalid-command", "action"),
        (text("x" * 65), "invalid-command", "action"),
        ("{}", "invalid-command", "action"),
        ("[]", "invalid-command", "object"),
        ("null", "invalid-command", "object"),
        ("", "invalid-json", "not JSON"),
        ("{", "invalid-json", "not JSON"),
        (b"\xff\xfe", "invalid-json", "not JSON"),
        ('{"action": "holdCall", "parameter": {"dialogId": "\\ud800"}}', "invalid-json", "not JSON"),
        ('{"action": "\ud800"}', "invalid-json", "not JSON"),
        ('{"a": 1e999}', "invalid-json", "not JSON"),
        ("[" * 60_000, "invalid-json", "deeply"),
        (" " * 65_537, "too-large", "64 KiB"),
        ("é" * 40_000, "too-large", "64 KiB"),
        (text("holdcall"), "unknown-action", "holdcall"),
    ],
)
def test_what_is_no_command(given: str | bytes, code: str, says: str) -> None:
    why = refused(given).failure
    assert why.code == code
    assert says in why.description
    assert why.type == "generalError"


def test_all_missing_parameters_are_named() -> None:
    problem = refused(text("SST_Queue", {"dialogId": "d", "queue": ""}, id="1"))
    assert problem.failure.code == "missing-parameter"
    assert problem.failure.description.endswith("empty: numberToTransfer, queue, queueType")
    told = codec.refusal(problem, "1000", NOW, 0.0)
    assert [message.name for message in told] == ["Error", "commandResult"]


@pytest.mark.parametrize("action", sorted(commands.NOT_OURS))
def test_names_the_reference_only_logged_give_no_error(action: str) -> None:
    problem = refused(text(action, {}, id="1"))
    assert problem.silent
    assert [message.name for message in codec.refusal(problem, "1000", NOW, 0.0)] == ["commandResult"]
    assert codec.refusal(refused(text(action, {})), "1000", NOW, 0.0) == []


@pytest.mark.parametrize("message", ["", "x", "12 3", "1\n", "1\r\n", "é", "1" * 65, "a"])
def test_digits_are_checked(message: str) -> None:
    why = refused(text("SendDtmf", {"dialogId": "d", "message": message})).failure
    assert why.code in ("invalid-parameter", "missing-parameter")
    assert len(message.strip()) < 3 or message not in why.description + why.detail


@pytest.mark.parametrize("action", ["login", "resume"])
@pytest.mark.parametrize(
    "extension", ["10 00", "1000\r\nX: y", "1000\n", "\x00", "1000;x", "1000@b", "<1000>", "a?b", "é", "1" * 65]
)
def test_an_extension_can_be_a_user_of_a_uri(action: str, extension: str) -> None:
    """Contract §7. It stands in URIs, in names of flows, and in the lines of a trace."""
    given = {"extension": extension, "password": "p", "stream": "s", "seq": 0}
    why = refused(text(action, given)).failure
    assert (why.type, why.code) == ("generalError", "invalid-parameter")
    assert "parameter.extension" in why.detail
    assert isinstance(decode_command(text("login", {**given, "extension": "a.b-1+*#"})), commands.Login)


@pytest.mark.parametrize(
    ("action", "given", "says"),
    [
        ("convertCall", {"streamType": "foo"}, "streamType must be video or screenshare - at `parameter.streamType`"),
        ("convertCall", {"streamStatus": "x"}, "streamStatus must be on or off - at `parameter.streamStatus`"),
        (
            "updateCallVariableData",
            {"callVariables": {"a b": "c"}},
            "the names in callVariables may only have letters, digits and _ - at `parameter.callVariables`",
        ),
        (
            "updateCallVariableData",
            {"callVariables": {"a": 1}},
            "callVariables[...] must be a string - at `parameter.callVariables[...]`",
        ),
        (
            "updateCallVariableData",
            {"callVariables": 1},
            "callVariables must be an object - at `parameter.callVariables`",
        ),
        ("holdCall", {"dialogId": 1}, "dialogId must be a string - at `parameter.dialogId`"),
        ("holdCall", {"dialogId": "d" * 257}, "Expected `str` of length <= 256 - at `parameter.dialogId`"),
    ],
)
def test_what_it_must_be_is_said(action: str, given: dict[str, object], says: str) -> None:
    """The name alone is no remedy."""
    whole = {"dialogId": "d", "streamType": "video", "streamStatus": "on", "callVariables": {}, **given}
    assert refused(text(action, whole)).failure.detail == says


def test_what_is_wrong_is_said_in_words() -> None:
    assert refused(text("SendDtmf", {"dialogId": "d", "message": "x"})).failure.detail == (
        "message may only have 0-9 A-D * # - at `parameter.message`"
    )
    assert refused(text("login", {"extension": "1"})).failure.detail == "Give password."


def test_all_digits() -> None:
    made = decode_command(text("SendDtmf", {"dialogId": "d", "message": "0123456789ABCD*#"}))
    assert isinstance(made, commands.SendDtmf)


def test_refusal_of_a_text_without_id_is_one_error() -> None:
    (told,) = codec.refusal(refused("{"), "", NOW, 3600.0)
    event = json.loads(codec.encode(told))
    assert event["event"] == "Error"
    assert "seq" not in event and "stream" not in event
    assert event["response"]["event_time"] == "2023-6-20 9:51:35.993"
    assert set(event["response"]) == {"type", "loginId", "description", "event_time", "code", "dialogId", "detail"}


def test_not_logged_in() -> None:
    told = codec.not_logged_in(commands.HoldCall(dialogId="d", id="9"), NOW, 0.0)
    events = [json.loads(codec.encode(message)) for message in told]
    assert events[0]["response"]["type"] == "invalidState"
    assert events[0]["response"]["description"] == "invalid action holdCall"
    assert events[0]["response"]["dialogId"] == "d"
    assert (events[1]["status"], events[1]["error"]["code"], events[1]["dialogId"]) == ("failed", "not-logged-in", "d")
    (told_logout,) = codec.not_logged_in(commands.Logout(), NOW, 0.0)
    assert json.loads(codec.encode(told_logout))["response"]["description"] == "Invalid action logout"


def test_a_result_only_for_who_asked() -> None:
    why = failure("timeout")
    assert codec.failed(commands.Logout(), why) is None
    result = codec.failed(commands.Logout(id="1"), why)
    assert result is not None
    assert json.loads(codec.encode(result)) == {
        "event": "commandResult",
        "id": "1",
        "action": "logout",
        "status": "failed",
        "error": {"type": "generalError", "code": "timeout", "description": why.description, "dialogId": None},
        "dialogId": None,
    }


@given(st.binary(max_size=300) | st.text(max_size=300))
def test_any_text_is_a_command_or_refused(given: str | bytes) -> None:
    try:
        decode_command(given)
    except CommandRefused as problem:
        for message in codec.refusal(problem, "1000", NOW, 0.0):
            json.loads(codec.encode(message))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
NAMES = sorted(field for kind in codec._COMMANDS.values() for field in kind.__struct_fields__)


@given(st.sampled_from(sorted(codec._COMMANDS)), st.dictionaries(st.sampled_from(NAMES), JSON, max_size=6), JSON)
def test_any_parameters_are_a_command_or_refused(action: str, parameter: dict[str, Any], command_id: Any) -> None:
    try:
        made = decode_command(json.dumps({"action": action, "parameter": parameter, "id": command_id}))
    except CommandRefused as problem:
        assert problem.action == action
        for message in codec.refusal(problem, "1000", NOW, 0.0):
            json.loads(codec.encode(message))
    else:
        assert made.action == action


def test_a_login_proves_a_password_or_a_token() -> None:
    command = decode_command('{"action": "login", "parameter": {"extension": "1000", "token": "t"}}')
    assert isinstance(command, commands.Login)
    assert (command.password, command.token) == ("", "t")
    with pytest.raises(CommandRefused, match="missing-parameter"):
        decode_command('{"action": "login", "parameter": {"extension": "1000", "token": ""}}')
