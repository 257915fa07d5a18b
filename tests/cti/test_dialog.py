"""Records and the events that tell them: contract §3, §4."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec
import pytest

from offhook.cti import dialog as records
from offhook.cti.dialect import Invitation
from offhook.cti.dialog import Kind
from offhook.cti.events import Dialog, State

TOLD = Invitation(
    call_id=None,
    call_type=None,
    number="5551234",
    destination="800",
    customer=None,
    queue="support",
    queue_type="NAME",
    media_type=None,
    variables=(("callVariable0", "zero"),),
    answer_after=None,
)


def ringing(has_audio: bool = True, **changes: Any) -> Dialog:
    told = replace(TOLD, **changes)
    return records.inbound("d1", told, has_audio=has_audio, extension="1000", address_type="X", wall=1.0)


def out() -> Dialog:
    return records.outbound(
        "d1", "5551234", "800", "video", extension="1000", address_type="X", originator="webrtc", wall=1.0
    )


def test_an_ordinary_inbound_call() -> None:
    dialog = ringing()
    assert (dialog.fromAddress, dialog.ani, dialog.customerNumber) == ("5551234",) * 3
    assert (dialog.dialedNumber, dialog.dnis, dialog.serviceIdentifier) == ("800",) * 3
    assert (dialog.callType, dialog.queueName, dialog.queueType) == ("OTHER_IN", "support", "NAME")
    assert (dialog.mediaType, dialog.callOriginator, dialog.channelType) == ("audio", "normal", "VOICE")
    assert (dialog.state, dialog.isCallEnded, dialog.isCallAlreadyActive) == ("ALERTING", 0, False)
    assert dialog.callVariables.CallVariable[0].value == "zero"
    assert dialog.participants[0].actions.action == ("ANSWER",)
    assert dialog.participants[0].mediaAddress == "1000"


def test_no_destination_is_the_agent_itself() -> None:
    dialog = ringing(destination=None)
    assert (dialog.dialedNumber, dialog.dnis, dialog.serviceIdentifier) == ("1000",) * 3


def test_a_call_from_a_page() -> None:
    dialog = ringing(media_type="video")
    assert (dialog.mediaType, dialog.callOriginator, dialog.channelType) == ("video", "webrtc", "WEB_RTC")
    assert ringing(has_audio=False).mediaType is None


def test_a_consult_call() -> None:
    dialog = ringing(call_type="CONSULT", customer="777", media_type="audio")
    assert (dialog.callType, dialog.customerNumber, dialog.callOriginator) == ("CONSULT", "777", "normal")
    bare = ringing(call_type="CONSULT", destination=None)
    assert (bare.customerNumber, bare.dialedNumber, bare.serviceIdentifier) == ("0000",) * 3
    assert (bare.dnis, bare.mediaType) == ("1000", "audio")


def test_an_outbound_call() -> None:
    dialog = out()
    assert (dialog.fromAddress, dialog.ani, dialog.customerNumber) == ("1000", "5551234", "5551234")
    assert (dialog.dialedNumber, dialog.dnis, dialog.serviceIdentifier) == ("5551234", "5551234", "800")
    assert (dialog.callType, dialog.mediaType, dialog.callOriginator) == ("OUT", "video", "webrtc")
    assert (dialog.queueName, dialog.queueType) == (None, None)


@pytest.mark.parametrize(
    ("call_type", "kind", "told"),
    [
        (None, Kind.IN, "OTHER_IN"),
        ("OUT", Kind.IN, "OTHER_IN"),
        ("ACD", Kind.IN, "OTHER_IN"),
        ("CONSULT", Kind.CONSULT, "CONSULT"),
        ("PROGRESSIVE", Kind.CAMPAIGN, "OUTBOUND"),
        ("MONITORING", Kind.MONITORING, "MONITORING"),
    ],
)
def test_kinds(call_type: str | None, kind: Kind, told: str) -> None:
    assert records.kind_of(call_type) is kind
    assert ringing(call_type=call_type).callType == told


@pytest.mark.parametrize(
    ("kind", "names"),
    [
        (Kind.OUT, {"INITIATING": "outboundDialing", "INITIATED": "outboundDialing", "ACTIVE": "dialogState"}),
        (Kind.IN, {"ALERTING": "newInboundCall", "ACTIVE": "dialogState", "DROPPED": "dialogState"}),
        (Kind.CONSULT, dict.fromkeys(["ALERTING", "ACTIVE", "HELD", "DROPPED"], "ConsultCall")),
        (Kind.CAMPAIGN, dict.fromkeys(["ALERTING", "ACTIVE", "HELD", "DROPPED"], "campaignCall")),
        (Kind.MONITORING, {"ALERTING": "MONITORING", "ACTIVE": "dialogState", "DROPPED": "dialogState"}),
    ],
)
def test_the_event_is_named_by_the_dialog_itself(kind: Kind, names: dict[State, str]) -> None:
    """RB §8.2: the reference took the name from whatever call came last."""
    for state, name in names.items():
        event = records.event_of(kind, records.moved(ringing(), state, 2.0), "1000")
        assert event.name == name
        assert event.response.loginId == "1000"


@pytest.mark.parametrize(
    ("state", "actions"),
    [
        ("INITIATING", ["TRANSFER_SST", "HOLD", "SEND_DTMF", "DROP"]),
        ("INITIATED", ["TRANSFER_SST", "HOLD", "SEND_DTMF", "DROP"]),
        ("ALERTING", ["ANSWER"]),
        ("ACTIVE", ["TRANSFER_SST", "HOLD", "SEND_DTMF", "DROP"]),
        ("HELD", ["RETRIEVE", "TRANSFER_SST", "DROP"]),
        ("DROPPED", []),
    ],
)
def test_actions_follow_the_state(state: State, actions: list[str]) -> None:
    """RB §8.21: the reference's inbound calls kept ANSWER for life."""
    own = records.moved(ringing(), state, 2.0).participants[0]
    assert list(own.actions.action) == actions
    assert own.state == state
    assert own.stateChangeTime == "1970-01-01T00:00:02.000Z"
    assert own.startTime == "1970-01-01T00:00:01.000Z"


