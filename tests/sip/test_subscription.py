"""REFER: transfers that we ask for, and those that we are asked for (RFC 3515, 4488, 6665)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from offhook.errors import StateError
from offhook.sip.events import (
    Established,
    InviteReceived,
    ReferAccepted,
    ReferExpired,
    ReferFailed,
    ReferProgress,
    RequestAnswered,
    RequestReceived,
    SessionEnded,
)
from offhook.sip.fields import Address, Replaces
from offhook.sip.message import Request
from offhook.sip.subscription import MOST, TRANSITIONS, fragment, refer_to
from offhook.sip.uri import Uri
from offhook.testing.pair import Party, scripted_pair, sdp
from offhook.testing.script import ScriptedPeer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.sip.conftest import Net

ACTIVE, OVER = "active;expires=60", "terminated;reason=noresource"


class Transfer:
    """A call of a phone to a scripted server, in which the phone sends REFERs."""

    def __init__(self, phone: Party, peer: ScriptedPeer) -> None:
        self.phone, self.peer = phone, peer
        self.session = phone.call("sip:9196@example.org")
        self.invite = peer.expect_request("INVITE")
        self.answer = peer.respond(self.invite, 200, body=sdp("pbx"))
        peer.expect_request("ACK")
        phone.expect(Established)
        self._number = 100

    def refer(self, target: str = "sip:1002@example.org") -> tuple[str, Request]:
        id = self.phone.agent.refer(self.session, target, self.phone.now)
        return id, self.peer.expect_request("REFER")

    def notify(
        self, body: str | None, state: str | None = ACTIVE, event: str = "refer", kind: str = "message/sipfrag"
    ) -> None:
        """Send a NOTIFY; it is answered 200 whatever is in it."""
        self._number += 1
        contact = self.invite.contact
        assert contact is not None
        head = [
            f"NOTIFY {contact.uri} SIP/2.0",
            f"Via: SIP/2.0/WS pbx.invalid;branch=z9hG4bKn{self._number}",
            f"From: {self.answer.to}",
            f"To: {self.invite.from_}",
            f"Call-ID: {self.invite.call_id}",
            f"CSeq: {self._number} NOTIFY",
            "Max-Forwards: 70",
            f"Event: {event}",
        ]
        head += [f"Subscription-State: {state}"] if state is not None else []
        head += [f"Content-Type: {kind}"] if body is not None else []
        self.peer.send("\n".join(head) + ("" if body is None else f"\n\n{body}"))
        self.peer.expect_response(200, "NOTIFY")


@pytest.fixture
def transfer() -> Iterator[Transfer]:
    with scripted_pair() as (phone, peer):
        yield Transfer(phone, peer)


def test_a_transfer_is_accepted_and_its_outcome_told(transfer: Transfer) -> None:
    id, refer = transfer.refer()
    assert refer.headers.get("Refer-To") == "<sip:1002@example.org>"
    assert refer.headers.get("Referred-By") == "<sip:1000@example.org>"
    assert refer.referred_by is not None and refer.referred_by.uri.user == "1000"
    transfer.peer.respond(refer, 202)
    session, phone = transfer.session, transfer.phone
    assert phone.next(ReferAccepted) == ReferAccepted(session, id, 202)
    transfer.notify("SIP/2.0 100 Trying")
    assert phone.next(ReferProgress) == ReferProgress(session, id, 100, "Trying", final=False, over=False)
    transfer.notify("SIP/2.0 180 Ringing", event=f"refer;id={refer.cseq.number}")
    assert phone.next(ReferProgress).status == 180
    transfer.notify("SIP/2.0 200 OK", OVER)
    assert phone.next(ReferProgress) == ReferProgress(session, id, 200, "OK", final=True, over=True)
    transfer.notify("SIP/2.0 200 OK", OVER)
    assert phone.next(RequestReceived).answered, "it belongs to nothing any more"
    assert phone.agent.session(session).state == "established"


@pytest.mark.parametrize(
    ("line", "status", "phrase"), [("486 486", 486, "486"), ("603", 603, ""), ("403 No", 403, "No")]
)
def test_a_transfer_fails(transfer: Transfer, line: str, status: int, phrase: str) -> None:
    id, refer = transfer.refer()
    transfer.peer.respond(refer, 202)
    transfer.phone.next(ReferAccepted)
    transfer.notify(f"SIP/2.0 {line}", OVER)
    told = transfer.phone.next(ReferProgress)
    assert (told.id, told.status, told.phrase, told.final, told.over) == (id, status, phrase, True, True)


def test_a_notify_may_overtake_the_202(transfer: Transfer) -> None:
    id, refer = transfer.refer()
    transfer.notify("SIP/2.0 100 Trying")
    assert transfer.phone.next(ReferProgress).id == id
    transfer.notify("SIP/2.0 200 OK", OVER)
    assert transfer.phone.next(ReferProgress).final
    transfer.peer.respond(refer, 202)
    transfer.phone.host.network.run(60)
    assert transfer.phone.heard == []


@pytest.mark.parametrize("status", [403, 405, 481, 603])
def test_a_refer_is_refused(transfer: Transfer, status: int) -> None:
    id, refer = transfer.refer()
    transfer.peer.respond(refer, status)
    failed = transfer.phone.next(ReferFailed)
    assert (failed.session, failed.id, failed.status) == (transfer.session, id, status)
    if status == 481:
        transfer.phone.next(SessionEnded)
    else:
        assert transfer.phone.agent.session(transfer.session).state == "established"


def test_a_refer_is_not_answered(transfer: Transfer) -> None:
    id, _ = transfer.refer()
    failed = transfer.phone.expect(ReferFailed)
    assert (failed.id, failed.status) == (id, 408)
    assert transfer.phone.agent.session(transfer.session).state == "established"


def test_202_and_then_nothing(transfer: Transfer) -> None:
    id, refer = transfer.refer()
    transfer.peer.respond(refer, 202)
    transfer.phone.next(ReferAccepted)
    began = transfer.phone.now.monotonic
    transfer.phone.host.network.run(30)
    transfer.notify("SIP/2.0 100 Trying")
    transfer.phone.next(ReferProgress)
    assert transfer.phone.expect(ReferExpired) == ReferExpired(transfer.session, id)
    assert transfer.phone.now.monotonic - began == pytest.approx(70)


def test_who_accepts_may_leave_out_the_subscription(transfer: Transfer) -> None:
    id, refer = transfer.refer()
    transfer.peer.respond(refer, 200, headers=(("Refer-Sub", "false"),))
    assert transfer.phone.next(ReferAccepted) == ReferAccepted(transfer.session, id, 200, subscribed=False)
    transfer.phone.host.network.run(30)
    assert not [event for event in transfer.phone.heard if isinstance(event, ReferExpired)]


@pytest.mark.parametrize("body", [None, "hello", "INVITE sip:x SIP/2.0", "SIP/2.0 999 Odd"])
def test_a_notify_without_a_sipfrag_tells_at_most_the_end(transfer: Transfer, body: str | None) -> None:
    id, refer = transfer.refer()
    transfer.peer.respond(refer, 202)
    transfer.phone.next(ReferAccepted)
    transfer.notify(body)
    transfer.notify(body, None)
    transfer.notify(body, ";;;")
    assert transfer.phone.heard == []
    transfer.notify(body, OVER)
    assert transfer.phone.next(ReferExpired).id == id


def test_a_subscription_that_ends_without_an_outcome(transfer: Transfer) -> None:
    id, refer = transfer.refer()
    transfer.notify("SIP/2.0 100 Trying", "terminated;reason=timeout")
    told = transfer.phone.next(ReferProgress)
    assert (told.final, told.over) == (False, True)
    assert transfer.phone.next(ReferExpired).id == id
    transfer.peer.respond(refer, 202)
    assert transfer.phone.heard == []


def test_two_transfers_are_told_apart(transfer: Transfer) -> None:
    (first, one), (second, two) = transfer.refer(), transfer.refer("sip:1003@example.org")
    transfer.peer.respond(one, 202)
    transfer.peer.respond(two, 202)
    transfer.phone.next(ReferAccepted)
    transfer.phone.next(ReferAccepted)
    transfer.notify("SIP/2.0 486 Busy Here", OVER, event=f"refer;id={two.cseq.number}")
    assert transfer.phone.next(ReferProgress).id == second
    transfer.notify("SIP/2.0 200 OK", OVER, event="REFER")
    assert transfer.phone.next(ReferProgress).id == first


@pytest.mark.parametrize("event", ["refer;id=9999", "refer;id=x", "talk", ";;"])
def test_notifies_of_something_else_are_passed_on(transfer: Transfer, event: str) -> None:
    transfer.refer()
    transfer.notify("SIP/2.0 200 OK", OVER, event=event)
    assert transfer.phone.next(RequestReceived).answered


def test_the_end_of_the_session_ends_the_wait(transfer: Transfer) -> None:
    id, refer = transfer.refer()
    transfer.peer.respond(refer, 202)
    transfer.phone.next(ReferAccepted)
    transfer.phone.agent.hangup(transfer.session, transfer.phone.now)
    assert transfer.phone.next(ReferExpired).id == id
    transfer.phone.next(SessionEnded)


def test_what_cannot_be_referred(transfer: Transfer) -> None:
    agent, now = transfer.phone.agent, transfer.phone.now
    with pytest.raises(StateError):
        agent.refer(transfer.session, None, now)
    fresh = transfer.phone.call("sip:1002@example.org")
    with pytest.raises(StateError):
        agent.refer(fresh, "sip:x@y", now)
    with pytest.raises(StateError):
        agent.refer(transfer.session, None, now, replaces=fresh)
    for _ in range(MOST):
        agent.refer(transfer.session, "sip:x@y", now)
    with pytest.raises(StateError):
        agent.refer(transfer.session, "sip:x@y", now)


def test_an_attended_transfer_names_the_dialog_to_be_replaced(transfer: Transfer) -> None:
    agent = transfer.phone.agent
    consult = transfer.phone.call("sip:1002@example.org")
    invite = transfer.peer.expect_request("INVITE")
    transfer.peer.respond(invite, 200, body=sdp("pbx"))
    transfer.peer.expect_request("ACK")
    transfer.phone.expect(Established)
    agent.refer(transfer.session, None, transfer.phone.now, replaces=consult)
    refer = transfer.peer.expect_request("REFER")
    assert refer.to.tag == transfer.answer.to.tag, "it goes to the first party"
    target = refer.refer_to
    assert target is not None and target.uri.host == "server.invalid"
    replaced = Replaces.parse(target.uri.header("Replaces") or "")
    view = agent.session(consult)
    assert replaced == Replaces(view.call_id, view.remote_tag, view.local_tag)
    assert "%3Bto-tag%3D" in (refer.headers.get("Refer-To") or "")


def test_how_a_refer_to_is_written() -> None:
    replaces = Replaces("a@b", "t", "f")
    assert refer_to("sip:1002@h", None) == "<sip:1002@h>"
    assert refer_to(Uri.parse("sip:1002@h;x=y?Replaces=old"), replaces).endswith(
        "?Replaces=a%40b%3Bto-tag%3Dt%3Bfrom-tag%3Df>"
    )
    assert refer_to(Address("Bob", Uri.parse("sip:1002@h")), None) == '"Bob" <sip:1002@h>'


def test_bodies_that_are_no_status_line() -> None:
    request = Request(
        "NOTIFY", "sip:x@y", [("Content-Type", "message/sipfrag;version=2.0")], b"SIP/2.0 200 \xff\r\nTo: x"
    )
    assert fragment(request) == (200, "\ufffd")
    assert fragment(Request("NOTIFY", "sip:x@y", [], b"SIP/2.0 200 OK")) is None


def test_who_wants_to_follow_a_refer_is_asked_and_may_tell_what_comes_of_it(make_net: type[Net]) -> None:
    net = make_net(pass_up=frozenset({"REGISTER", "REFER"}))
    net.connect()
    session, called = net.answer_server()
    id = net.phone.refer(session, "sip:1003@example.org", net.now, headers=(("X-queueTransfer", "q"),))
    net.drain()
    asked = net.take("server", RequestReceived)
    assert (asked.request.method, asked.session, asked.answered) == ("REFER", called, False)
    net.server.respond(asked.key, 202, net.now)
    net.server.notify(called, asked.request.cseq.number, 100, net.now)
    net.server.notify(called, asked.request.cseq.number, 486, net.now, phrase="Busy")
    net.drain()
    assert net.take("phone", ReferAccepted).id == id
    assert [net.take("phone", ReferProgress).status for _ in range(2)] == [100, 486]
    assert net.take("server", RequestAnswered).status == 200
    states = [m.headers.get("Subscription-State") for _, m in net.requests("server", "NOTIFY")]
    assert states == ["active;expires=60", "terminated;reason=noresource"]
    assert net.count("phone", InviteReceived) == 0
    net.phone.hangup(session, net.now)
    net.assert_clean()


def test_every_state_but_the_last_is_left() -> None:
    assert {state.value for state, _ in TRANSITIONS} == {"asked", "accepted"}
