from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from offhook.media.engine import Direction, FromPeer, Mix, SendDigits
from offhook.sip.events import InviteReceived, RequestReceived, SessionEnded
from offhook.switch.wording import SwitchSettings

CONSULT = [("X-Calltype", "CONSULT"), ("X-CustomerNumber", "1000"), ("X-Destination-Number", "8000")]


@pytest.fixture
def bench(make_bench: Callable[..., Any]) -> Any:
    return make_bench(settings=SwitchSettings(server="efcx"))


class Story:
    """1000, a customer, talks with 1001, who holds it and consults 1002."""

    def __init__(self, bench: Any) -> None:
        self.bench = bench
        self.customer, self.agent, self.other = (bench.phone(user) for user in ("1000", "1001", "1002"))
        self.customers = self.customer.call("1001")
        self.agents = self.agent.accept()
        self.agent.reoffer(self.agents, Direction.SENDONLY)
        bench.run(1.0)
        self.consult = self.agent.call("1002", headers=CONSULT)
        self.others = self.other.accept()

    @property
    def customer_dialog(self) -> str:
        """What the agent calls the customer's call."""
        return told(self.agent)

    def press(self, session: str, letter: str) -> None:
        for digit in ("*", letter):
            self.agent.press(session, digit)


def told(phone: Any) -> str:
    """The X-Call-Id of the last call that came to a phone."""
    value: str = phone.last(InviteReceived).request.headers.get("X-Call-Id")
    return value


def call_id(phone: Any, session: str) -> str:
    value: str = phone.agent.session(session).call_id
    return value


def test_every_call_has_an_id(bench: Any) -> None:
    story = Story(bench)
    legs = {each.uuid for each in bench.node.channels()}
    assert story.customer_dialog in legs and told(story.other) in legs


def test_a_consultation_is_transferred(bench: Any) -> None:
    story = Story(bench)
    story.press(story.consult, "A")
    assert [(each.session, each.reasons[0].text) for each in story.agent.have(SessionEnded)] == [
        (story.consult, "ATTENDED_TRANSFER"),
        (story.agents, "ATTENDED_TRANSFER"),
    ]
    customer, other = bench.channel("1000"), bench.channel("1002")
    assert bench.heard_by(customer.uuid)[-1] == FromPeer(other.uuid)
    assert bench.heard_by(other.uuid)[-1] == FromPeer(customer.uuid)
    assert story.other.messages == [
        {
            "event": "CONSULT_TRANSFER",
            "dialog": {
                "id": told(story.other),
                "customerDialogId": story.customer_dialog,
                "customerDestinationNumber": "8000",
            },
        }
    ]
    request = story.other.last(RequestReceived).request
    assert request.to.tag is None and request.headers.get("Content-Type") == "text/plain"


def test_an_agent_that_called_the_customer_knows_the_call_by_its_call_id(bench: Any) -> None:
    customer, agent, other = (bench.phone(user) for user in ("1000", "1001", "1002"))
    session = agent.call("1000", headers=[("X-Calltype", "OUT"), ("X-Destination-Number", "1000")])
    customer.accept()
    consult = agent.call("1002", headers=CONSULT[:1])
    other.accept()
    known = call_id(agent, session)
    for digit in "*A":
        agent.press(consult, digit)
    dialog = other.messages[-1]["dialog"]
    assert dialog["customerDialogId"] == known and dialog["customerDestinationNumber"] == "1000"


def test_no_customer_to_transfer(bench: Any) -> None:
    story = Story(bench)
    story.customer.hang_up(story.customers)
    known = call_id(story.agent, story.consult)
    story.press(story.consult, "A")
    assert story.agent.messages == [
        {"event": "CONSULT_TRANSFER_FAILED", "reasonCode": "CUSTOMER_LEFT", "dialog": {"id": known}}
    ]
    assert len(bench.node.channels()) == 2


def test_nobody_to_transfer_to(bench: Any) -> None:
    story = Story(bench)
    story.other.hang_up(story.others)
    story.press(story.agents, "A")
    assert story.agent.messages[-1]["reasonCode"] == "CONSULT_LEFT" and len(bench.node.channels()) == 2


@pytest.mark.parametrize("on", ["customer", "consult"])
def test_a_conference_on_either_call(bench: Any, on: str) -> None:
    story = Story(bench)
    story.agent.reoffer(story.agents, Direction.SENDRECV)
    bench.run(1.0)
    story.press(story.agents if on == "customer" else story.consult, "C")
    assert story.agent.end.session == story.consult
    (message,) = story.agent.messages
    assert message == {
        "event": "CONFERENCE",
        "reasonCode": "CONSULT_CONFERENCE",
        "additionalAttributes": {
            "conference": {"name": message["additionalAttributes"]["conference"]["name"]},
            "members": [{"ext": "1000"}, {"ext": "1001"}, {"ext": "1002"}],
        },
        "dialog": {
            "id": story.customer_dialog,
            "customerDialogId": story.customer_dialog,
            "customerDestinationNumber": "8000",
        },
    }
    assert story.other.messages[-1]["dialog"]["id"] == told(story.other)
    assert story.other.messages[-1]["dialog"]["customerDialogId"] == story.customer_dialog
    assert not story.agent.words
    assert len(bench.heard_by(bench.channel("1000").uuid)[-1].peers) == 2


