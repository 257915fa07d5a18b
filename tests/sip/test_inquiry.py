"""Single requests of the owner and their outcome."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from offhook.errors import LocalError, StateError
from offhook.sip.events import End, RequestAnswered, RequestReceived, SessionEnded
from offhook.sip.message import Message, Response

if TYPE_CHECKING:
    from tests.sip.conftest import Net


def test_digits_by_info(net: Net) -> None:
    session, called = net.answer_server()
    ids = [net.phone.info(session, "application/dtmf-relay", f"Signal={d}\r\n", net.now) for d in "123"]
    net.drain()
    assert [event.id for event in net.told["phone"] if isinstance(event, RequestAnswered)] == ids
    asked = [net.take("server", RequestReceived) for _ in ids]
    assert [event.request.text for event in asked] == ["Signal=1\r\n", "Signal=2\r\n", "Signal=3\r\n"]
    assert {event.session for event in asked} == {called}
    assert asked[0].request.content_type == "application/dtmf-relay"
    assert [event.request.cseq.number for event in asked] == [2, 3, 4]
    net.phone.hangup(session, net.now)
    net.assert_clean()


def test_does_the_peer_still_know_the_session(net: Net) -> None:
    session, called = net.answer_server()
    id = net.phone.options(session, net.now)
    net.drain()
    answered = net.take("phone", RequestAnswered)
    assert (answered.id, answered.session, answered.status) == (id, session, 200)
    net.drop = lambda who, message: who == "server"
    net.server.hangup(called, net.now)
    net.run(33)
    net.drop = lambda who, message: False
    net.phone.options(session, net.now)
    net.drain()
    assert net.take("phone", RequestAnswered).status == 481
    ended = net.take("phone", SessionEnded)
    assert (ended.end, ended.status, ended.by_remote) == (End.LOST, 481, True)
    net.assert_clean()


@pytest.mark.parametrize(("method", "ends"), [("INFO", True), ("OPTIONS", False), ("MESSAGE", False), ("REFER", False)])
def test_silence_ends_the_session_only_where_the_request_is_part_of_it(net: Net, method: str, ends: bool) -> None:
    session, _ = net.answer_server()
    net.drop = lambda who, message: isinstance(message, Response) and message.cseq.method == method
    net.phone.request(method, None, net.now, session=session)
    net.run(33)
    assert net.take("phone", RequestAnswered).status == 408
    assert net.count("phone", SessionEnded) == int(ends)


def test_a_request_on_a_flow_that_breaks_has_failed_and_the_session_lives(net: Net) -> None:
    session, _ = net.answer_server()
    net.drop = lambda who, message: who == "server"
    net.phone.info(session, "text/plain", "x", net.now)
    net.cut()
    failed = net.take("phone", RequestAnswered)
    assert (failed.status, failed.response) == (503, None)
    net.drop = lambda who, message: False
    net.run(1)
    net.phone.info(session, "text/plain", "x", net.now)
    net.drain()
    assert net.take("phone", RequestAnswered).status == 200, "over the new flow"
    net.phone.hangup(session, net.now)
    net.assert_clean()


def test_a_request_outside_of_sessions(net: Net) -> None:
    id = net.phone.request("MESSAGE", "sip:1000@example.org", net.now, body="hällo", headers=(("X-A", "b"),))
    net.drain()
    asked = net.take("server", RequestReceived)
    assert (asked.session, asked.request.text, asked.request.content_type) == (None, "hällo", "text/plain")
    assert asked.request.headers.get("X-A") == "b"
    assert net.take("phone", RequestAnswered).id == id
    net.assert_clean()


def test_a_challenge_to_a_message_is_answered(make_net: type[Net]) -> None:
    net = make_net(pass_up=frozenset({"REGISTER", "MESSAGE"}))
    net.connect()
    net.phone.request("MESSAGE", "sip:1000@example.org", net.now, body="hi")
    net.drain()
    challenge = ("Proxy-Authenticate", 'Digest realm="example.org", nonce="n", algorithm=MD5, qop="auth"')
    net.server.respond(net.take("server", RequestReceived).key, 407, net.now, headers=(challenge,))
    net.drain()
    again = net.take("server", RequestReceived)
    assert 'uri="sip:1000@example.org"' in (again.request.headers.get("Proxy-Authorization") or "")
    assert again.request.cseq.number == 2
    net.server.respond(again.key, 202, net.now)
    net.drain()
    assert net.take("phone", RequestAnswered).status == 202
    assert net.count("phone", RequestAnswered) == 0


def test_provisional_answers_are_not_told(make_net: type[Net]) -> None:
    net = make_net(pass_up=frozenset({"REGISTER", "REFER"}))
    net.connect()
    session, _ = net.answer_server()
    net.phone.request("REFER", None, net.now, session=session, headers=(("Refer-To", "<sip:1002@example.org>"),))
    net.drain()
    key = net.take("server", RequestReceived).key
    net.server.respond(key, 100, net.now)
    net.drain()
    assert net.count("phone", RequestAnswered) == 0
    net.server.respond(key, 202, net.now)
    net.drain()
    assert net.take("phone", RequestAnswered).status == 202


def test_requests_that_cannot_be_sent(net: Net) -> None:
    session, _ = net.call_server()
    with pytest.raises(StateError):
        net.phone.info("nobody", "text/plain", "x", net.now)
    with pytest.raises(StateError):
        net.phone.request("MESSAGE", None, net.now)
    with pytest.raises(StateError):
        net.phone.info(session, "text/plain", "x", net.now)  # no dialog before the first 18x
    with pytest.raises(StateError):
        net.server.request("OPTIONS", "sip:x@y", net.now, flow=net.server_flow)  # no From
    with pytest.raises(LocalError):
        net.phone.request("MESSAGE", "sip:x@y", net.now, headers=(("X-A", "b\r\nEvil: 1"),))
    with pytest.raises(StateError):
        net.server.request("OPTIONS", "sip:x@y", net.now, flow="nowhere")


def test_info_in_an_early_dialog(net: Net) -> None:
    session, called = net.call_server()
    net.server.ring(called, net.now)
    net.drain()
    net.phone.info(session, "text/plain", "x", net.now)
    net.server.request("NOTIFY", None, net.now, session=called, headers=(("Event", "talk"),))
    net.drain()
    assert net.take("phone", RequestAnswered).status == 200
    told = net.take("phone", RequestReceived)
    assert (told.session, told.request.headers.get("Event")) == (session, "talk")


def test_nothing_that_was_lost_is_told_twice(net: Net) -> None:
    session, _ = net.answer_server()

    def lose(who: str, message: Message) -> bool:
        return who == "server"

    net.drop = lose
    net.phone.info(session, "text/plain", "x", net.now)
    net.cut()
    net.run(60)
    assert net.count("phone", RequestAnswered) == 1
