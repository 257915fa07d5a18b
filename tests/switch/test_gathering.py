"""Conferences as the members see them; the words themselves: test_words."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from offhook.media.engine import Direction, FromPeer, Mix
from offhook.sip.events import InviteReceived, OfferReceived, SessionEnded
from offhook.switch.wording import SwitchSettings


class Story:
    """1000, a customer, talks with 1001, who consults 1002."""

    def __init__(self, bench: Any) -> None:
        self.bench = bench
        self.customer, self.agent, self.other = (bench.phone(user) for user in ("1000", "1001", "1002"))
        self.customers = self.customer.call("6001")
        self.agents = self.agent.accept()
        self.agent.reoffer(self.agents, Direction.SENDONLY)
        bench.run(1.0)
        self.consult, self.others = self.consults(self.agent, self.other)

    def consults(self, agent: Any, other: Any) -> tuple[str, str]:
        given = [("X-Calltype", "CONSULT"), ("X-Customer-Dialog-Id", "d-1"), ("X-Destination-Number", "8000")]
        return agent.call(other.user, headers=given), other.accept()

    def join(self, agent: Any = None, session: str = "", consult: str = "") -> None:
        agent = agent or self.agent
        call_id = agent.agent.session(consult or self.consult).call_id
        agent.say(session or self.agents, "CONFERENCE", consult=call_id)

    def hears(self, user: str) -> set[str | None]:
        """Whom that user hears (on the leg that is not a consultation)."""
        legs = {each.uuid: each for each in self.bench.node.channels()}
        (leg,) = [each for each in legs.values() if each.user == user and (each.conference or each.peer)]
        source = self.bench.heard_by(leg.uuid)[-1]
        heard = source.peers if isinstance(source, Mix) else [source.media] if isinstance(source, FromPeer) else []
        return {legs[each].user for each in heard}


def members(word: Any) -> list[str]:
    return [each["ext"] for each in word["additionalAttributes"]["members"]]


@pytest.fixture
def story(bench: Any) -> Story:
    return Story(bench)


def test_a_consultation_becomes_a_conference(bench: Any, story: Story) -> None:
    story.agent.reoffer(story.agents, Direction.SENDRECV)
    bench.run(1.0)
    story.join()
    assert story.hears("1000") == {"1001", "1002"}
    assert story.hears("1001") == {"1000", "1002"}
    assert story.hears("1002") == {"1000", "1001"}
    # The agent's leg to the customer is what it was; that to the consulted one is over.
    ended = story.agent.last(SessionEnded)
    assert ended.session == story.consult and ended.reasons[0].text == "CONFERENCE"
    assert not story.agent.have(OfferReceived) and not story.other.have(SessionEnded)
    assert len({each.conference for each in bench.node.channels()}) == 1 and len(bench.node.channels()) == 3


def test_all_members_are_told(story: Story) -> None:
    story.join()
    (mine,), (others,), (customers,) = story.agent.words, story.other.words, story.customer.words
    assert mine.pop("id") == "1" and mine == others == customers
    assert (mine["event"], mine["reasonCode"]) == ("CONFERENCE", "CONSULT_CONFERENCE")
    assert mine["dialog"] == {
        "customerDialogId": "d-1",
        "customerNumber": "1000",
        "customerDestinationNumber": "8000",
    }
    assert mine["additionalAttributes"]["members"] == [
        {"ext": "1000", "held": False, "muted": False, "customer": True},
        {"ext": "1001", "held": True, "muted": False, "customer": False},  # the agent had put the customer on hold
        {"ext": "1002", "held": False, "muted": False, "customer": False},
    ]
    assert mine["additionalAttributes"]["conference"]["name"]


def test_what_the_agent_was_told_of_the_call_is_its_name(bench: Any) -> None:
    customer, agent, other = (bench.phone(user) for user in ("1000", "1001", "1002"))
    customer.call("6001")
    his = agent.accept()
    consult = agent.call("1002")
    other.accept()
    agent.say(his, "CONFERENCE", consult=agent.agent.session(consult).call_id)
    dialog = other.words[-1]["dialog"]
    told = agent.have(InviteReceived)[0].request.headers
    assert dialog["customerDialogId"] == told.get("X-Call-Id") and dialog["customerDestinationNumber"] == "6001"


def test_octets_of_an_agent_that_are_no_text(bench: Any) -> None:
    customer, agent, other = (bench.phone(user) for user in ("1000", "1001", "1002"))
    customer.call("1001")
    his = agent.accept()
    consult = agent.call("1002", headers=[("X-Customer-Dialog-Id", "a\udcffb")])
    other.accept()
    agent.say(his, "CONFERENCE", consult=agent.agent.session(consult).call_id)
    assert other.words[-1]["dialog"]["customerDialogId"] == "a?b"


def test_hold_and_retrieve_are_told_and_heard(bench: Any, story: Story) -> None:
    story.join()
    story.agent.reoffer(story.agents, Direction.SENDRECV)
    bench.run(1.0)
    word = story.other.words[-1]
    assert word["reasonCode"] == "MEMBER_STATE" and not word["additionalAttributes"]["members"][1]["held"]
    assert story.hears("1000") == {"1001", "1002"}


def test_a_member_leaves_and_two_remain(bench: Any, story: Story) -> None:
    story.agent.reoffer(story.agents, Direction.SENDRECV)
    bench.run(1.0)
    story.join()
    story.agent.hang_up(story.agents)
    for phone in (story.customer, story.other):
        assert phone.words[-1]["reasonCode"] == "MEMBER_LEFT" and members(phone.words[-1]) == ["1000", "1002"]
    # An ordinary call again, which can be held, consulted in and made a conference of.
    customer, other = bench.channel("1000"), bench.channel("1002")
    assert (customer.peer, other.peer) == (other.uuid, customer.uuid) and customer.conference is None
    assert bench.heard_by(customer.uuid)[-1] == FromPeer(other.uuid)
    story.customer.hang_up(story.customers)
    assert story.other.end.reasons[0].text == "NORMAL_CLEARING" and not bench.node.channels()


def test_the_customer_leaves_and_all_ends(bench: Any, story: Story) -> None:
    story.join()
    story.customer.hang_up(story.customers)
    assert story.agent.end.reasons[0].text == "CUSTOMER_LEFT" and story.other.end.reasons[0].text == "CUSTOMER_LEFT"
    assert not bench.node.channels() and not bench.node._exchange.listeners


def test_a_fourth_member_and_no_fifth(bench: Any, story: Story) -> None:
    story.join()
    fourth, fifth = bench.phone("1003"), bench.phone("1004")
    consult, _ = story.consults(story.agent, fourth)
    story.join(consult=consult)
    assert members(fourth.words[-1]) == ["1000", "1001", "1002", "1003"]
    assert [phone.words[-1]["reasonCode"] for phone in (story.customer, story.agent, story.other, fourth)] == [
        "MEMBER_ADDED",
        "MEMBER_ADDED",
        "MEMBER_ADDED",
        "CONSULT_CONFERENCE",
    ]
    assert story.agent.words[-1]["id"] == "1"
    consult, _ = story.consults(story.other, fifth)
    before = len(story.customer.words)
    story.join(story.other, story.others, consult)
    assert story.other.words[-1] == {"event": "CONSULT_CONFERENCE_FAILED", "id": "1", "reasonCode": "LIMIT_REACHED"}
    assert len(story.customer.words) == before and not fifth.have(SessionEnded)


def test_who_does_not_take_words_gets_none(make_bench: Callable[..., Any]) -> None:
    bench = make_bench()
    story = Story(bench)
    for channel in bench.node._exchange.channels.values():
        channel.takes_words = channel.user == "1001"
    story.join()
    assert story.agent.words and not story.customer.words and not story.other.words


def test_nothing_changes_where_there_is_nobody_to_join(bench: Any, story: Story) -> None:
    story.other.hang_up(story.others)
    story.agent.say(story.agents, "CONFERENCE", consult="gone")
    assert story.agent.words == [{"event": "CONSULT_CONFERENCE_FAILED", "id": "1", "reasonCode": "CONSULT_LEFT"}]
    assert bench.channel("1000").peer == bench.channel("1001").uuid


def test_a_queue_has_nobody_to_join(bench: Any, story: Story) -> None:
    waiting = story.agent.call("1-support")
    story.join(consult=waiting)
    assert story.agent.words[-1]["reasonCode"] == "CONSULT_LEFT"


def test_only_an_agents_own_consultation(bench: Any, story: Story) -> None:
    """Whoever knows a Call-ID may not pull strangers into its call."""
    others_call = story.other.agent.session(story.others).call_id
    story.agent.say(story.agents, "CONFERENCE", consult=others_call)
    assert story.agent.words[-1]["reasonCode"] == "CONSULT_LEFT"


def test_an_agent_that_has_called_itself(bench: Any) -> None:
    alice = bench.phone("1000")
    consult = alice.call("1000")
    session = alice.accept()
    alice.say(session, "CONFERENCE", consult=alice.agent.session(consult).call_id)
    assert alice.words[-1]["reasonCode"] == "CONSULT_LEFT" and len(bench.node.channels()) == 2


def test_whispering_to_a_member(bench: Any, story: Story) -> None:
    story.join()
    supervisor = bench.phone("1009")
    session = supervisor.call("*441002", offer=supervisor.offer(Direction.RECVONLY))
    supervisor.say(session, "WHISPER", on=True)
    assert "1009" in story.hears("1002") and "1009" not in story.hears("1000") | story.hears("1001")


def test_a_call_with_nobody_is_no_conference(bench: Any) -> None:
    alice, bob = bench.phone("1000"), bench.phone("1001")
    echo = alice.call("9196")
    consult = alice.call("1001")
    bob.accept()
    alice.say(echo, "CONFERENCE", consult=alice.agent.session(consult).call_id)
    assert alice.words[-1]["reasonCode"] == "CUSTOMER_LEFT"


def test_a_transfer_out_of_a_conference_is_refused(bench: Any, story: Story) -> None:
    story.join()
    story.agent.agent.refer(story.agents, "sip:9196@127.0.0.1", bench.now)
    bench.drain()
    bench.run(2.0)
    assert len(bench.node.channels()) == 3


# A supervisor


def monitored(bench: Any) -> tuple[Any, str, Any, str, Any, str]:
    customer, agent, supervisor = (bench.phone(user) for user in ("1000", "1001", "1009"))
    hers = customer.call("6001")
    his = agent.accept()
    theirs = supervisor.call("*441001", offer=supervisor.offer(Direction.RECVONLY))
    return customer, hers, agent, his, supervisor, theirs


def test_a_supervisor_barges_in(bench: Any) -> None:
    customer, _, agent, _, supervisor, session = monitored(bench)
    supervisor.say(session, "BARGE")
    assert supervisor.words[-1]["id"] == "1" and "id" not in agent.words[-1]
    for phone in (customer, agent, supervisor):
        assert phone.words[-1]["reasonCode"] == "BARGE_CONFERENCE" and members(phone.words[-1]) == [
            "1000",
            "1001",
            "1009",
        ]
        assert phone.words[-1]["additionalAttributes"]["members"][0]["customer"]
    assert agent.words[-1]["dialog"]["customerDialogId"] == bench.channel("1000").uuid
    a, b, s = (bench.channel(user) for user in ("1000", "1001", "1009"))
    assert bench.heard_by(a.uuid)[-1] == Mix((b.uuid, s.uuid)) and bench.heard_by(s.uuid)[-1] == Mix((a.uuid, b.uuid))
    assert s.listening is None and bench.node._exchange.listeners == []


def test_the_supervisor_leaves_again(bench: Any) -> None:
    _, _, agent, _, supervisor, session = monitored(bench)
    supervisor.say(session, "BARGE")
    supervisor.hang_up(session)
    assert agent.words[-1]["reasonCode"] == "MEMBER_LEFT"
    assert bench.channel("1000").peer == bench.channel("1001").uuid


def test_the_agent_leaves_the_supervisor_with_the_customer(bench: Any) -> None:
    _, _, agent, his, supervisor, session = monitored(bench)
    supervisor.say(session, "BARGE")
    agent.hang_up(his)
    assert members(supervisor.words[-1]) == ["1000", "1009"]
    assert bench.channel("1000").peer == bench.channel("1009").uuid


def test_no_barging_into_a_call_on_hold(bench: Any) -> None:
    _, _, agent, his, supervisor, session = monitored(bench)
    agent.reoffer(his, Direction.SENDONLY)
    bench.run(1.0)
    supervisor.say(session, "BARGE")
    assert supervisor.words == [{"event": "BARGE_FAILED", "id": "1", "reasonCode": "ON_HOLD"}]
    assert bench.channel("1009").listening


def test_a_conference_can_be_listened_to_and_joined(bench: Any) -> None:
    story = Story(bench)
    story.join()
    supervisor = bench.phone("1009")
    session = supervisor.call("*441002", offer=supervisor.offer(Direction.RECVONLY))
    heard = bench.heard_by(bench.channel("1009").uuid)[-1]
    assert len(heard.peers) == 3
    supervisor.say(session, "BARGE")
    assert members(supervisor.words[-1]) == ["1000", "1001", "1002", "1009"]
    assert story.customer.words[-1]["reasonCode"] == "MEMBER_ADDED"


def test_a_listener_follows_the_call_into_a_conference(bench: Any) -> None:
    story = Story(bench)
    story.agent.reoffer(story.agents, Direction.SENDRECV)
    bench.run(1.0)
    supervisor = bench.phone("1009")
    supervisor.call("*441000", offer=supervisor.offer(Direction.RECVONLY))
    assert len(bench.heard_by(bench.channel("1009").uuid)[-1].peers) == 2
    story.join()
    assert len(bench.heard_by(bench.channel("1009").uuid)[-1].peers) == 3
    assert story.hears("1000") == {"1001", "1002"}


def test_barging_only_where_it_is_allowed(make_bench: Callable[..., Any]) -> None:
    bench = make_bench(settings=SwitchSettings(open_eavesdrop=True))
    customer, agent, stranger = (bench.phone(user) for user in ("1000", "1001", "1002"))
    customer.call("1001")
    his = agent.accept()
    theirs = stranger.call("881001")
    assert bench.channel("1002").listening
    supervisor = bench.phone("1009")
    listens_so = supervisor.call("881001")
    for phone, session in ((agent, his), (stranger, theirs), (supervisor, listens_so)):
        phone.say(session, "BARGE")
        assert phone.words[-1] == {"event": "BARGE_FAILED", "id": "1", "reasonCode": "NOT_ALLOWED"}
        phone.say(session, "WHISPER", on=True)
        assert phone.words[-1] == {"event": "FAILED", "id": "1", "reasonCode": "NOT_ALLOWED"}
