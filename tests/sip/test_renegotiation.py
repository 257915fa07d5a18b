"""Re-INVITE and UPDATE both ways, glare, and their order."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from offhook.errors import StateError
from offhook.sip.events import AnswerReceived, End, OfferReceived, Renegotiated, RenegotiationFailed, SessionEnded
from offhook.sip.message import Request, Response
from offhook.sip.renegotiation import MOST_WAITING, TRANSITIONS, Input, State

if TYPE_CHECKING:
    from tests.sip.conftest import Net


def test_we_hold_and_retrieve(net: Net) -> None:
    session, called = net.answer_server()
    net.take("phone", AnswerReceived)
    net.phone.reinvite(session, net.sdp(1, 2, "sendonly"), net.now, headers=(("X-Why", "hold"),))
    net.drain()
    assert net.take("server", OfferReceived) == OfferReceived(called, net.sdp(1, 2, "sendonly"))
    assert net.phone.session(session).renegotiating
    net.server.answer(called, net.sdp(9, 2, "recvonly"), net.now)
    net.drain()
    assert net.take("phone", AnswerReceived) == AnswerReceived(session, net.sdp(9, 2, "recvonly"))
    assert net.take("phone", Renegotiated) == Renegotiated(session)
    assert net.sent("phone")[-2:] == ["INVITE", "ACK"]
    assert net.requests("phone", "INVITE")[-1][1].headers.get("X-Why") == "hold"
    net.phone.hangup(session, net.now)
    net.assert_clean()


def test_overlapping_offers_wait_for_one_another(net: Net) -> None:
    session, called = net.answer_server()
    for version in (2, 3, 4):
        net.phone.reinvite(session, net.sdp(1, version), net.now)
    net.drain()
    for version in (2, 3, 4):
        assert net.take("server", OfferReceived).offer == net.sdp(1, version)
        assert net.count("server", OfferReceived) == 0
        net.server.answer(called, net.sdp(9, version), net.now)
        net.drain()
    assert net.count("phone", Renegotiated) == 3
    for _ in range(MOST_WAITING + 1):
        net.phone.reinvite(session, net.sdp(1, 5), net.now)
    with pytest.raises(StateError):
        net.phone.reinvite(session, net.sdp(1, 5), net.now)
    net.phone.hangup(session, net.now)
    net.assert_clean()


def test_a_refused_offer_changes_nothing(net: Net) -> None:
    session, called = net.answer_server()
    net.phone.reinvite(session, net.sdp(1, 2), net.now)
    net.drain()
    net.server.refuse(called, 488, net.now)
    net.drain()
    failed = net.take("phone", RenegotiationFailed)
    assert (failed.session, failed.status, failed.phrase) == (session, 488, "Not Acceptable Here")
    assert net.phone.session(session).state == "established"
    net.server.reinvite(called, net.sdp(9, 2), net.now)
    net.drain()
    net.phone.answer(session, net.sdp(1, 3), net.now)
    net.drain()
    assert net.take("server", Renegotiated).session == called
    net.phone.hangup(session, net.now)
    net.assert_clean()


@pytest.mark.parametrize(("status", "bye"), [(481, False), (408, True)])
def test_a_peer_that_does_not_know_the_session_ends_it(net: Net, status: int, bye: bool) -> None:
    session, called = net.answer_server()
    net.phone.reinvite(session, net.sdp(1, 2), net.now)
    net.drain()
    net.server.refuse(called, status, net.now)
    net.drain()
    assert net.take("phone", RenegotiationFailed).status == status
    ended = net.take("phone", SessionEnded)
    assert (ended.end, ended.status) == (End.LOST, status)
    assert ("BYE" in net.sent("phone")) is bye
    net.server.hangup(called, net.now) if not bye else None
    net.assert_clean()


def test_the_peer_holds(net: Net) -> None:
    caller, session = net.answer_phone()
    net.server.reinvite(caller, net.sdp(1, 2, "sendonly"), net.now)
    net.drain()
    assert net.take("phone", OfferReceived) == OfferReceived(session, net.sdp(1, 2, "sendonly"))
    assert net.sent("phone")[-1] == "100 INVITE"
    net.phone.answer(session, net.sdp(9, 2, "recvonly"), net.now)
    net.drain()
    assert net.take("server", AnswerReceived).answer == net.ANSWER
    assert net.take("server", AnswerReceived).answer == net.sdp(9, 2, "recvonly")
    with pytest.raises(StateError):
        net.phone.answer(session, net.ANSWER, net.now)
    net.server.hangup(caller, net.now)
    net.assert_clean()


def test_an_offer_that_is_not_new_is_answered_from_the_last_answer(net: Net) -> None:
    caller, session = net.answer_phone()
    net.server.reinvite(caller, net.OFFER, net.now)
    net.drain()
    assert net.count("phone", OfferReceived) == 0
    fine = net.responses("phone", "INVITE")[-1][1]
    assert (fine.status, fine.text) == (200, net.ANSWER)
    net.server.update(caller, net.now, offer=net.OFFER)
    net.drain()
    assert net.responses("phone", "UPDATE")[-1][1].text == net.ANSWER
    assert net.count("phone", OfferReceived) == 0
    assert net.count("server", Renegotiated) == 2
    net.phone.hangup(session, net.now)
    net.assert_clean()


def test_a_reinvite_without_an_offer_gets_ours(net: Net) -> None:
    caller, session = net.answer_phone()
    net.server.reinvite(caller, None, net.now)
    net.drain()
    assert net.take("phone", OfferReceived) == OfferReceived(session, None)
    net.phone.answer(session, net.sdp(9, 2), net.now)
    net.drain()
    assert net.take("server", OfferReceived).offer == net.sdp(9, 2)
    net.server.answer(caller, net.sdp(1, 2), net.now)
    net.drain()
    assert net.take("phone", AnswerReceived) == AnswerReceived(session, net.sdp(1, 2))
    assert net.take("server", Renegotiated).session == caller
    net.phone.hangup(session, net.now)
    net.assert_clean()


def test_an_offer_in_update_both_ways(net: Net) -> None:
    session, called = net.answer_server()
    net.take("phone", AnswerReceived)
    assert net.phone.update(session, net.now, offer=net.sdp(1, 2)) is None
    net.drain()
    assert net.take("server", OfferReceived).session == called
    net.server.answer(called, net.sdp(9, 2), net.now)
    net.drain()
    assert net.take("phone", AnswerReceived).answer == net.sdp(9, 2)
    assert net.take("phone", Renegotiated).session == session
    assert "ACK" not in net.sent("phone")[3:]
    net.server.update(called, net.now, offer=net.sdp(9, 3))
    net.drain()
    net.phone.refuse(session, 488, net.now)
    net.drain()
    assert net.take("server", RenegotiationFailed).status == 488
    net.phone.hangup(session, net.now)
    net.assert_clean()


def test_offers_at_once_are_tried_again_each_at_its_time(net: Net) -> None:
    session, called = net.answer_server()
    net.phone.reinvite(session, net.sdp(1, 2), net.now)
    net.server.reinvite(called, net.sdp(9, 2), net.now)
    net.drain()
    assert net.responses("phone", "INVITE")[-1][1].status == 491
    assert net.responses("server", "INVITE")[-1][1].status == 491
    assert net.count("phone", RenegotiationFailed) == 0
    net.run(2.0)
    # The one who did not make the Call-ID comes back within two seconds, the other one later (RFC 3261 14.1).
    assert net.take("phone", OfferReceived).offer == net.sdp(9, 2)
    net.phone.answer(session, net.sdp(1, 3), net.now)
    net.drain()
    assert net.take("server", Renegotiated).session == called
    net.run(4.0)
    assert net.take("server", OfferReceived).offer == net.sdp(1, 2)
    net.server.answer(called, net.sdp(9, 4), net.now)
    net.drain()
    assert net.take("phone", Renegotiated).session == session
    net.phone.hangup(session, net.now)
    net.assert_clean()


def test_the_pause_after_glare(net: Net) -> None:
    session, called = net.answer_server()
    net.phone.reinvite(session, net.sdp(1, 2), net.now)
    net.drain()
    net.server.refuse(called, 491, net.now)
    net.run(5)
    (first, _), (again, message) = net.requests("phone", "INVITE")[-2:]
    assert 2.1 <= again - first <= 4.0
    assert round(again - first, 2) == pytest.approx(again - first)
    assert message.text == net.sdp(1, 2)
    net.server.answer(called, net.sdp(9, 2), net.now)
    net.drain()
    assert net.take("phone", Renegotiated).session == session
    net.phone.hangup(session, net.now)
    net.assert_clean()


def test_glare_that_never_ends_is_a_failure(net: Net) -> None:
    session, called = net.answer_server()
    net.phone.reinvite(session, net.sdp(1, 2), net.now)
    for _ in range(20):
        net.run(5)
        if net.count("server", OfferReceived):
            net.take("server", OfferReceived)
            net.server.refuse(called, 491, net.now)
    net.drain()
    assert net.take("phone", RenegotiationFailed).status == 491
    assert net.phone.session(session).state == "established"
    net.phone.hangup(session, net.now)
    net.assert_clean()


def test_a_second_offer_of_the_peer_has_to_wait(net: Net) -> None:
    caller, session = net.answer_phone()
    net.server.reinvite(caller, net.sdp(1, 2), net.now)
    net.drain()
    first = net.requests("server", "INVITE")[-1][1]
    net.send_raw(
        "phone",
        first.serialize()
        .replace((first.via.branch or "").encode(), b"z9hG4bKother")
        .replace(b"CSeq: 2 INVITE", b"CSeq: 3 INVITE"),
    )
    refusal = net.responses("phone", "INVITE")[-1][1]
    assert refusal.status == 500 and 0 <= int(refusal.headers.get("Retry-After") or "-1") <= 10
    net.phone.answer(session, net.sdp(9, 2), net.now)
    net.drain()
    net.phone.hangup(session, net.now)
    net.assert_clean()


def test_the_peer_cancels_its_reinvite(net: Net) -> None:
    caller, session = net.answer_phone()
    net.server.reinvite(caller, net.sdp(1, 2), net.now)
    net.drain()
    net.take("phone", OfferReceived)
    invite = net.requests("server", "INVITE")[-1][1]
    headers = invite.headers.copy()
    headers.set("CSeq", f"{invite.cseq.number} CANCEL")
    net.send_raw("phone", Request("CANCEL", invite.uri, headers).serialize())
    assert net.sent("phone")[-2:] == ["200 CANCEL", "487 INVITE"]
    assert net.take("phone", RenegotiationFailed).status == 487
    assert net.phone.session(session).state == "established"
    net.server.hangup(caller, net.now)
    net.assert_clean()


def test_a_lost_ack_of_a_reinvite_is_made_up_for(net: Net) -> None:
    caller, session = net.answer_phone()
    net.drop = lambda who, message: isinstance(message, Request) and message.method == "ACK"
    net.server.reinvite(caller, net.sdp(1, 2), net.now)
    net.drain()
    net.phone.answer(session, net.sdp(9, 2), net.now)
    net.run(1)
    net.drop = lambda who, message: False
    net.run(2)
    sent = [at for at, message in net.responses("phone", "INVITE") if message.status == 200]
    assert sent[-3:] == [0.0, 0.5, 1.5]
    net.server.hangup(caller, net.now)
    net.assert_clean()


def test_an_ack_that_never_comes_ends_the_session(net: Net) -> None:
    caller, session = net.answer_phone()
    net.drop = lambda who, message: isinstance(message, Request) and message.method == "ACK"
    net.server.reinvite(caller, net.sdp(1, 2), net.now)
    net.drain()
    net.phone.answer(session, net.sdp(9, 2), net.now)
    net.run(32)
    assert net.take("phone", SessionEnded).end is End.TIMEOUT
    assert net.sent("phone")[-1] == "BYE"
    net.assert_clean()


def test_the_next_offer_stands_for_the_ack_that_was_lost(net: Net) -> None:
    caller, session = net.answer_phone()
    net.drop = lambda who, message: isinstance(message, Request) and message.method == "ACK"
    net.server.reinvite(caller, net.sdp(1, 2), net.now)
    net.drain()
    net.take("phone", OfferReceived)
    net.phone.answer(session, net.sdp(9, 2), net.now)
    net.drain()
    net.server.reinvite(caller, net.sdp(1, 3), net.now)
    net.drain()
    assert net.take("phone", OfferReceived).offer == net.sdp(1, 3)
    net.drop = lambda who, message: False
    net.phone.answer(session, net.sdp(9, 3), net.now)
    net.drain()
    net.server.hangup(caller, net.now)
    net.assert_clean()


def test_hanging_up_while_the_peer_waits_for_our_answer(net: Net) -> None:
    caller, session = net.answer_phone()
    net.server.reinvite(caller, net.sdp(1, 2), net.now)
    net.drain()
    net.phone.hangup(session, net.now)
    net.drain()
    assert [word for word in net.sent("phone") if word in ("487 INVITE", "BYE")] == ["487 INVITE", "BYE"]
    assert net.take("server", SessionEnded).by_remote
    net.assert_clean()


def test_hanging_up_while_our_offer_is_out(net: Net) -> None:
    session, called = net.answer_server()
    net.drop = lambda who, message: (
        who == "server" and isinstance(message, Response) and message.cseq.method == "INVITE"
    )
    net.phone.reinvite(session, net.sdp(1, 2), net.now)
    net.drain()
    net.server.answer(called, net.sdp(9, 2), net.now)
    net.drain()
    net.drop = lambda who, message: False
    net.phone.hangup(session, net.now)
    net.run(1)
    assert net.count("phone", SessionEnded) == 1
    net.assert_clean()


def test_our_offer_on_a_flow_that_breaks_has_failed(net: Net) -> None:
    session, called = net.answer_server()
    net.phone.reinvite(session, net.sdp(1, 2), net.now)
    net.phone.reinvite(session, net.sdp(1, 3), net.now)
    net.drain()
    net.reachable = False
    net.cut()
    assert [event.status for event in net.told["phone"] if isinstance(event, RenegotiationFailed)] == [503, 503]
    assert net.phone.session(session).state == "established"
    with pytest.raises(StateError):
        net.phone.reinvite(session, net.sdp(1, 3), net.now)
    net.reachable = True
    net.run(60)
    net.phone.hangup(session, net.now)
    net.server.hangup(called, net.now)
    net.assert_clean()


def test_the_peers_offer_on_a_flow_that_breaks_is_forgotten(net: Net) -> None:
    caller, session = net.answer_phone()
    net.server.reinvite(caller, net.sdp(1, 2), net.now)
    net.drain()
    net.cut()
    assert net.take("phone", RenegotiationFailed).status == 487
    net.run(1)
    net.phone.hangup(session, net.now)
    net.assert_clean()


def test_our_answer_on_a_flow_that_breaks_needs_no_ack(net: Net) -> None:
    caller, session = net.answer_phone()
    net.drop = lambda who, message: isinstance(message, Request) and message.method == "ACK"
    net.server.reinvite(caller, net.sdp(1, 2), net.now)
    net.drain()
    net.phone.answer(session, net.sdp(9, 2), net.now)
    net.drain()
    net.cut()
    net.run(40)
    assert net.count("phone", SessionEnded) == 0
    net.phone.hangup(session, net.now)
    net.assert_clean()


def test_a_2xx_without_the_answer_it_owes_changes_nothing(net: Net) -> None:
    session, called = net.answer_server()
    net.take("phone", AnswerReceived)
    net.drop = lambda who, message: who == "server" and isinstance(message, Response) and message.status == 200
    net.phone.reinvite(session, net.sdp(1, 2), net.now)
    net.drain()
    net.server.answer(called, net.sdp(9, 2), net.now)
    net.drain()
    fine = net.responses("server", "INVITE")[-1][1]
    net.drop = lambda who, message: False
    head = fine.serialize().partition(b"\r\n\r\n")[0]
    lines = [line for line in head.split(b"\r\n") if not line.lower().startswith(b"content-length")]
    net.send_raw("phone", b"\r\n".join(lines) + b"\r\nContent-Length: 0\r\n\r\n")
    assert net.sent("phone")[-1] == "ACK"
    assert net.take("phone", Renegotiated).session == session
    assert net.count("phone", AnswerReceived) == 0
    net.phone.hangup(session, net.now)
    net.assert_clean()


def test_offers_before_the_session_stands_have_to_wait(net: Net) -> None:
    session, called = net.call_server()
    net.server.ring(called, net.now)
    net.drain()
    ringing, invite = net.responses("server", "INVITE")[-1][1], net.requests("phone", "INVITE")[0][1]
    for method in ("UPDATE", "INVITE"):
        net.send_raw(
            "phone",
            f"{method} sip:x SIP/2.0\nVia: SIP/2.0/WS 10.0.0.1:5066;branch=z9hG4bK{method}\n"
            f"Max-Forwards: 70\nFrom: {ringing.to}\nTo: {ringing.from_}\nCall-ID: {ringing.call_id}\n"
            f"CSeq: {5 if method == 'UPDATE' else 6} {method}\nContact: <sip:x>\nContent-Type: application/sdp\n"
            "Content-Length: 5\n\nv=0\n",
        )
        assert net.sent("phone")[-1] == f"491 {method}"
    assert invite.call_id == ringing.call_id
    net.server.reject(called, 486, net.now)
    net.drain()
    caller, session = net.call_phone()
    net.phone.accept(session, net.ANSWER, net.now)
    reinvite = net.requests("server", "INVITE")[-1][1]
    net.send_raw(
        "phone",
        reinvite.serialize()
        .replace((reinvite.via.branch or "").encode(), b"z9hG4bKnew")
        .replace(b"CSeq: 1 INVITE", b"CSeq: 2 INVITE")
        .replace(
            f"To: {reinvite.to}".encode(), f"To: {reinvite.to};tag={net.phone.session(session).local_tag}".encode()
        ),
    )
    assert net.responses("phone", "INVITE")[-1][1].status in (100, 200, 500)
    assert caller


def test_each_state_in_which_the_peer_waits_for_us_has_an_answer() -> None:
    assert {given for state, given in TRANSITIONS if state is State.ASKED} == {
        Input.ANSWER, Input.ANSWER_UPDATE, Input.REFUSE, Input.CANCEL,
    }  # fmt: skip


def test_an_ack_that_was_lost_is_sent_again(net: Net) -> None:
    session, called = net.answer_server()
    net.drop = lambda who, message: isinstance(message, Request) and message.method == "ACK"
    net.phone.reinvite(session, net.sdp(1, 2), net.now)
    net.drain()
    net.server.answer(called, net.sdp(9, 2), net.now)
    net.run(1)
    net.drop = lambda who, message: False
    net.run(1)
    acks = [message.serialize() for _, message in net.requests("phone", "ACK")][1:]
    assert len(acks) == 3 and len(set(acks)) == 1
    assert net.count("phone", Renegotiated) == 1
    net.phone.hangup(session, net.now)
    net.assert_clean()


def test_hanging_up_instead_of_answering_an_offer_in_a_2xx(net: Net) -> None:
    session, called = net.answer_server()
    net.phone.reinvite(session, None, net.now)
    net.drain()
    net.server.answer(called, net.sdp(9, 2), net.now)
    net.drain()
    assert net.take("phone", OfferReceived).offer == net.sdp(9, 2)
    net.phone.hangup(session, net.now)
    net.drain()
    assert [word for word in net.sent("phone")[-3:] if word in ("ACK", "BYE")] == ["ACK", "BYE"]
    net.assert_clean()


def test_an_update_is_confirmed_without_an_ack(net: Net) -> None:
    caller, session = net.answer_phone()
    net.server.update(caller, net.now, offer=net.sdp(1, 2))
    net.drain()
    net.phone.answer(session, net.sdp(9, 2), net.now)
    net.drain()
    assert net.take("server", Renegotiated).session == caller
    assert net.sent("server").count("ACK") == 1
    net.phone.hangup(session, net.now)
    net.assert_clean()


def test_an_answer_in_the_ack_that_never_comes_leaves_what_was(net: Net) -> None:
    caller, session = net.answer_phone()
    net.server.reinvite(caller, None, net.now)
    net.drain()
    net.phone.answer(session, net.sdp(9, 2), net.now)
    net.drain()
    net.server.hangup(caller, net.now)  # it acknowledges without an answer, and leaves
    net.drain()
    assert net.take("phone", SessionEnded).session == session
    net.assert_clean()


def test_a_bye_crosses_our_reinvite(net: Net) -> None:
    """The peer hangs up while our offer is on its way: each side refuses what it gets, and both are done."""
    session, called = net.answer_server()
    held: list[Request] = []

    def hold(who: str, message: Request | Response) -> bool:
        if who == "phone" and isinstance(message, Request) and message.method == "INVITE":
            held.append(message)
            return True
        return False

    net.drop = hold
    net.phone.reinvite(session, net.sdp(1, 2), net.now)
    net.server.hangup(called, net.now)
    net.drain()
    net.drop = lambda who, message: False
    net.send_raw("server", held[0].serialize())
    assert net.responses("server", "INVITE")[-1][1].status == 481
    assert net.take("phone", SessionEnded).session == session
    assert net.count("phone", RenegotiationFailed) == 0, "the end of the session is the last word"
    assert net.sent("phone")[-1] == "ACK"
    net.assert_clean()


@pytest.mark.parametrize("cancelled", [True, False])
def test_a_reinvite_that_gets_100_and_nothing_more_is_given_up(net: Net, cancelled: bool) -> None:
    session, called = net.answer_server()
    net.phone.reinvite(session, net.sdp(1, 2), net.now)
    net.drain()
    if not cancelled:
        net.drop = lambda who, message: message.cseq.method in ("CANCEL", "INVITE")
    net.run(31.9)
    assert net.requests("phone", "CANCEL") == []
    net.run(0.1)
    assert len(net.requests("phone", "CANCEL")) == 1
    net.run(0 if cancelled else 32)
    assert net.take("phone", RenegotiationFailed).status == (487 if cancelled else 408)
    assert not net.phone.session(session).renegotiating
    net.drop = lambda who, message: False
    if cancelled:
        net.phone.reinvite(session, net.sdp(1, 3), net.now)
        net.run(1)
        net.server.answer(called, net.sdp(9, 3), net.now)
        net.drain()
        net.take("phone", Renegotiated)
    net.phone.hangup(session, net.now)
    net.assert_clean()
