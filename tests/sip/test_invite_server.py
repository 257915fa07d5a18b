"""Calls to the phone: what it makes of an INVITE."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from offhook.errors import StateError
from offhook.sip.events import AnswerReceived, End, Established, OfferReceived, SessionEnded
from offhook.sip.invite import Input, State
from offhook.sip.invite_server import TRANSITIONS
from offhook.sip.message import Request, Response

if TYPE_CHECKING:
    from tests.sip.conftest import Net


def test_a_call_rings_is_accepted_and_ended(net: Net) -> None:
    caller, session = net.call_phone(headers=(("X-Queue", "support"),))
    assert net.sent("phone")[-1] == "100 INVITE"
    net.phone.ring(session, net.now)
    net.drain()
    ringing = net.responses("phone", "INVITE")[-1][1]
    assert ringing.to.tag == net.phone.session(session).local_tag and len(ringing.to.tag or "") >= 32
    assert ringing.headers.get("X-FS-Support") is not None and ringing.contact is not None
    net.phone.accept(session, net.ANSWER, net.now)
    net.drain()
    fine = net.responses("phone", "INVITE")[-1][1]
    assert (fine.status, fine.text, fine.to.tag) == (200, net.ANSWER, ringing.to.tag)
    assert fine.headers.get("X-FS-Support") is not None
    assert net.take("phone", Established) == Established(session, None)
    view = net.phone.session(session)
    assert (view.state, view.role) == ("established", "uas")
    net.server.hangup(caller, net.now)
    net.drain()
    ended = net.take("phone", SessionEnded)
    assert (ended.session, ended.end, ended.by_remote) == (session, End.BYE, True)
    net.assert_clean()


def test_the_2xx_is_sent_again_until_the_ack_on_every_flow(net: Net) -> None:
    net.drop = lambda who, message: isinstance(message, Request) and message.method == "ACK"
    caller, session = net.call_phone()
    net.phone.accept(session, net.ANSWER, net.now)
    net.run(10)
    times = [at for at, message in net.responses("phone", "INVITE") if message.status == 200]
    assert times == [0.0, 0.5, 1.5, 3.5, 7.5]
    net.drop = lambda who, message: False
    net.run(10)
    assert net.take("phone", Established).session == session
    times = [at for at, message in net.responses("phone", "INVITE") if message.status == 200]
    assert times[-1] == 11.5
    net.server.hangup(caller, net.now)
    net.assert_clean()


def test_a_2xx_that_is_never_acknowledged_ends_in_bye(net: Net) -> None:
    net.drop = lambda who, message: isinstance(message, Request) and message.method == "ACK"
    _, session = net.call_phone()
    net.phone.accept(session, net.ANSWER, net.now)
    net.run(32)
    ended = net.take("phone", SessionEnded)
    assert (ended.session, ended.end) == (session, End.TIMEOUT)
    assert net.sent("phone")[-1] == "BYE"
    assert net.count("phone", Established) == 0
    net.assert_clean()


def test_hanging_up_before_the_ack_waits_for_it(net: Net) -> None:
    net.drop = lambda who, message: isinstance(message, Request) and message.method == "ACK"
    _, session = net.call_phone()
    net.phone.accept(session, net.ANSWER, net.now)
    net.phone.hangup(session, net.now)
    net.drain()
    assert net.take("phone", SessionEnded).end is End.BYE
    assert "BYE" not in net.sent("phone")
    net.drop = lambda who, message: False
    net.run(0.5)
    assert "BYE" in net.sent("phone")
    assert net.take("server", SessionEnded).by_remote
    net.assert_clean()


def test_hanging_up_without_an_ack_ever(net: Net) -> None:
    net.drop = lambda who, message: isinstance(message, Request) and message.method == "ACK"
    _, session = net.call_phone()
    net.phone.accept(session, net.ANSWER, net.now)
    net.phone.hangup(session, net.now)
    net.run(32)
    assert net.sent("phone")[-1] == "BYE"
    assert net.count("phone", SessionEnded) == 1
    net.assert_clean()


def test_the_caller_gives_up(net: Net) -> None:
    caller, session = net.call_phone()
    net.phone.ring(session, net.now)
    net.drain()
    net.server.hangup(caller, net.now, headers=(("Reason", 'SIP;cause=487;text="ORIGINATOR_CANCEL"'),))
    net.drain()
    ended = net.take("phone", SessionEnded)
    assert (ended.end, ended.by_remote, ended.status) == (End.CANCEL, True, 487)
    assert ended.reasons[0].text == "ORIGINATOR_CANCEL"
    assert net.sent("phone")[-2:] == ["200 CANCEL", "487 INVITE"]
    tags = {message.to.tag for _, message in net.responses("phone", "CANCEL")}
    assert tags == {net.responses("phone", "INVITE")[-1][1].to.tag}
    with pytest.raises(StateError):
        net.phone.accept(session, net.ANSWER, net.now)
    net.assert_clean()


def test_a_cancel_after_the_answer_changes_nothing(net: Net) -> None:
    _, session = net.answer_phone()
    invite = net.requests("server", "INVITE")[0][1]
    net.send_raw("phone", invite.serialize().replace(b"INVITE", b"CANCEL").partition(b"\r\n\r\n")[0] + b"\r\n\r\n")
    assert net.phone.session(session).state == "established"
    assert net.count("phone", SessionEnded) == 0


@pytest.mark.parametrize("status", [480, 486, 603])
def test_we_refuse(net: Net, status: int) -> None:
    caller, session = net.call_phone()
    net.phone.reject(session, status, net.now, phrase="No", headers=(("Retry-After", "60"),))
    net.drain()
    mine, theirs = net.take("phone", SessionEnded), net.take("server", SessionEnded)
    assert (mine.end, mine.by_remote, mine.status) == (End.REFUSED, False, status)
    assert (theirs.session, theirs.status, theirs.phrase) == (caller, status, "No")
    assert net.sent("server")[-1] == "ACK"
    net.assert_clean()


def test_hanging_up_a_ringing_call_refuses_it(net: Net) -> None:
    _, session = net.call_phone()
    net.phone.hangup(session, net.now)
    net.drain()
    assert net.take("server", SessionEnded).status == 480
    net.assert_clean()


def test_ringing_has_an_end(net: Net) -> None:
    _, session = net.call_phone()
    net.drop = lambda who, message: isinstance(message, Request) and message.method == "CANCEL"
    net.run(180)
    ended = net.take("phone", SessionEnded)
    assert (ended.session, ended.end, ended.status) == (session, End.TIMEOUT, 480)
    net.assert_clean()


def test_an_invite_may_say_when_it_expires(net: Net) -> None:
    net.call_phone(headers=(("Expires", "20"),))
    net.run(19)
    assert net.count("phone", SessionEnded) == 0
    net.run(1)
    assert net.take("phone", SessionEnded).status == 487
    net.assert_clean()


def test_an_invite_without_an_offer_gets_ours(net: Net) -> None:
    caller, session = net.call_phone(offer=None)
    net.phone.accept(session, net.sdp(7, 1), net.now)
    net.drain()
    assert net.take("server", OfferReceived).offer == net.sdp(7, 1)
    net.server.answer(caller, net.ANSWER, net.now)
    net.drain()
    assert net.take("phone", AnswerReceived) == AnswerReceived(session, net.ANSWER)
    assert net.take("phone", Established).session == session
    net.server.hangup(caller, net.now)
    net.assert_clean()


def test_an_ack_without_the_answer_it_owes_ends_the_call(net: Net) -> None:
    caller, session = net.call_phone(offer=None)
    net.phone.accept(session, net.sdp(7, 1), net.now)
    net.drain()
    net.server.hangup(caller, net.now)  # it acknowledges without an answer, and leaves
    net.drain()
    assert net.take("phone", SessionEnded).session == session
    net.assert_clean()


def test_early_media(net: Net) -> None:
    caller, session = net.call_phone()
    net.phone.ring(session, net.now, status=183, body=net.ANSWER)
    net.drain()
    assert net.take("server", AnswerReceived).early
    net.phone.accept(session, net.ANSWER, net.now)
    net.drain()
    assert net.count("server", AnswerReceived) == 0
    net.take("server", Established)
    net.server.hangup(caller, net.now)
    net.assert_clean()


def test_what_does_not_fit_is_refused_here(net: Net) -> None:
    _, session = net.call_phone(offer=None)
    with pytest.raises(StateError):
        net.phone.ring(session, net.now, status=200)
    with pytest.raises(StateError):
        net.phone.ring(session, net.now, status=183, body=net.ANSWER)
    with pytest.raises(StateError):
        net.phone.reject(session, 200, net.now)
    with pytest.raises(StateError):
        net.phone.reinvite(session, net.OFFER, net.now)
    with pytest.raises(StateError):
        net.phone.refuse(session, 488, net.now)
    caller, called = net.answer_server()
    with pytest.raises(StateError):
        net.phone.accept(caller, net.ANSWER, net.now)
    with pytest.raises(StateError):
        net.server.ring(called, net.now)


def test_a_ringing_call_whose_flow_breaks_is_lost(net: Net) -> None:
    _, session = net.call_phone()
    net.cut()
    ended = net.take("phone", SessionEnded)
    assert (ended.session, ended.end) == (session, End.LOST)
    net.assert_clean()


def test_an_accepted_call_whose_flow_breaks_before_the_ack_lives_on(net: Net) -> None:
    net.drop = lambda who, message: isinstance(message, Request) and message.method == "ACK"
    _, session = net.call_phone()
    net.phone.accept(session, net.ANSWER, net.now)
    net.drain()
    net.cut()
    assert net.take("phone", Established).session == session
    net.run(1)
    net.drop = lambda who, message: False
    net.phone.hangup(session, net.now)
    net.assert_clean()


def test_a_bye_before_the_ack_ends_the_call(net: Net) -> None:
    net.drop = lambda who, message: isinstance(message, Request) and message.method == "ACK"
    caller, session = net.call_phone()
    net.phone.accept(session, net.ANSWER, net.now)
    net.drain()
    net.server.hangup(caller, net.now)
    net.drain()
    ended = net.take("phone", SessionEnded)
    assert (ended.session, ended.end, ended.by_remote) == (session, End.BYE, True)
    net.assert_clean()


def test_a_contact_of_ones_own(net: Net) -> None:
    net.answer_server()
    fine = net.responses("server", "INVITE")[-1][1]
    assert fine.contact is not None and str(fine.contact.uri) == "sip:9196@10.0.0.1:5060"


def test_an_ack_of_another_invite_is_a_stray(net: Net) -> None:
    net.drop = lambda who, message: isinstance(message, Request) and message.method == "ACK"
    _, session = net.call_phone()
    net.phone.accept(session, net.ANSWER, net.now)
    net.drain()
    ack = net.requests("server", "ACK")[0][1]
    net.send_raw("phone", ack.serialize().replace(b"CSeq: 1 ACK", b"CSeq: 77 ACK"))
    assert net.phone.session(session).state == "accepted"


def test_no_state_before_the_answer_lacks_a_way_out() -> None:
    for state in (State.INCOMING, State.ACCEPTED, State.ESTABLISHED):
        assert (state, Input.HANGUP) in TRANSITIONS
        assert (state, Input.BYE) in TRANSITIONS


def test_only_final_refusals_of_the_first_invite_are_seen(net: Net) -> None:
    _, session = net.call_phone()
    net.phone.reject(session, 486, net.now)
    net.drain()
    final = [m for _, m in net.responses("phone", "INVITE") if isinstance(m, Response) and m.status >= 200]
    assert len(final) == 1
