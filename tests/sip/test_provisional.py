"""Reliable provisional responses, of either side (RFC 3262)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from offhook.errors import StateError
from offhook.sip.events import AnswerReceived, End, Established, InviteReceived, OfferReceived, Progress, SessionEnded
from offhook.sip.message import Request, Response
from offhook.sip.style import Style

if TYPE_CHECKING:
    from tests.sip.conftest import Net


@pytest.fixture
def both(make_net: type[Net]) -> Net:
    """Either side uses reliable responses of its own accord."""
    made = make_net(server_style=Style(refresher=False, reliable=True), phone_style=Style(reliable=True))
    made.connect()
    return made


def provisionals(net: Net, who: str = "server") -> list[Response]:
    return [m for _, m in net.responses(who, "INVITE") if 100 < m.status < 200]


def test_a_reliable_ringing_is_acknowledged(both: Net) -> None:
    session, called = both.call_server()
    assert "100rel" in both.requests("phone", "INVITE")[0][1].supported
    both.server.ring(called, both.now)
    both.server.ring(called, both.now, status=183, body=both.ANSWER)
    both.drain()
    ringing, early = provisionals(both)
    assert "100rel" in ringing.require and (early.rseq or 0) == (ringing.rseq or 0) + 1
    pracks = [m for _, m in both.requests("phone", "PRACK")]
    assert [m.headers.get("RAck") for m in pracks] == [f"{ringing.rseq} 1 INVITE", f"{early.rseq} 1 INVITE"]
    assert both.take("phone", AnswerReceived) == AnswerReceived(session, both.ANSWER, early=True)
    assert both.sent("server")[-4:] == ["180 INVITE", "200 PRACK", "183 INVITE", "200 PRACK"]
    both.server.accept(called, both.ANSWER, both.now)
    both.drain()
    both.take("phone", Established)
    assert both.count("phone", AnswerReceived) == 0, "it is the same answer"
    both.phone.hangup(session, both.now)
    both.assert_clean()


def test_it_is_not_used_where_nobody_asks_for_it(net: Net) -> None:
    _, called = net.call_server()
    assert "100rel" not in net.requests("phone", "INVITE")[0][1].supported
    net.server.ring(called, net.now)
    net.drain()
    assert "RSeq" not in provisionals(net)[0].headers
    assert net.requests("phone", "PRACK") == []


def test_who_requires_it_gets_it(net: Net) -> None:
    _, called = net.call_phone(headers=(("Require", "100rel"),))
    net.phone.ring(called, net.now)
    net.drain()
    assert provisionals(net, "phone")[0].rseq is not None
    assert net.sent("server")[-1] == "PRACK"
    net.phone.hangup(called, net.now)
    net.assert_clean()


def test_it_is_sent_again_until_the_prack_and_then_the_call_is_given_up(both: Net) -> None:
    both.drop = lambda who, message: who == "server" and isinstance(message, Response) and 100 < message.status < 200
    session, called = both.call_server()
    both.server.ring(called, both.now)
    both.run(31)
    times = [at for at, m in both.responses("server", "INVITE") if m.status == 180]
    assert times == [0.0, 0.5, 1.5, 3.5, 7.5, 15.5]
    both.run(1)
    ended = both.take("server", SessionEnded)
    assert (ended.session, ended.end, ended.status) == (called, End.TIMEOUT, 504)
    assert both.take("phone", SessionEnded).status == 504
    assert session not in both.phone.sessions()
    both.drop = lambda who, message: False
    both.assert_clean()


def test_repetitions_and_gaps_are_not_acknowledged(both: Net) -> None:
    _, called = both.call_server()
    both.server.ring(called, both.now)
    both.drain()
    (ringing,) = provisionals(both)
    both.send_raw("phone", ringing.serialize())
    late = ringing.serialize().replace(f"RSeq: {ringing.rseq}".encode(), f"RSeq: {(ringing.rseq or 0) + 2}".encode())
    both.send_raw("phone", late)
    assert len(both.requests("phone", "PRACK")) == 1
    assert both.count("phone", Progress) == 2  # 100 and 180


def test_a_description_of_ours_is_acknowledged_before_the_call_is_taken(both: Net) -> None:
    both.drop = lambda who, message: isinstance(message, Request) and message.method == "PRACK"
    _, called = both.call_server()
    both.server.ring(called, both.now, status=183, body=both.ANSWER)
    both.server.accept(called, both.ANSWER, both.now)
    both.drain()
    assert "200 INVITE" not in both.sent("server")
    with pytest.raises(StateError):
        both.server.accept(called, both.ANSWER, both.now)
    with pytest.raises(StateError):
        both.server.ring(called, both.now)
    both.drop = lambda who, message: False
    prack = both.requests("phone", "PRACK")[0][1]
    both.send_raw("server", prack.serialize())
    assert "200 INVITE" in both.sent("server")
    both.take("phone", Established)
    both.server.hangup(called, both.now)
    both.assert_clean()


def test_a_call_may_be_refused_or_cancelled_while_the_prack_is_awaited(both: Net) -> None:
    both.drop = lambda who, message: isinstance(message, Request) and message.method == "PRACK"
    _, called = both.call_server()
    both.server.ring(called, both.now, status=183, body=both.ANSWER)
    both.server.accept(called, both.ANSWER, both.now)
    both.server.hangup(called, both.now)
    both.drain()
    assert both.take("phone", SessionEnded).status == 480
    session, called = both.call_server()
    both.server.ring(called, both.now)
    both.drain()
    both.phone.hangup(session, both.now)
    both.drain()
    assert both.take("server", SessionEnded).end in (End.REFUSED, End.CANCEL)
    both.drop = lambda who, message: False
    both.assert_clean()


def test_ringing_that_is_not_acknowledged_does_not_hold_up_the_answer(both: Net) -> None:
    both.drop = lambda who, message: isinstance(message, Request) and message.method == "PRACK"
    _, called = both.call_server()
    both.server.ring(called, both.now)
    both.server.accept(called, both.ANSWER, both.now)
    both.drain()
    both.take("phone", Established)
    sent = len(provisionals(both))
    both.drop = lambda who, message: False
    both.run(10)
    assert len(provisionals(both)) == sent
    both.server.hangup(called, both.now)
    both.assert_clean()


def test_a_prack_for_nothing(both: Net) -> None:
    _, called = both.call_server()
    both.server.ring(called, both.now)
    both.drain()
    prack = both.requests("phone", "PRACK")[0][1]
    for rack, status in (("1 1 INVITE", 481), ("nonsense", 400), ("", 400)):
        cseq = prack.cseq.number + len(both.responses("server", "PRACK"))
        stray = (
            prack.serialize()
            .replace(b"RAck: " + (prack.headers.get("RAck") or "").encode(), f"RAck: {rack}".encode())
            .replace(f"CSeq: {prack.cseq.number}".encode(), f"CSeq: {cseq}".encode())
            .replace(b"branch=z9hG4bK", f"branch=z9hG4bK{cseq}".encode())
        )
        both.send_raw("server", stray)
        assert both.responses("server", "PRACK")[-1][1].status == status


def test_an_offer_in_a_reliable_response_is_answered_in_the_prack(both: Net) -> None:
    session, called = both.call_server(offer=None)
    both.server.ring(called, both.now, status=183, body=both.OFFER)
    both.drain()
    assert both.take("phone", OfferReceived) == OfferReceived(session, both.OFFER)
    assert both.requests("phone", "PRACK") == []
    both.phone.answer(session, both.ANSWER, both.now)
    both.drain()
    assert both.requests("phone", "PRACK")[0][1].text == both.ANSWER
    assert both.take("server", AnswerReceived) == AnswerReceived(called, both.ANSWER, early=True)
    both.server.accept(called, both.OFFER, both.now)
    both.drain()
    both.take("phone", Established)
    both.take("server", Established)
    assert both.count("phone", OfferReceived) == 0
    both.phone.reinvite(session, both.sdp(1, 2), both.now)
    both.drain()
    assert both.take("server", OfferReceived).offer == both.sdp(1, 2)
    both.phone.hangup(session, both.now)
    both.assert_clean()


def test_a_prack_may_bring_a_new_offer(both: Net) -> None:
    _, called = both.call_server()
    both.drop = lambda who, message: isinstance(message, Request) and message.method == "PRACK"
    both.server.ring(called, both.now, status=183, body=both.ANSWER)
    both.drain()
    prack = both.requests("phone", "PRACK")[0][1]
    prack.headers.set("Content-Type", "application/sdp")
    prack.body = both.sdp(3, 1).encode()
    both.send_raw("server", prack.serialize())
    assert both.take("server", OfferReceived).offer == both.sdp(3, 1)
    with pytest.raises(StateError):
        both.server.accept(called, both.ANSWER, both.now)
    both.server.answer(called, both.sdp(4, 1), both.now)
    both.drain()
    answered = both.responses("server", "PRACK")[-1][1]
    assert (answered.status, answered.text) == (200, both.sdp(4, 1))


def test_so_many_wait_for_their_turn_and_no_more(both: Net) -> None:
    both.drop = lambda who, message: isinstance(message, Request) and message.method == "PRACK"
    _, called = both.call_server()
    for _ in range(100):
        both.server.ring(called, both.now)
    both.drain()
    assert len(provisionals(both)) == 1
    both.drop = lambda who, message: False
    both.send_raw("server", both.requests("phone", "PRACK")[0][1].serialize())
    assert len(provisionals(both)) == 17


def test_an_invite_that_requires_what_we_do_not_have(net: Net) -> None:
    net.server.invite(
        "sip:1001@phone.invalid", net.OFFER, net.now, headers=(("Require", "100rel, foo"),), flow=net.server_flow,
        from_=net.requests("phone", "REGISTER")[0][1].from_, contact=net.requests("phone", "REGISTER")[0][1].contact,
    )  # fmt: skip
    net.drain()
    refused = net.responses("phone", "INVITE")[-1][1]
    assert (refused.status, refused.headers.get("Unsupported")) == (420, "foo")
    assert net.count("phone", InviteReceived) == 0