def test_answered_is_when_the_agent_s_part_begins() -> None:
    dialog = records.answered(ringing(), 9.0, mediaType="video")
    assert (dialog.state, dialog.mediaType, dialog.isCallAlreadyActive) == ("ACTIVE", "video", False)
    assert dialog.participants[0].startTime == "1970-01-01T00:00:09.000Z"


def test_dropped() -> None:
    dialog = records.dropped(records.muted(records.answered(ringing(), 2.0), True, 3.0), "NO_ANSWER", 4.0)
    assert (dialog.state, dialog.isCallEnded, dialog.isCallAlreadyActive) == ("DROPPED", 1, False)
    assert (dialog.callEndReason, dialog.endCallReason) == ("NO_ANSWER", "NO_ANSWER")
    assert dialog.participants[0].mute is False
    assert records.dropped(ringing(), None, 4.0, ended=0).isCallEnded == 0


def test_the_additions_stay_away_until_they_say_something() -> None:
    keys = msgspec.to_builtins(ringing())
    assert "remoteHold" not in keys and "endCallReason" not in keys
    assert msgspec.to_builtins(records.dropped(ringing(), None, 1.0))["endCallReason"] is None


def test_records_never_change() -> None:
    """RB §8.1: one record a dialog; RB §1: the reference handed out live objects."""
    dialog = ringing()
    before = msgspec.json.encode(dialog)
    records.dropped(records.muted(records.answered(dialog, 2.0), True, 3.0), "x", 4.0)
    assert msgspec.json.encode(dialog) == before


def test_again_says_that_it_has_been_active_already() -> None:
    assert records.again(records.answered(ringing(), 2.0)).isCallAlreadyActive is True
    assert records.again(ringing()).isCallAlreadyActive is False


def test_ids_of_the_server() -> None:
    assert records.usable_id("crm-42") == "crm-42"
    assert records.usable_id(None) is None
    assert records.usable_id("x" * 129) is None
    assert records.usable_id("a\tb") is None
