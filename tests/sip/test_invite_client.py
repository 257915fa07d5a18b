"""Calls of the phone: what becomes of its INVITE."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from offhook.errors import StateError
from offhook.sip.events import AnswerReceived, End, Established, InviteSent, OfferReceived, Progress, SessionEnded
from offhook.sip.fields import Address
from offhook.sip.invite import State
from offhook.sip.invite_client import TRANSITIONS
from offhook.sip.message import Request, Response

if TYPE_CHECKING:
    from tests.sip.conftest import Net


def test_a_call_is_answered_and_ended(net: Net) -> None:
    session, called = net.call_server()
    net.take("phone", InviteSent)
    assert net.take("phone", Progress).status == 100
    net.server.ring(called, net.now)
    net.drain()
    assert net.take("phone", Progress).status == 180
    assert net.phone.session(session).state == "proceeding"
    net.server.accept(called, net.ANSWER, net.now)
    net.drain()
    assert net.take("phone", AnswerReceived) == AnswerReceived(session, net.ANSWER, early=False)
    established = net.take("phone", Established)
    assert established.response is not None and established.response.status == 200
    net.take("server", Established)
    net.phone.hangup(session, net.now, headers=(("Reason", 'Q.850;cause=16;text="NORMAL_CLEARING"'),))
    net.drain()
    mine, theirs = net.take("phone", SessionEnded), net.take("server", SessionEnded)
    assert (mine.end, mine.by_remote) == (End.BYE, False)
    assert (theirs.end, theirs.by_remote, theirs.reasons[0].cause) == (End.BYE, True, 16)
    assert net.sent("phone") == ["REGISTER", "INVITE", "ACK", "BYE"]
    net.assert_clean()


def test_the_ack_of_a_2xx_is_a_request_of_its_own(net: Net) -> None:
    net.answer_server()
    (_, invite), (_, ack) = net.requests("phone", "INVITE")[0], net.requests("phone", "ACK")[0]
    assert ack.via.branch != invite.via.branch
    assert (ack.cseq.number, ack.uri) == (invite.cseq.number, "sip:9196@10.0.0.1:5060")
    assert ack.to.tag is not None


def test_the_invite_tells_freeswitch_what_to_send(net: Net) -> None:
    net.call_server()
    invite = net.requests("phone", "INVITE")[0][1]
    assert invite.headers.get("X-FS-Support") == "update_display,send_info,send_message"
    contact = invite.contact
    assert contact is not None
    assert (contact.uri.user, contact.uri.parameters.get("transport")) == ("1001", "ws")
    assert contact.uri.host.endswith(".invalid")
    assert len(invite.call_id) >= 32 and len(invite.from_.tag or "") >= 32


@pytest.mark.parametrize("status", [302, 404, 480, 486, 503, 603])
def test_a_call_is_refused(net: Net, status: int) -> None:
    session, called = net.call_server()
    net.server.reject(called, status, net.now, headers=(("Reason", 'Q.850;cause=17;text="USER_BUSY"'),))
    net.drain()
    ended = net.take("phone", SessionEnded)
    assert (ended.session, ended.end, ended.status, ended.by_remote) == (session, End.REFUSED, status, True)
    assert ended.reasons[0].text == "USER_BUSY"
    assert net.sent("phone")[-1] == "ACK"
    with pytest.raises(StateError):
        net.phone.hangup(session, net.now)
    net.assert_clean()


def test_a_ringing_call_is_cancelled(net: Net) -> None:
    session, called = net.call_server()
    net.server.ring(called, net.now)
    net.drain()
    net.phone.hangup(session, net.now)
    net.drain()
    ended = net.take("phone", SessionEnded)
    assert (ended.end, ended.status, ended.by_remote) == (End.CANCEL, 487, False)
    assert net.take("server", SessionEnded).end is End.CANCEL
    invite, cancel = net.requests("phone", "INVITE")[0][1], net.requests("phone", "CANCEL")[0][1]
    assert cancel.via == invite.via
    assert (cancel.uri, cancel.cseq.number, cancel.to.tag) == (invite.uri, invite.cseq.number, None)
    assert net.sent("server")[-2:] == ["200 CANCEL", "487 INVITE"]
    net.assert_clean()


def test_a_cancel_waits_for_the_first_response(net: Net) -> None:
    held: list[Response] = []

    def hold(who: str, message: Request | Response) -> bool:
        if who == "server" and isinstance(message, Response) and message.status == 100:
            held.append(message)
            return True
        return False

    net.drop = hold
    session, _ = net.call_server()
    net.phone.hangup(session, net.now)
    net.drain()
    assert "CANCEL" not in net.sent("phone")
    with pytest.raises(StateError):
        net.phone.hangup(session, net.now)
    net.send_raw("phone", held[0].serialize())
    assert net.sent("phone")[-2:] == ["CANCEL", "ACK"]
    assert net.take("phone", SessionEnded).end is End.CANCEL
    net.assert_clean()


def test_a_2xx_that_crosses_the_cancel_is_taken_and_ended(net: Net) -> None:
    session, called = net.call_server()
    net.drop = lambda who, message: isinstance(message, Request) and message.method == "CANCEL"
    net.phone.hangup(session, net.now)
    net.server.accept(called, net.ANSWER, net.now)
    net.drain()
    ended = net.take("phone", SessionEnded)
    assert (ended.end, ended.by_remote) == (End.CANCEL, False)
    assert net.sent("phone")[-3:] == ["CANCEL", "ACK", "BYE"]
    assert net.take("server", SessionEnded).end is End.BYE
    assert net.count("phone", Established) == 0
    net.assert_clean()


def test_a_2xx_that_crosses_the_cancel_of_a_withdrawn_call_counts(net: Net) -> None:
    session, called = net.call_server()
    net.drop = lambda who, message: isinstance(message, Request) and message.method == "CANCEL"
    net.phone.withdraw(session, net.now)
    net.server.accept(called, net.ANSWER, net.now)
    net.drain()
    assert net.take("phone", Established).session == session
    assert net.sent("phone")[-2:] == ["CANCEL", "ACK"]
    net.run(40)
    assert net.count("phone", SessionEnded) == 0 and net.phone.sessions() == [session]
    with pytest.raises(StateError):
        net.phone.withdraw(session, net.now)
    net.phone.hangup(session, net.now)
    net.assert_clean()


def test_a_withdrawn_call_that_is_hung_up_is_ended_where_it_is_answered(net: Net) -> None:
    session, called = net.call_server()
    net.drop = lambda who, message: isinstance(message, Request) and message.method == "CANCEL"
    net.phone.withdraw(session, net.now)
    net.phone.hangup(session, net.now)
    net.server.accept(called, net.ANSWER, net.now)
    net.drain()
    assert net.sent("phone")[-3:] == ["CANCEL", "ACK", "BYE"]
    assert net.take("phone", SessionEnded).end is End.CANCEL
    net.assert_clean()


def test_only_calls_of_ours_are_withdrawn(net: Net) -> None:
    _, called = net.call_server()
    with pytest.raises(StateError):
        net.server.withdraw(called, net.now)


def test_a_cancel_that_is_not_followed_by_an_answer_ends_after_64_t1(net: Net) -> None:
    session, _ = net.call_server()
    net.drop = lambda who, message: who == "server"
    net.phone.hangup(session, net.now)
    net.run(31.9)
    assert net.count("phone", SessionEnded) == 0
    net.run(0.1)
    assert net.take("phone", SessionEnded).end is End.CANCEL
    net.drop = lambda who, message: False
    net.assert_clean()


def test_nobody_answers_at_all(net: Net) -> None:
    net.drop = lambda who, message: who == "server"
    session, _ = net.call_server()
    net.run(32)
    ended = net.take("phone", SessionEnded)
    assert (ended.session, ended.end, ended.status) == (session, End.TIMEOUT, 408)
    net.drop = lambda who, message: False
    net.assert_clean()


def test_ringing_has_an_end(net: Net) -> None:
    session, called = net.call_server()
    net.server.ring(called, net.now)
    net.drop = lambda who, message: who == "server" and isinstance(message, Response) and message.status == 480
    net.run(180)
    assert net.sent("phone")[-1] == "CANCEL"
    net.run(32)
    ended = net.take("phone", SessionEnded)
    assert (ended.end, ended.status, ended.phrase) == (End.TIMEOUT, 408, "Request Timeout")
    net.assert_clean()


def test_early_media_is_told_once_and_a_changed_answer_again(net: Net) -> None:
    session, called = net.call_server()
    net.server.ring(called, net.now, status=183, body=net.ANSWER)
    net.server.ring(called, net.now, status=183, body=net.ANSWER)
    net.drain()
    assert net.take("phone", AnswerReceived).early
    net.server.accept(called, net.ANSWER, net.now)
    net.drain()
    assert net.count("phone", AnswerReceived) == 0
    net.take("phone", Established)
    other, called = net.call_server()
    net.server.ring(called, net.now, status=183, body=net.ANSWER)
    net.server.accept(called, net.sdp(9, 2), net.now)
    net.drain()
    assert [event.early for event in net.told["phone"] if isinstance(event, AnswerReceived)] == [True, False]
    for one in (session, other):
        net.phone.hangup(one, net.now)
    net.assert_clean()


def test_a_2xx_that_comes_again_is_acknowledged_again(net: Net) -> None:
    lost: list[Request] = []

    def lose(who: str, message: Request | Response) -> bool:
        if isinstance(message, Request) and message.method == "ACK" and len(lost) < 2:
            lost.append(message)
            return True
        return False

    net.drop = lose
    session, called = net.call_server()
    net.server.accept(called, net.ANSWER, net.now)
    net.run(5)
    acks = net.requests("phone", "ACK")
    assert [at for at, _ in acks] == [0.0, 0.5, 1.5]
    assert len({ack.serialize() for _, ack in acks}) == 1
    assert net.count("phone", Established) == 1
    net.take("server", Established)
    net.phone.hangup(session, net.now)
    net.assert_clean()


def test_another_branch_that_answers_too_is_acknowledged_and_ended(net: Net) -> None:
    session, called = net.call_server()
    net.server.accept(called, net.ANSWER, net.now)
    net.drain()
    fine = net.responses("server", "INVITE")[-1][1]
    other = fine.serialize().replace((fine.to.tag or "").encode(), b"otherfork")
    net.send_raw("phone", other)
    net.send_raw("phone", other)
    assert [message.to.tag for _, message in net.requests("phone", "BYE")] == ["otherfork"]
    assert [message.to.tag for _, message in net.requests("phone", "ACK")][1:] == ["otherfork", "otherfork"]
    assert net.phone.session(session).state == "established"
    net.phone.hangup(session, net.now)
    net.assert_clean()


def test_forks_that_ring_are_early_dialogs_each(net: Net) -> None:
    session, called = net.call_server()
    net.server.ring(called, net.now)
    net.drain()
    ringing = net.responses("server", "INVITE")[-1][1]
    net.send_raw("phone", ringing.serialize().replace((ringing.to.tag or "").encode(), b"otherfork"))
    assert net.phone.session(session).remote_tag == "otherfork"
    net.server.accept(called, net.ANSWER, net.now)
    net.drain()
    assert net.phone.session(session).remote_tag == ringing.to.tag
    net.phone.hangup(session, net.now)
    net.assert_clean()


def test_an_invite_without_an_offer_is_answered_in_the_ack(net: Net) -> None:
    session, called = net.call_server(offer=None)
    net.server.accept(called, net.sdp(5, 1), net.now)
    net.run(0.6)
    assert net.take("phone", OfferReceived) == OfferReceived(session, net.sdp(5, 1))
    assert net.sent("phone")[-1] == "INVITE", "the ACK waits for the answer"
    net.phone.answer(session, net.ANSWER, net.now)
    net.drain()
    ack = net.requests("phone", "ACK")[0][1]
    assert (ack.text, ack.content_type) == (net.ANSWER, "application/sdp")
    assert net.take("server", AnswerReceived).answer == net.ANSWER
    net.take("server", Established)
    net.take("phone", Established)
    net.phone.hangup(session, net.now)
    net.assert_clean()


def test_an_offer_in_a_2xx_that_nobody_wants_is_acknowledged_and_the_call_ended(net: Net) -> None:
    session, called = net.call_server(offer=None)
    net.server.accept(called, net.sdp(5, 1), net.now)
    net.drain()
    net.phone.hangup(session, net.now)
    net.drain()
    assert [word for word in net.sent("phone") if word in ("ACK", "BYE")] == ["ACK", "BYE"]
    assert net.take("phone", SessionEnded).end is End.BYE
    net.assert_clean()


def test_a_2xx_without_the_answer_it_owes_ends_the_call(net: Net) -> None:
    session, called = net.call_server()
    net.drop = lambda who, message: who == "server" and isinstance(message, Response) and message.status == 200
    net.server.accept(called, net.ANSWER, net.now)
    net.drain()
    fine = net.responses("server", "INVITE")[-1][1]
    net.drop = lambda who, message: False
    bare = fine.serialize().partition(b"\r\n\r\n")[0].replace(b"Content-Length: 67", b"Content-Length: 0")
    net.send_raw("phone", bare + b"\r\n\r\n")
    assert net.sent("phone")[-2:] == ["ACK", "BYE"]
    assert net.take("phone", SessionEnded).session == session
    net.assert_clean()


def test_a_call_whose_flow_breaks_is_lost(net: Net) -> None:
    session, _ = net.call_server()
    net.cut()
    ended = net.take("phone", SessionEnded)
    assert (ended.session, ended.end, ended.status) == (session, End.LOST, 503)
    assert net.take("server", SessionEnded).end is End.LOST
    net.assert_clean()


@pytest.mark.parametrize(("ring", "method"), [(False, "CANCEL"), (True, "BYE")])
def test_who_is_called_is_let_go_when_there_is_a_flow_again(net: Net, ring: bool, method: str) -> None:
    """By CANCEL, in the branch of the INVITE, where no dialog is known yet; else by BYE."""
    _, other = net.call_server()
    if ring:
        net.server.ring(other, net.now)
        net.drain()
    invite = net.requests("phone", "INVITE")[-1][1]
    net.cut()
    net.run(5)  # it connects again by itself
    request = net.requests("phone", method)[-1][1]
    assert request.call_id == invite.call_id
    if not ring:
        assert (
            request.via.parameters.get("branch") == invite.via.parameters.get("branch")
            and request.cseq.number == invite.cseq.number
        )
    net.run(40)
    assert len(net.phone) == 0


def test_a_cancelled_call_whose_flow_breaks_was_cancelled(net: Net) -> None:
    session, _ = net.call_server()
    net.drop = lambda who, message: True
    net.phone.hangup(session, net.now)
    net.cut()
    assert net.take("phone", SessionEnded).end is End.CANCEL
    net.drop = lambda who, message: False
    net.assert_clean()


def test_there_is_no_call_without_a_connection(net: Net) -> None:
    net.reachable = False
    net.cut()
    with pytest.raises(StateError):
        net.phone.invite("sip:9196@example.org", net.OFFER, net.now)
    assert net.phone.sessions() == []


def test_a_session_id_of_ones_own(net: Net) -> None:
    assert net.phone.invite("sip:9196@example.org", net.OFFER, net.now, session="mine") == "mine"
    with pytest.raises(StateError):
        net.phone.invite("sip:9196@example.org", net.OFFER, net.now, session="mine")
    net.phone.hangup("mine", net.now)
    net.drain()


def test_a_bye_in_the_early_dialog_is_answered_and_the_invite_goes_on(net: Net) -> None:
    session, called = net.call_server()
    net.server.ring(called, net.now)
    net.drain()
    ringing, invite = net.responses("server", "INVITE")[-1][1], net.requests("phone", "INVITE")[0][1]
    net.send_raw(
        "phone",
        f"BYE {invite.contact.uri if invite.contact else ''} SIP/2.0\nVia: SIP/2.0/WS 10.0.0.1:5066;branch=z9hG4bKbye\n"
        f"Max-Forwards: 70\nFrom: {ringing.to}\nTo: {ringing.from_}\nCall-ID: {ringing.call_id}\nCSeq: 5 BYE\n"
        "Content-Length: 0\n\n",
    )
    assert net.sent("phone")[-1] == "200 BYE"
    assert net.phone.session(session).state == "proceeding"
    net.server.reject(called, 486, net.now)
    net.drain()
    assert net.take("phone", SessionEnded).status == 486
    net.assert_clean()


def test_addresses_of_the_owner_are_used(net: Net) -> None:
    net.phone.invite(
        "sip:9196@example.org",
        net.OFFER,
        net.now,
        from_=Address.parse('"Ann" <sip:5@x>'),
        to=Address.parse("<sip:6@y>"),
    )
    net.drain()
    invite = net.requests("phone", "INVITE")[0][1]
    assert str(invite.from_).startswith('"Ann" <sip:5@x>;tag=') and str(invite.to) == "<sip:6@y>"


def test_every_state_of_the_table_leads_to_the_end() -> None:
    states = {state for state, _ in TRANSITIONS}
    for state in states:
        seen, todo = {state}, [state]
        while todo:
            here = todo.pop()
            for (source, _), (target, _) in TRANSITIONS.items():
                if source is here and target not in seen:
                    seen.add(target)
                    todo.append(target)
        assert State.ENDED in seen


def rebuilt(response: Response, **headers: str | None) -> bytes:
    """A response with headers changed (None: removed), its body left out."""
    changed = response.headers.copy()
    for name, value in headers.items():
        name = name.replace("_", "-")
        changed.remove(name)
        if value is not None:
            changed.add(name, value)
    changed.remove("Content-Type")
    return Response(response.status, response.phrase, changed).serialize()


def test_responses_that_make_no_dialog_of_their_own(net: Net) -> None:
    session, called = net.call_server()
    net.drop = lambda who, message: who == "server" and isinstance(message, Response) and message.status >= 180
    net.server.ring(called, net.now)
    net.server.accept(called, net.ANSWER, net.now)
    net.drain()
    ringing, fine = (m for _, m in net.responses("server", "INVITE") if m.status in (180, 200))
    net.drop = lambda who, message: False
    net.send_raw("phone", rebuilt(ringing, Record_Route="<sip:p"))
    assert net.phone.session(session).remote_tag == "", "it rings, but no request can be sent"
    net.send_raw("phone", rebuilt(ringing))
    net.send_raw("phone", rebuilt(ringing, Contact="<sip:second@h>"))
    assert net.phone.session(session).remote_target == "sip:second@h"
    net.run(1)
    assert net.phone.session(session).state == "established"
    forked = f"{fine.to}".replace(fine.to.tag or "", "fork")
    net.send_raw("phone", rebuilt(fine, To=forked, Record_Route="<sip:p"))
    assert net.requests("phone", "BYE") == []
    net.phone.hangup(session, net.now)
    net.assert_clean()


def test_a_2xx_without_a_tag_ends_the_call(net: Net) -> None:
    session, called = net.call_server()
    net.drop = lambda who, message: who == "server" and isinstance(message, Response) and message.status >= 180
    net.server.accept(called, net.ANSWER, net.now)
    net.drain()
    fine = net.responses("server", "INVITE")[-1][1]
    net.send_raw("phone", rebuilt(fine, To="<sip:9196@example.org>"))
    ended = net.take("phone", SessionEnded)
    assert (ended.session, ended.end, ended.status) == (session, End.REFUSED, 502)
    net.assert_clean()


def test_a_cancel_wanted_before_anything_came_is_not_followed_by_credentials(net: Net) -> None:
    net.drop = lambda who, message: who == "server"
    session, called = net.call_server()
    net.phone.hangup(session, net.now)
    net.server.reject(called, 407, net.now)
    net.drain()
    refusal = net.responses("server", "INVITE")[-1][1]
    challenge = 'Digest realm="r", nonce="n", algorithm=MD5, qop="auth"'
    net.drop = lambda who, message: False
    net.send_raw("phone", rebuilt(refusal, Proxy_Authenticate=challenge))
    assert net.sent("phone")[-1] == "ACK"
    assert net.take("phone", SessionEnded).end is End.CANCEL
    net.assert_clean()


def test_a_call_that_nobody_even_tries_is_given_up(make_net: type[Net]) -> None:
    from offhook.sip.timers import Timing

    net = make_net(timing=Timing(ring_timeout=10))
    net.connect()
    net.drop = lambda who, message: who == "server"
    net.call_server()
    net.run(33)
    ended = net.take("phone", SessionEnded)
    assert (ended.end, ended.status) == (End.TIMEOUT, 408)
    net.drop = lambda who, message: False
    net.assert_clean()


def test_a_2xx_that_comes_again_while_we_think_about_its_offer(net: Net) -> None:
    session, called = net.call_server(offer=None)
    net.server.accept(called, net.sdp(5, 1), net.now)
    net.run(2)
    assert "ACK" not in net.sent("phone")
    net.server.hangup(called, net.now)
    net.run(33)
    assert net.take("phone", SessionEnded).session == session
    net.assert_clean()
