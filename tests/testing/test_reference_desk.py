"""The desk of the reference: what it reads and does in good streams, and that it stops at each known mistake.

The mistakes are those of reference-behaviour.md §8, as a desk would meet them, and the ones that its §9.1 warns of.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from offhook.testing.reference_desk import DeskMisled, ReferenceDesk

Event = dict[str, Any]
AT = "2023-06-20T08:51:35.993Z"
IN_SERVICE = {"event": "xmppEvent", "response": {"loginId": "1000", "type": "IN_SERVICE", "description": "Connected"}}
OUT_OF_SERVICE = {"event": "xmppEvent", "response": {"loginId": "1000", "type": "OUT_OF_SERVICE", "description": "x"}}
NO_CALL = {"event": "dialogState", "response": {"loginId": "1000", "dialog": None}}


def agent(state: str) -> Event:
    response = {"loginId": "1000", "extension": "1000", "state": state, "cause": None}
    return {"event": "agentInfo", "response": response}


LOGIN = [IN_SERVICE, agent("LOGIN"), NO_CALL]


def call(name: str, state: str, *, id: str = "d", own: str | None = None, **change: Any) -> Event:
    """A dialog event; `active` is isCallAlreadyActive, `ended` isCallEnded, `reason` callEndReason."""
    record = {
        "id": id, "fromAddress": "5551234", "ani": "5551234", "customerNumber": "5551234", "dialedNumber": "800",
        "dnis": "800", "serviceIdentifier": "800", "callType": "OTHER_IN", "state": state,
        "isCallAlreadyActive": change.pop("active", False),
        "isCallEnded": change.pop("ended", 1 if state == "DROPPED" else 0),
        "callEndReason": change.pop("reason", None),
        "callVariables": {"CallVariable": [{"name": "callVariable0", "value": ""}]},
        "participants": [
            {"mediaAddress": "1000", "state": own or state, "mute": False, "startTime": AT, "stateChangeTime": AT}
        ],
    } | change  # fmt: skip
    return {"event": name, "response": {"loginId": "1000", "dialog": record}}


def out(state: str, name: str = "outboundDialing", **change: Any) -> Event:
    return call(name, state, **{"callType": "OUT", "fromAddress": "1000", **change})


def consult(state: str, **change: Any) -> Event:
    """The consult that this agent began."""
    return call("ConsultCall", state, **{"id": "c", "callType": "CONSULT", "fromAddress": "1000", **change})


def error(type: str = "generalError", **change: Any) -> Event:
    response = {
        "type": type, "loginId": "1000", "description": "No.", "event_time": "2023-5-13 3:22:51.778", "code": "timeout",
        "dialogId": None, "detail": "No.",
    } | change  # fmt: skip
    return {"event": "Error", "response": response}


def state(state: str, **change: Any) -> Event:
    return call("dialogState", state, **change)


RINGS = [*LOGIN, call("newInboundCall", "ALERTING")]
TALKS = [*RINGS, state("ACTIVE")]
DIALS = [*LOGIN, out("INITIATING")]
CONSULTS = [
    *TALKS, state("HELD", active=True), consult("INITIATING"), consult("INITIATED"), consult("ACTIVE"),
]  # fmt: skip
ASKED = [
    *LOGIN, call("ConsultCall", "ALERTING", id="c", callType="CONSULT", fromAddress="1001"),
    call("ConsultCall", "ACTIVE", id="c", callType="CONSULT", fromAddress="1001"),
]  # fmt: skip


def read(events: list[Event]) -> ReferenceDesk:
    desk = ReferenceDesk()
    for event in events:
        desk.receive(event)
    desk.finish()
    return desk


GOOD: dict[str, tuple[list[Event], list[tuple[str, str]]]] = {
    "inbound": (
        [*TALKS, state("HELD", active=True), state("ACTIVE", active=True), state("DROPPED", reason="NORMAL_CLEARING")],
        [("identified", "d"), ("started", "d"), ("held", "d"), ("resumed", "d"), ("ended", "d")],
    ),
    "outbound": (
        [*DIALS, out("INITIATED"), out("ACTIVE", "dialogState"), out("DROPPED", "dialogState"), agent("LOGOUT")],
        [("identified", "d"), ("started", "d"), ("ended", "d")],
    ),
    "outbound refused": (
        [*DIALS, out("DROPPED", "dialogState", reason="USER_BUSY"), error(code="USER_BUSY", dialogId="d")],
        [("identified", "d"), ("ended", "d")],
    ),
    "nobody answered": ([*RINGS, state("DROPPED", reason="NO_ANSWER")], [("identified", "d"), ("ended", "d")]),
    "campaign": (
        [
            *LOGIN,
            *(call("campaignCall", one, callType="OUTBOUND") for one in ("ALERTING", "ACTIVE")),
            call("campaignCall", "DROPPED", callType="OUTBOUND", reason="x"),
        ],
        [("identified", "d"), ("started", "d"), ("ended", "d")],
    ),  # fmt: skip
    "transferred": (
        [*TALKS, state("DROPPED", reason="direct-transfered", ended=0)],
        [("identified", "d"), ("started", "d"), ("ended", "d")],
    ),
    "consult taken over": (
        [
            *ASKED,
            call("ConsultCall", "DROPPED", id="c", reason="ATTENDED_TRANSFER", ended=0),
            state("ACTIVE", callType="CONSULT_TRANSFER", active=True),
            state("DROPPED"),
        ],
        [("identified", "c"), ("started", "c"), ("ended", "c"), ("ended", "d")],
    ),  # fmt: skip
    "conference": (
        [
            *CONSULTS,
            consult("DROPPED", reason="CONSULT_CONFERENCE", ended=0),
            state("ACTIVE", callType="CONFERENCE", active=True),
            state("ACTIVE", callType="CONFERENCE", active=True, own="HELD"),
            state("DROPPED"),
        ],
        [
            ("identified", "d"),
            ("started", "d"),
            ("held", "d"),
            ("identified", "c"),
            ("started", "c"),
            ("ended", "c"),
            ("resumed", "d"),
            ("ended", "d"),
        ],
    ),  # fmt: skip
    "barged in": (
        [
            *DIALS,
            out("INITIATED"),
            out("ACTIVE", "dialogState", callType="MONITORING"),
            state("DROPPED", callType="MONITORING", reason="BARGE_CONFERENCE", ended=0),
            state("ACTIVE", callType="CONFERENCE", active=True),
            state("DROPPED", callType="CONFERENCE"),
        ],
        [("identified", "d"), ("started", "d"), ("ended", "d"), ("ended", "d")],
    ),  # fmt: skip
    "announced again": (
        [*DIALS, out("INITIATED"), error("networkIssue"), OUT_OF_SERVICE, IN_SERVICE, out("INITIATED")],
        [("identified", "d")],
    ),
    "joined": (
        [IN_SERVICE, agent("LOGIN"), state("HELD", active=True), state("ACTIVE", active=True)],
        [("resumed", "d")],
    ),
    "registration refused during a call": (
        [*TALKS, agent("LOGOUT"), error("subscriptionFailed"), state("DROPPED")],
        [("identified", "d"), ("started", "d"), ("ended", "d")],
    ),
    "what it does not know": (
        [*TALKS, {"event": "DTMF", "response": {}}, {"event": "mediaConversion"}, {"event": "later"}],
        [("identified", "d"), ("started", "d")],
    ),
}


@pytest.mark.parametrize(("events", "reports"), GOOD.values(), ids=GOOD)
def test_what_it_reports(events: list[Event], reports: list[tuple[str, str]]) -> None:
    assert read(events).reports == reports


def test_ready_and_not_ready() -> None:
    assert read(LOGIN).ready
    assert not read([*LOGIN, error("invalidState")]).ready
    assert not read([*LOGIN, agent("LOGOUT"), error("subscriptionFailed")]).ready


def test_the_consult_toolbar_holds_and_resumes_by_itself() -> None:
    assert read(CONSULTS).commands == []
    swapped = [*CONSULTS, consult("HELD", active=True)]
    assert read(swapped).commands == [("retrieveCall", "d")]
    assert read([*swapped, state("ACTIVE", active=True)]).commands == [("retrieveCall", "d")]
    first = [*CONSULTS, state("ACTIVE", active=True)]
    assert read(first).commands == [("holdCall", "c")]
    assert read([*first, consult("HELD", active=True)]).commands == [("holdCall", "c")]
    unheld = [*TALKS, consult("INITIATING"), consult("ACTIVE")]
    assert read(unheld).commands == [("holdCall", "d")]


def changed(**change: Any) -> list[Event]:
    return [*LOGIN, call("newInboundCall", "ALERTING", **change)]


def of_participant(**change: Any) -> list[Event]:
    one = {"mediaAddress": "1000", "state": "ALERTING", "mute": False, "startTime": AT, "stateChangeTime": AT}
    return changed(participants=[one | change])


def mixed_up() -> list[Event]:
    """§8.1: the end of a second call told with the first one's id."""
    second = call("newInboundCall", "ALERTING", id="e")
    return [*TALKS, second, state("DROPPED", id="d"), state("DROPPED", id="d", reason="x")]