def test_members_leave(bench: Any) -> None:
    story = Story(bench)
    story.press(story.consult, "C")
    story.other.hang_up(story.others)
    message = story.agent.messages[-1]
    assert message["reasonCode"] == "MEMBER_LEFT"
    assert message["additionalAttributes"]["members"] == [{"ext": "1000"}, {"ext": "1001"}]
    story.customer.hang_up(story.customers)
    assert not bench.node.channels()


def test_a_conference_that_cannot_be(bench: Any) -> None:
    story = Story(bench)
    story.other.hang_up(story.others)
    story.press(story.agents, "C")
    assert story.agent.messages[-1] == {
        "event": "CONSULT_CONFERENCE_FAILED",
        "reasonCode": "CONSULT_LEFT",
        "dialog": {"id": story.customer_dialog},
    }


def test_a_conference_cannot_be_transferred(bench: Any) -> None:
    story = Story(bench)
    story.press(story.consult, "C")
    fourth = bench.phone("1003")
    consult = story.agent.call("1003", headers=CONSULT)
    fourth.accept()
    story.press(consult, "A")
    assert story.agent.messages[-1]["event"] == "CONSULT_TRANSFER_FAILED"
    assert story.agent.messages[-1]["reasonCode"] == "LIMIT_REACHED"


def test_a_supervisor_barges_in(bench: Any) -> None:
    story = Story(bench)
    story.agent.hang_up(story.consult)
    story.agent.reoffer(story.agents, Direction.SENDRECV)
    bench.run(1.0)
    supervisor = bench.phone("1009")
    session = supervisor.call("*441001", offer=supervisor.offer(Direction.RECVONLY))
    for digit in "*B":
        supervisor.press(session, digit)
    message = supervisor.messages[-1]
    assert (message["event"], message["reasonCode"]) == ("CONFERENCE", "BARGE_CONFERENCE")
    assert message["dialog"]["id"] == call_id(supervisor, session)
    assert message["dialog"]["customerDialogId"] == story.customer_dialog
    a, b, s = (bench.channel(user).uuid for user in ("1000", "1001", "1009"))
    assert bench.heard_by(a)[-1] == Mix((b, s))


def test_an_agent_does_not_barge_in(bench: Any) -> None:
    story = Story(bench)
    story.press(story.agents, "B")
    assert story.agent.messages[-1] == {
        "event": "BARGE_FAILED",
        "reasonCode": "NOT_ALLOWED",
        "dialog": {"id": story.customer_dialog},
    }


def test_a_call_on_hold_is_not_monitored(bench: Any) -> None:
    customer, agent, supervisor = (bench.phone(user) for user in ("1000", "1001", "1009"))
    customer.call("1001")
    agent.reoffer(agent.accept(), Direction.SENDONLY)
    bench.run(1.0)
    supervisor.call("*441001")
    assert supervisor.end.reasons[0].text == "ON_HOLD"
    (message,) = supervisor.messages
    assert (message["event"], message["reasonCode"]) == ("MONITORING_FAILED", "ON_HOLD")
    assert message["dialog"]["id"]


def test_other_refusals_are_told_by_their_status_alone(bench: Any) -> None:
    supervisor = bench.phone("1009")
    supervisor.call("*441001")
    assert supervisor.end.status == 480 and not supervisor.messages


def digits(bench: Any) -> list[str]:
    return [each.digits for each in bench.performed(SendDigits)]


def test_a_star_without_its_letter_is_a_key(bench: Any) -> None:
    story = Story(bench)
    story.press(story.agents, "5")
    assert digits(bench) == ["*", "5"]
    story.agent.press(story.agents, "*")
    assert digits(bench) == ["*", "5"]
    bench.run(2.1)
    assert digits(bench) == ["*", "5", "*"]
    story.press(story.agents, "*")
    bench.run(2.1)
    assert digits(bench) == ["*", "5", "*", "*", "*"]


def test_letters_alone_are_keys(bench: Any) -> None:
    story = Story(bench)
    story.agent.press(story.agents, "A")
    assert digits(bench) == ["A"] and len(bench.node.channels()) == 4


def test_a_star_of_one_that_is_gone(bench: Any) -> None:
    story = Story(bench)
    story.agent.press(story.agents, "*")
    story.agent.hang_up(story.agents)
    bench.run(3.0)
    assert digits(bench) == []


def test_words_are_not_taken(bench: Any) -> None:
    story = Story(bench)
    story.agent.say(story.agents, "VARIABLES", variables={"a": "b"})
    assert not story.agent.words and bench.channel("1000").variables == ()


def test_agents_tell_each_other_of_hold_by_message(bench: Any) -> None:
    """CONFERENCE_MEMBER_HOLD and the like go from agent to agent, past the server's own part."""
    story = Story(bench)
    body = '{"event":"CONFERENCE_MEMBER_HOLD","dialog":{"id":"x"},"additionalAttributes":{"members":[{"ext":"1001"}]}}'
    story.agent.agent.request("MESSAGE", "sip:1002@127.0.0.1", bench.now, content_type="text/plain", body=body)
    bench.drain()
    assert story.other.messages[-1]["event"] == "CONFERENCE_MEMBER_HOLD"
