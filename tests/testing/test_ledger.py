"""Each rule of the ledger can be broken, and is missed by none of these."""

from __future__ import annotations

from typing import Any

import pytest

from offhook.testing.ledger import BrokenRule, Ledger

RECORD: dict[str, Any] = {
    "id": "1",
    "callType": "OUT",
    "fromAddress": "1000",
    "dialedNumber": "9",
    "customerNumber": "9",
    "dnis": "9",
    "serviceIdentifier": "800",
    "ani": "9",
    "queueName": None,
    "queueType": None,
    "callOriginator": "webrtc",
    "channelType": "WEB_RTC",
    "callVariables": {"CallVariable": []},
    "isCallEnded": 0,
}


class Agent:
    """Tells a ledger what an agent might be told."""

    def __init__(self) -> None:
        self.ledger = Ledger("1000", longest=50.0)
        self.seq = 0

    def say(self, name: str, state: str | None = None, **more: Any) -> None:
        self.seq += 1
        told = None if state is None else {**RECORD, **more, "state": state}
        response = {"loginId": "1000", "dialog": told, **({} if state else more)}
        self.ledger.published({"event": name, "seq": self.seq, "stream": "s", "response": response})

    def dial(self, **more: Any) -> None:
        self.say("outboundDialing", "INITIATING", **more)
        self.say("outboundDialing", "INITIATED", **more)

    def result(self, id: str = "c1", status: str = "done", origin: str = "desk", at: float = 1.0) -> None:
        told = {"event": "commandResult", "id": id, "action": "holdCall", "status": status}
        self.ledger.replied(origin, {**told, "error": None if status == "done" else {"code": "x"}}, at)


@pytest.fixture
def agent() -> Agent:
    return Agent()


def test_a_call_from_its_beginning_to_its_end(agent: Agent) -> None:
    agent.dial()
    for state in ("ACTIVE", "ACTIVE", "HELD", "HELD", "ACTIVE"):
        agent.say("dialogState", state)
    assert agent.ledger.live["1"].state == "ACTIVE"
    agent.say("dialogState", "DROPPED", isCallEnded=1)
    agent.ledger.quiet()


@pytest.mark.parametrize(
    ("name", "state", "more"),
    [
        ("outboundDialing", "INITIATED", {}),  # twice
        ("dialogState", "HELD", {}),  # before ACTIVE
        ("outboundDialing", "ACTIVE", {}),  # by another event
        ("ConsultCall", "ACTIVE", {}),
        ("dialogState", "ACTIVE", {"customerNumber": "8"}),  # of another call
        ("dialogState", "ACTIVE", {"isCallEnded": 1}),
        ("dialogState", "DROPPED", {"isCallEnded": None}),
        ("newInboundCall", "ALERTING", {}),  # its id is that of a live call
        ("dialogState", "DROPPED", {"id": "2"}),
        ("dialogState", "ACTIVE", {"id": "2"}),
        ("dialogState", "ACTIVE", {"id": "2", "callType": "CONFERENCE"}),  # nothing dropped for it
    ],
)
def test_what_a_dialog_may_not_do(agent: Agent, name: str, state: str, more: dict[str, Any]) -> None:
    agent.dial()
    with pytest.raises(BrokenRule):
        agent.say(name, state, **more)


def test_the_end_comes_once(agent: Agent) -> None:
    agent.dial()
    agent.say("dialogState", "DROPPED", isCallEnded=1)
    with pytest.raises(BrokenRule):
        agent.say("dialogState", "DROPPED", isCallEnded=1)


def test_announced_again(agent: Agent) -> None:
    agent.dial()
    agent.say("xmppEvent", type="IN_SERVICE")
    agent.say("outboundDialing", "INITIATED")
    with pytest.raises(BrokenRule):
        agent.say("outboundDialing", "INITIATED")


def test_variables_of_a_consult_with_a_queue(agent: Agent) -> None:
    agent.dial()
    agent.say("outboundDialing", "INITIATED", callVariables={"CallVariable": [{"name": "a", "value": "b"}]})


@pytest.mark.parametrize(("id", "ended", "well"), [("1", 0, True), ("2", 0, True), ("1", 1, False)])
def test_a_call_that_goes_on_as_another(agent: Agent, id: str, ended: int, well: bool) -> None:
    agent.dial()
    agent.say("dialogState", "ACTIVE")
    agent.say("dialogState", "DROPPED", isCallEnded=ended)
    if well:
        agent.say("dialogState", "ACTIVE", id=id, callType="CONFERENCE", customerNumber="7")
        agent.say("dialogState", "HELD", id=id, callType="CONFERENCE", customerNumber="7")
    else:
        with pytest.raises(BrokenRule):
            agent.say("dialogState", "ACTIVE", id=id, callType="CONFERENCE")


def test_a_campaign_call_that_becomes_a_conference(agent: Agent) -> None:
    agent.say("campaignCall", "ALERTING")
    agent.say("campaignCall", "ACTIVE")
    agent.say("dialogState", "ACTIVE", callType="CONFERENCE")
    agent.say("dialogState", "DROPPED", callType="CONFERENCE", isCallEnded=1)


def test_numbers_without_a_gap(agent: Agent) -> None:
    agent.dial()
    agent.seq += 1
    with pytest.raises(BrokenRule):
        agent.say("dialogState", "ACTIVE")


def test_one_stream(agent: Agent) -> None:
    agent.say("xmppEvent", type="OUT_OF_SERVICE")
    with pytest.raises(BrokenRule):
        agent.ledger.published({"event": "Error", "seq": 2, "stream": "t", "response": {}})


def test_a_new_session_begins_anew(agent: Agent) -> None:
    agent.say("xmppEvent", type="OUT_OF_SERVICE")
    agent.ledger.fresh()
    agent.seq = 0
    agent.dial()
    with pytest.raises(BrokenRule):
        agent.ledger.fresh()


@pytest.mark.parametrize(
    "result",
    [{}, {"id": "c2"}, {"origin": "other"}, {"at": 51.0}],
    ids=["twice", "of nobody", "to another", "late"],
)
def test_outcomes(agent: Agent, result: dict[str, Any]) -> None:
    agent.ledger.asked("c1", "holdCall", "desk", 0.0)
    if not result:
        agent.result()
        assert agent.ledger.last == ("c1", "done")
    with pytest.raises(BrokenRule):
        agent.result(**result)


def test_an_outcome_that_is_owed(agent: Agent) -> None:
    agent.ledger.asked("c1", "holdCall", "desk", 0.0)
    assert agent.ledger.waiting() == ["c1"]
    with pytest.raises(BrokenRule):
        agent.ledger.quiet()
    agent.ledger.forget()
    agent.ledger.quiet()
    with pytest.raises(BrokenRule):
        agent.result()


def test_a_call_that_is_left(agent: Agent) -> None:
    agent.dial()
    with pytest.raises(BrokenRule):
        agent.ledger.quiet()
