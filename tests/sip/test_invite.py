"""The established session, and its end."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from offhook.errors import StateError
from offhook.sip.events import End, SessionEnded
from offhook.sip.invite import SHARED, Input, State, reasons_of
from offhook.sip.message import Message, Request

if TYPE_CHECKING:
    from tests.sip.conftest import Net


def test_an_established_session_survives_its_flow(net: Net) -> None:
    session, _ = net.answer_server()
    net.cut()
    net.run(1)
    assert net.phone.session(session).state == "established"
    flow = net.server_flow
    net.phone.hangup(session, net.now)
    net.drain()
    assert net.take("phone", SessionEnded).end is End.BYE
    assert flow == "s2" and net.sent("server")[-1] == "200 BYE", "the BYE went over the new flow"
    assert net.take("server", SessionEnded).by_remote
    net.assert_clean()


def test_hanging_up_without_a_flow_ends_the_call_properly_later(net: Net) -> None:
    session, called = net.answer_server()
    net.reachable = False
    net.cut()
    net.phone.hangup(session, net.now)
    net.drain()
    assert net.take("phone", SessionEnded).end is End.BYE
    net.run(60)
    assert net.count("server", SessionEnded) == 0
    net.reachable = True
    net.run(31)
    assert net.take("server", SessionEnded).session == called
    net.assert_clean()


def test_a_bye_whose_flow_breaks_is_sent_again(net: Net) -> None:
    session, called = net.answer_server()
    net.drop = lambda who, message: True
    net.phone.hangup(session, net.now)
    net.cut()
    net.drop = lambda who, message: False
    net.run(1)
    byes = [message.cseq.number for _, message in net.requests("phone", "BYE")]
    assert byes == [2, 3]
    assert net.take("server", SessionEnded).session == called
    assert net.count("phone", SessionEnded) == 1
    net.assert_clean()


def test_an_orphan_is_given_up_some_time(net: Net) -> None:
    session, _ = net.answer_server()
    net.reachable = False
    net.cut()
    net.phone.hangup(session, net.now)
    net.run(299)
    assert len(net.phone) == 1
    net.run(1)
    assert len(net.phone) == 0


@pytest.mark.parametrize("answered", [True, False])
def test_a_bye_is_the_end_whether_it_is_answered_or_not(net: Net, answered: bool) -> None:
    session, _ = net.answer_server()
    if not answered:
        net.drop = lambda who, message: isinstance(message, Request) and message.method == "BYE"
    net.phone.hangup(session, net.now)
    net.drain()
    assert net.count("phone", SessionEnded) == 1
    with pytest.raises(StateError):
        net.phone.hangup(session, net.now)
    with pytest.raises(StateError):
        net.phone.session(session)
    assert net.phone.sessions() == []
    net.run(33)
    assert len(net.phone) == 0


def test_a_server_side_that_loses_a_flow_has_nobody_to_say_bye_to(net: Net) -> None:
    session, called = net.answer_server()
    net.cut()
    net.server.hangup(called, net.now)
    net.drain()
    assert net.take("server", SessionEnded).session == called
    assert len(net.server) == 0
    assert net.phone.session(session).state == "established"


def test_reasons_that_cannot_be_read_are_none() -> None:
    message = Request("BYE", "sip:x", [("Reason", 'SIP;cause=200;text="unfinished')])
    assert reasons_of(message) == () and reasons_of(None) == ()


def test_every_session_ends_exactly_once_whatever_is_lost(make_net: type[Net]) -> None:
    """Every message is lost in turn, on a path that loses none, and on one that repeats."""
    for scheme in ("ws", "udp"):
        for victim in range(14):
            net = make_net(scheme=scheme)
            count = 0

            def lose(who: str, message: Message, net: Net = net, victim: int = victim) -> bool:
                nonlocal count
                count += 1
                return count == victim

            net.connect()
            net.drop = lose
            session, called = net.phone.invite("sip:9196@example.org", net.OFFER, net.now), ""
            for _ in range(4):
                net.run(40)
                known = net.server.sessions()
                if known and not called:
                    called = known[0]
                    net.server.ring(called, net.now)
                    net.server.accept(called, net.ANSWER, net.now)
            net.drain()
            if session in net.phone.sessions():
                net.phone.hangup(session, net.now)
            net.run(200)
            for left in net.server.sessions():
                net.server.hangup(left, net.now)  # the BYE was lost, on a flow where nothing is sent twice
            net.drain()
            assert net.count("phone", SessionEnded) == 1, (scheme, victim)
            assert net.count("server", SessionEnded) == (1 if called else 0), (scheme, victim)
            net.drop = lambda who, message: False
            net.assert_clean()


def test_the_end_of_an_established_session_can_come_from_everywhere() -> None:
    inputs = {given for state, given in SHARED if state is State.ESTABLISHED}
    assert inputs == {Input.BYE, Input.HANGUP, Input.EXPIRE, Input.GONE, Input.DISOWN}