# Name: the number in §8, or the words of §9.1. What the desk says of it, and the stream.
BAD: dict[str, tuple[str, Callable[[], list[Event]]]] = {
    "8.1 one record for two calls": ("reported twice", mixed_up),
    "8.2 ACTIVE named by another call": (
        "the desk reads it from dialogstate",
        lambda: [*DIALS, out("INITIATED"), out("ACTIVE", "campaignCall")],
    ),
    "8.2 DROPPED of a consult as dialogState": (
        "reads it from consultcall",
        lambda: [*CONSULTS, state("DROPPED", id="c")],
    ),
    "8.3 INITIATING twice": ("looked up again", lambda: [*DIALS, out("INITIATING")]),
    "INITIATED twice": ("looked up again", lambda: [*DIALS, out("INITIATED"), out("INITIATED")]),
    "INITIATED alone": ("never identified", lambda: [*LOGIN, out("INITIATED")]),
    "8.4 HELD before ACTIVE": ("whose start was not reported", lambda: [*RINGS, state("HELD")]),
    "8.5 a transfer's reason in a normal end": ("8.10", lambda: [*TALKS, state("DROPPED", reason="Direct-Transfered")]),
    "8.9 RONA misspelt": ("this spelling", lambda: [*RINGS, state("DROPPED", reason="No_Answer")]),
    "8.9 Cancelled": ("this spelling", lambda: [*RINGS, state("DROPPED", reason="CANCELLED")]),
    "transferred in good English": (
        "this spelling",
        lambda: [*TALKS, state("DROPPED", reason="direct-transferred", ended=0)],
    ),
    "8.10 ended 1 with ATTENDED_TRANSFER": ("8.10", lambda: [*TALKS, state("DROPPED", reason="ATTENDED_TRANSFER")]),
    "8.10 ended 1 in ACTIVE": ("8.10", lambda: [*RINGS, state("ACTIVE", ended=1)]),
    "ended 0 without a reason": ("where does it go on", lambda: [*TALKS, state("DROPPED", ended=0)]),
    "8.11 the end of another call": ("never announced", lambda: [*TALKS, state("DROPPED", id="e", reason="x")]),
    "8.12 logged out with a consult left": (
        "never reported: consult",
        lambda: [*CONSULTS, state("DROPPED"), agent("LOGOUT")],
    ),
    "8.18 an Error without description": ("dereferenced", lambda: [*LOGIN, error(description=None)]),
    "8.18 subscriptionFailed before LOGOUT": ("before agentInfo", lambda: [IN_SERVICE, error("subscriptionFailed")]),
    "8.19 logged out with calls": ("customer ACTIVE", lambda: [*TALKS, agent("LOGOUT"), IN_SERVICE]),
    "8.19 logged out, and no more": ("customer ACTIVE", lambda: [*TALKS, agent("LOGOUT")]),
    "8.19 a call after logout": ("logged out", lambda: [*LOGIN, agent("LOGOUT"), call("newInboundCall", "ALERTING")]),
    "8.21 call variables as an object": ("not an array", lambda: changed(callVariables={"CallVariable": {}})),
    "8.21 call variables missing": ("not an array", lambda: changed(callVariables=None)),
    "8.21 a call variable without value": (
        "no name and value",
        lambda: changed(callVariables={"CallVariable": [{"name": "callVariable0", "value": None}]}),
    ),
    "8.24 an Error with a dialog": ("ends the call", lambda: [*TALKS, error(dialog={"id": "d"})]),
    "8.26 the id vanishes": ("id is null", lambda: changed(id=None)),
    "Error before DROPPED": ("before its DROPPED", lambda: [*DIALS, error(code="USER_BUSY", dialogId="d")]),
    "an Error of no known type": ("type is a text of 7", lambda: [*LOGIN, error("general")]),
    "the monitoring text misspelt": (
        "misspelt",
        lambda: [*LOGIN, error(description="Call monitoring failed due to call is on hold")],
    ),
    "participants as an object": ("not an array", lambda: changed(participants={"Participant": []})),
    "the agent is not among them": ("0 participants are the agent", lambda: of_participant(mediaAddress="1001")),
    "mute is no boolean": ("mute is null", lambda: of_participant(mute=None)),
    "a local time": ("no date", lambda: of_participant(startTime="2023-5-13 3:22:51.778")),
    "the 31st of February": ("no date", lambda: of_participant(stateChangeTime="2023-02-31T00:00:00.000Z")),
    "isCallEnded as a boolean": ("isCallEnded is bool", lambda: changed(ended=False)),
    "isCallAlreadyActive as a number": ("isCallAlreadyActive is int", lambda: changed(active=0)),
    "no callType": ("callType is null", lambda: changed(callType=None)),
    "a state of nobody": ("does not know", lambda: [*LOGIN, call("newInboundCall", "FAILED")]),
    "the popup twice": ("popup comes again", lambda: [*RINGS, call("newInboundCall", "ALERTING")]),
    "a popup for a running call": ("does not expect", lambda: [*RINGS, call("newInboundCall", "ACTIVE")]),
    "a start that is never reported": ("never reported", lambda: [*RINGS, state("ACTIVE", active=True)]),
    "a start reported twice": (
        "a second start",
        lambda: [*TALKS, state("HELD", active=True), state("ACTIVE", active=False)],
    ),
    "ACTIVE with a participant that rings": (
        "participant is ALERTING",
        lambda: [*RINGS, state("ACTIVE", own="ALERTING")],
    ),
    "DROPPED with a participant that talks": ("agent is ACTIVE", lambda: [*TALKS, state("DROPPED", own="ACTIVE")]),
    "ACTIVE out of nothing": ("never rang", lambda: [*LOGIN, state("ACTIVE")]),
    "HELD out of nothing": ("never was ACTIVE", lambda: [*LOGIN, state("HELD")]),
    "a consult without a customer": ("without a customer's call", lambda: [*LOGIN, consult("INITIATING")]),
    "taken over beside its consult": (
        "two calls are shown",
        lambda: [*ASKED, state("ACTIVE", callType="CONSULT_TRANSFER", active=True)],
    ),
    "taken over as a new call": (
        "told as a new call",
        lambda: [*LOGIN, state("ACTIVE", callType="CONSULT_TRANSFER")],
    ),
    "no dialog while there are calls": ("customer ACTIVE", lambda: [*TALKS, NO_CALL]),
    "newInboundCall without a dialog": ("only a dialogState's", lambda: [{**NO_CALL, "event": "newInboundCall"}]),
    "no response": ("response is null", lambda: [{"event": "dialogState"}]),
    "agentInfo of no state": ("state is null", lambda: [{"event": "agentInfo", "response": {}}]),
    "a service of nobody": ("type is a text", lambda: [{"event": "xmppEvent", "response": {"type": "in_service"}}]),
}


@pytest.mark.parametrize(("says", "events"), BAD.values(), ids=BAD)
def test_what_would_mislead_it(says: str, events: Callable[[], list[Event]]) -> None:
    stream = events()
    with pytest.raises(DeskMisled, match=says) as caught:
        read(stream)
    assert "5551234" not in str(caught.value)


def test_the_mistake_is_the_last_event() -> None:
    """A stream is bad for what its last event says, not for how it was made up here."""
    for name, (_, events) in BAD.items():
        stream = events()
        desk = ReferenceDesk()
        for event in stream[:-1]:
            try:
                desk.receive(event)
            except DeskMisled as problem:
                raise AssertionError(name) from problem
