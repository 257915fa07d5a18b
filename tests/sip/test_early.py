"""Forks: several early dialogs of one INVITE (RFC 3261 §13.2.2.4)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from offhook.sip.early import is_reliable
from offhook.sip.events import AnswerReceived, Established, OfferReceived, Progress, SessionEnded
from offhook.sip.message import Request, Response
from offhook.testing.pair import Party, scripted_pair, sdp
from offhook.testing.script import ScriptedPeer

if TYPE_CHECKING:
    from collections.abc import Iterator

Pair = tuple[Party, ScriptedPeer]
RELIABLE = (("Require", "100rel"), ("RSeq", "7"))


@pytest.fixture
def pair() -> Iterator[Pair]:
    with scripted_pair() as made:
        yield made


def call(pair: Pair) -> tuple[str, Request]:
    client, peer = pair
    session = client.call("sip:9196@example.org")
    return session, peer.expect_request("INVITE")


def in_dialog(method: str, invite: Request, response: Response, number: int = 1, *more: str, body: str = "") -> str:
    contact = invite.contact
    assert contact is not None
    lines = [
        f"{method} {contact.uri} SIP/2.0",
        f"Via: SIP/2.0/WS pbx.invalid;branch=z9hG4bK{response.to.tag}{number}",
        f"From: {response.to}",
        f"To: {invite.from_}",
        f"Call-ID: {invite.call_id}",
        f"CSeq: {number} {method}",
        "Max-Forwards: 70",
        *more,
    ]
    return "\n".join(lines) + ("\n\n" + body.replace("\r\n", "\n") if body else "")


def test_each_branch_has_its_answer_and_the_last_one_told_holds(pair: Pair) -> None:
    client, peer = pair
    session, invite = call(pair)
    peer.respond(invite, 183, to_tag="a", body=sdp("a"))
    peer.respond(invite, 183, to_tag="b", body=sdp("b"))
    first, second = client.expect(AnswerReceived), client.expect(AnswerReceived)
    assert [(each.fork, each.answer) for each in (first, second)] == [("a", sdp("a")), ("b", sdp("b"))]
    peer.respond(invite, 200, to_tag="a")  # no body: its answer came before
    peer.expect_request("ACK")
    third = client.expect(AnswerReceived)
    assert (third.answer, third.early, third.fork) == (sdp("a"), False, "a")
    client.expect(Established)
    assert client.agent.session(session).remote_tag == "a"


def test_progress_says_whose_it_is(pair: Pair) -> None:
    client, peer = pair
    _, invite = call(pair)
    peer.respond(invite, 100)
    peer.respond(invite, 180, to_tag="a")
    peer.respond(invite, 180, to_tag="b")
    assert [client.expect(Progress).fork for _ in range(3)] == ["", "a", "b"]


def test_each_branch_counts_its_reliable_responses(pair: Pair) -> None:
    client, peer = pair
    _, invite = call(pair)
    for tag, rseq in (("a", 7), ("b", 100), ("a", 8), ("b", 101)):
        peer.respond(invite, 180, to_tag=tag, headers=(("Require", "100rel"), ("RSeq", str(rseq))))
        prack = peer.expect_request("PRACK", headers={"RAck": f"{rseq} {invite.cseq.number} INVITE"})
        assert prack.to.tag == tag
        peer.respond(prack, 200)
    peer.respond(invite, 180, to_tag="b", headers=(("Require", "100rel"), ("RSeq", "103")))
    peer.expect_nothing(1)


def test_an_update_with_an_offer_in_an_early_dialog(pair: Pair) -> None:
    client, peer = pair
    session, invite = call(pair)
    early = peer.respond(invite, 183, to_tag="a", body=sdp("a"), headers=RELIABLE)
    peer.respond(peer.expect_request("PRACK"), 200)
    other = peer.respond(invite, 180, to_tag="b")
    peer.send(in_dialog("UPDATE", invite, other, 1, "Content-Type: application/sdp", body=sdp("b")))
    peer.expect_response(491, "UPDATE")
    update = in_dialog(
        "UPDATE", invite, early, 1, "Contact: <sip:moved@h>", "Content-Type: application/sdp", body=sdp("a", 2)
    )
    peer.send(update)
    assert client.expect(OfferReceived).offer == sdp("a", 2)
    peer.send(in_dialog("UPDATE", invite, early, 2, "Content-Type: application/sdp", body=sdp("a", 3)))
    peer.expect_response(500, "UPDATE", headers={"Retry-After": lambda value: value.isdecimal()})
    client.agent.answer(session, sdp("1000", 2), client.now)
    peer.expect_response(200, "UPDATE", body=sdp("1000", 2))
    peer.respond(invite, 200, to_tag="a")
    ack = peer.expect_request("ACK")
    assert ack.to.tag == "a"
    client.expect(Established)


def test_an_update_without_an_offer_moves_its_branch(pair: Pair) -> None:
    client, peer = pair
    session, invite = call(pair)
    early = peer.respond(invite, 180, to_tag="a")
    peer.send(in_dialog("UPDATE", invite, early, 1, "Contact: <sip:moved@h>"))
    peer.expect_response(200, "UPDATE")
    assert client.agent.session(session).remote_target == "sip:moved@h"


def test_a_branch_that_lost_is_gone(pair: Pair) -> None:
    client, peer = pair
    _, invite = call(pair)
    loser = peer.respond(invite, 180, to_tag="a")
    peer.respond(invite, 200, to_tag="b", body=sdp("b"))
    peer.expect_request("ACK")
    client.expect(Established)
    peer.send(in_dialog("INFO", invite, loser))
    peer.expect_response(481, "INFO")
    peer.respond(invite, 200, to_tag="a", body=sdp("a"))
    assert peer.expect_request("ACK").to.tag == "a"
    assert peer.expect_request("BYE").to.tag == "a"
    assert not any(isinstance(event, SessionEnded) for event in client.heard)


def test_what_is_reliable() -> None:
    def response(status: int, *headers: tuple[str, str]) -> Response:
        return Response(status, None, headers)

    assert is_reliable(response(180, *RELIABLE))
    assert not is_reliable(response(100, *RELIABLE))
    assert not is_reliable(response(180, ("RSeq", "7")))
    assert not is_reliable(response(180, ("Require", "100rel")))
    assert not is_reliable(response(180, ("Require", "100rel"), ("RSeq", "nonsense")))
