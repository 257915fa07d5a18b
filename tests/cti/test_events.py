"""The shapes of events: contract §4, RB §4.2, §4.3."""

from __future__ import annotations

import json

from offhook.cti import events
from offhook.cti.codec import encode
from offhook.cti.dialog import outbound
from offhook.cti.errors import failure

KEYS = (
    "id fromAddress dialedNumber customerNumber dnis serviceIdentifier callType ani wrapUpReason wrapUpItems "
    "callEndReason queueName queueType associatedDialogUri secondaryId participants callVariables state "
    "isCallAlreadyActive callbackNumber outboundClassification scheduledCallbackInfo isCallEnded eventType mediaType "
    "callOriginator channelType primaryDN"
).split()


def dialog() -> events.Dialog:
    return outbound(
        "d1", "5551234", "800", "audio", extension="1000", address_type="X", originator="normal", wall=1_687_251_095.993
    )


def test_every_key_of_the_sample_is_there() -> None:
    event = events.DialogState(response=events.DialogResponse(loginId="1000", dialog=dialog()))
    told = json.loads(encode(event))
    assert list(told) == ["event", "response"]
    assert list(told["response"]["dialog"]) == KEYS
    participant = told["response"]["dialog"]["participants"][0]
    assert participant == {
        "actions": {"action": ["TRANSFER_SST", "HOLD", "SEND_DTMF", "DROP"]},
        "mediaAddress": "1000",
        "mediaAddressType": "X",
        "startTime": "2023-06-20T08:51:35.993Z",
        "state": "INITIATING",
        "stateCause": None,
        "stateChangeTime": "2023-06-20T08:51:35.993Z",
        "mute": False,
    }
    assert told["response"]["dialog"]["callVariables"] == {"CallVariable": []}


def test_small_events() -> None:
    assert json.loads(encode(events.agent_info("1000", "LOGIN"))) == {
        "event": "agentInfo",
        "response": {"loginId": "1000", "extension": "1000", "state": "LOGIN", "cause": None},
    }
    assert json.loads(encode(events.no_dialog("1000"))) == {
        "event": "dialogState",
        "response": {"loginId": "1000", "dialog": None},
    }
    assert json.loads(encode(events.xmpp_event("1000", "IN_SERVICE", "Connected")))["response"] == {
        "loginId": "1000",
        "type": "IN_SERVICE",
        "description": "Connected",
    }


def test_an_error_has_a_dialog_id_and_never_a_dialog() -> None:
    """RB §8.24: the reference's desk ends the call that it finds there."""
    told = json.loads(encode(events.error("1000", failure("timeout"), "d1", 0.007, 0.0)))["response"]
    assert "dialog" not in told
    assert told["dialogId"] == "d1"
    assert told["event_time"] == "1970-1-1 0:0:0.7"


def test_times() -> None:
    assert events.iso_time(1_687_251_095.0) == "2023-06-20T08:51:35.000Z"
    assert events.iso_time(1_687_251_095.9996) == "2023-06-20T08:51:36.000Z"
    assert events.local_time(1_683_000_171.778, 7200.0) == "2023-5-2 6:2:51.778"
    assert events.local_time(1_683_000_171.778, -7200.0) == "2023-5-2 2:2:51.778"


def test_a_refused_login() -> None:
    """RB §3.1: LOGOUT first; §8.18: always with the extension and a text."""
    told = [json.loads(encode(event)) for event in events.login_refused("1000", 0.0, 0.0)]
    assert [event["event"] for event in told] == ["agentInfo", "Error"]
    assert told[0]["response"]["state"] == "LOGOUT"
    assert told[1]["response"]["loginId"] == "1000"
    assert told[1]["response"]["description"] == "Invalid Credentials. Please provide valid credentials."


def test_no_number_in_a_repr() -> None:
    event = events.DialogState(response=events.DialogResponse(loginId="1000", dialog=dialog()))
    error = events.error("1000", failure("invalid-number", "Invalid target Uri:5551234"), None, 0.0, 0.0)
    result = events.CommandResult(id="1", action="getState", status="done", result={"number": "5551234"})
    for shown in (repr(event), repr(error), repr(result), repr(dialog()), repr(events.no_dialog("1000"))):
        assert "5551234" not in shown
    assert "d1" in repr(event)
    assert repr(events.agent_info("1000", "LOGIN")) == "AgentInfo(...)"
