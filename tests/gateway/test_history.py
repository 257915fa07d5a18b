"""Calls that are over, as events told them."""

from __future__ import annotations

from typing import Any

from offhook.cti.events import Actions, Dialog, DialogResponse, DialogState, Participant, State, no_dialog
from offhook.gateway.history import History, LiveCall


def event(id: str, state: State, **more: Any) -> DialogState:
    own = Participant(
        actions=Actions(()), mediaAddress="1000", mediaAddressType="t", startTime="s", state=state, stateChangeTime="s"
    )
    texts: dict[str, Any] = dict.fromkeys(("fromAddress", "dialedNumber", "dnis", "serviceIdentifier", "ani"), "")
    dialog = Dialog(id=id, state=state, customerNumber="5000", callType="OUT", participants=(own,), **texts, **more)
    return DialogState(response=DialogResponse(loginId="1000", dialog=dialog))


def told(history: History, *events: tuple[float, DialogState], extension: str = "1000", tenant: str = "") -> None:
    for wall, one in events:
        history.see(extension, tenant, one, wall)


def test_a_call_from_its_beginning_to_its_end() -> None:
    history = History()
    told(history, (0, event("a", "INITIATING")), (2, event("a", "ACTIVE")), (5, event("a", "HELD")))
    assert history.read("", None, 10, None) == []
    told(history, (12.5, event("a", "DROPPED", callEndReason="x")))
    (record,) = history.read("", "1000", 10, None)
    assert (record.direction, record.number, record.seconds, record.endReason) == ("outbound", "5000", 10.5, "x")
    assert (record.startedAt, record.answeredAt) == ("1970-01-01T00:00:00.000Z", "1970-01-01T00:00:02.000Z")


def test_an_inbound_call_that_nobody_answered() -> None:
    history = History()
    told(history, (0, event("a", "ALERTING")), (9, event("a", "DROPPED")))
    (record,) = history.read("", None, 10, None)
    assert (record.direction, record.answeredAt, record.seconds) == ("inbound", None, 0.0)


def test_the_latest_first_of_ones_own_tenant_and_finite() -> None:
    history = History(calls=3)
    for number in range(5):
        told(history, (number, event(f"d{number}", "ALERTING")), (number, event(f"d{number}", "DROPPED")))
    told(history, (9, event("e", "ALERTING")), (9, event("e", "DROPPED")), tenant="b", extension="2000")
    assert [record.id for record in history.read("", None, 10, None)] == ["d4", "d3"]
    assert [record.id for record in history.read("", None, 1, None)] == ["d4"]
    assert [record.id for record in history.read("", None, 10, "1970-01-01T00:00:04.000Z")] == ["d3"]
    assert [record.id for record in history.read("b", "2000", 10, None)] == ["e"]
    assert history.read("b", "1000", 10, None) == []


def test_what_is_no_call_and_what_is_forgotten() -> None:
    history = History()
    told(history, (0, no_dialog("1000")), (0, event("a", "DROPPED")))
    told(history, (0, event("b", "ALERTING")))
    history.forget("1000")
    told(history, (1, event("b", "DROPPED")))
    assert len(history) == 0


def test_another_process_goes_on_with_it() -> None:
    first, second = History(), History()
    told(first, (0, event("over", "ALERTING")))
    over = first.see("1000", "", event("over", "DROPPED"), 1)
    assert over is not None and over.id == "over"
    assert first.see("1000", "", event("a", "INITIATING"), 2) is None
    assert first.live("1000") == {"a": LiveCall("outbound", 2)} and first.live("2000") == {}
    second.refill([("", over)])
    second.resume("1000", first.live("1000"))
    told(second, (4, event("a", "ACTIVE")), (5, event("a", "DROPPED")))
    assert [(call.id, call.direction, call.seconds) for call in second.read("", None, 9, None)] == [
        ("a", "outbound", 1.0),
        ("over", "inbound", 0.0),
    ]
