"""Challenges, and where they are answered; what is sent on which flow."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from offhook.clock import Now, Timers
from offhook.errors import StateError
from offhook.sip.client_transaction import Answered, ClientFinished
from offhook.sip.dialog import Numbering
from offhook.sip.digest import DigestClient
from offhook.sip.events import SessionEnded
from offhook.sip.exchange import CHALLENGES, Answer, Endpoint, Exchange, Flow
from offhook.sip.flow import Send
from offhook.sip.message import Request
from offhook.sip.parser import parse_message
from offhook.sip.style import Style
from offhook.sip.timers import Timing
from offhook.testing.clock import SeededIds, VirtualClock

if TYPE_CHECKING:
    from tests.sip.conftest import Net

NOW = VirtualClock().now()


class Asker:
    def __init__(self) -> None:
        self.answers: list[Answer] = []

    def answered(self, exchange: Exchange, answer: Answer, now: Now) -> None:
        self.answers.append(answer)


class Bench:
    """An endpoint with a flow to its server, and one that somebody opened."""

    def __init__(self) -> None:
        self.endpoint = Endpoint(Style(), Timers(), SeededIds(1), Timing())
        self.endpoint.flows = {"home": Flow("a:1", "b:2", "WSS"), "other": Flow("a:1", "c:3", "WS")}
        self.endpoint.home = "home"
        self.endpoint.digest = DigestClient("1001", "secret", ids=SeededIds(2))
        self.asker = Asker()
        self.sent: list[tuple[str, Request]] = []

    def send(self, method: str = "MESSAGE", flow: str | None = None) -> Exchange:
        request = Request(
            method,
            "sip:x@example.org",
            [("From", "<sip:1001@y>;tag=f"), ("To", "<sip:x@y>"), ("Call-ID", "c"), ("CSeq", f"1 {method}")],
        )
        exchange = self.endpoint.send(request, self.asker, Numbering(1), NOW, flow=flow)
        self.drain()
        return exchange

    def drain(self) -> None:
        while (item := self.endpoint.box.take()) is not None:
            match item:
                case Send(flow, data):
                    message = parse_message(data)
                    assert isinstance(message, Request)
                    self.sent.append((flow, message))
                case Answered(transaction, response, at):
                    self.endpoint.exchanges[transaction].receive(response, at)
                case ClientFinished(transaction):
                    self.endpoint.transactions.forget(transaction)
                    self.endpoint.exchanges.pop(transaction, None)

    def respond(self, status: int, *headers: tuple[str, str]) -> None:
        flow, request = self.sent[-1]
        response = request.response(status, to_tag="t")
        for name, value in headers:
            response.headers.add(name, value)
        assert self.endpoint.transactions.receive_response(response, flow, NOW)
        self.drain()


def challenge(nonce: str = "n", realm: str = "r", *, stale: bool = False) -> tuple[str, str]:
    mark = ", stale=true" if stale else ""
    return ("WWW-Authenticate", f'Digest realm="{realm}", nonce="{nonce}"{mark}, algorithm=MD5, qop="auth"')


def test_the_same_request_with_credentials_and_the_next_cseq() -> None:
    bench = Bench()
    exchange = bench.send()
    bench.respond(401, challenge())
    (_, first), (_, second) = bench.sent
    assert second.headers.get("Authorization") and first.headers.get("Authorization") is None
    assert (first.cseq.number, second.cseq.number) == (1, 2)
    assert first.via.branch != second.via.branch
    assert [name for name, _ in second.headers].count("Via") == 1
    assert bench.asker.answers == [] and not exchange.done
    bench.respond(200)
    assert [answer.status for answer in bench.asker.answers] == [200] and exchange.done


def test_so_many_challenges_and_no_more() -> None:
    bench = Bench()
    bench.send()
    for count in range(10):
        if bench.asker.answers:
            break
        bench.respond(401, challenge(f"n{count}", stale=count > 0))
    assert bench.asker.answers[-1].status == 401
    assert len(bench.sent) <= 1 + CHALLENGES


@pytest.mark.parametrize("what", ["no digest", "another flow", "not wanted", "nonsense"])
def test_challenges_that_are_not_answered(what: str) -> None:
    bench = Bench()
    if what == "no digest":
        bench.endpoint.digest = None
    if what == "another flow":
        bench.endpoint.home = None
    exchange = bench.send(flow="other" if what == "another flow" else None)
    if what == "not wanted":
        exchange.refuse_challenges()
    bench.respond(401, ("WWW-Authenticate", "Digest ???") if what == "nonsense" else challenge())
    assert [answer.status for answer in bench.asker.answers] == [401]
    assert len(bench.sent) == 1


def test_the_flow_to_the_server_goes_before_any_other() -> None:
    bench = Bench()
    bench.send(flow="other")
    assert bench.sent[0][0] == "home"
    assert bench.sent[0][1].via.transport == "WSS"
    bench.endpoint.home = None
    bench.send(flow="other")
    assert (bench.sent[1][0], str(bench.sent[1][1].via).split(";")[0]) == ("other", "SIP/2.0/WS a:1")
    with pytest.raises(StateError):
        bench.send()
    with pytest.raises(StateError):
        bench.send(flow="closed")


def test_the_ack_of_a_refusal_repeats_branch_and_route() -> None:
    bench = Bench()
    invite = Request(
        "INVITE",
        "sip:x@y",
        [
            ("Via", "SIP/2.0/WS h;branch=z9hG4bK1"),
            ("Route", "<sip:p;lr>"),
            ("Max-Forwards", "69"),
            ("From", "<sip:a@b>;tag=f"),
            ("To", "<sip:x@y>"),
            ("Call-ID", "c"),
            ("CSeq", "4 INVITE"),
        ],
    )
    ack = bench.endpoint.acknowledge(invite, invite.response(486, to_tag="t"))
    assert ack.serialize() == (
        b"ACK sip:x@y SIP/2.0\r\nVia: SIP/2.0/WS h;branch=z9hG4bK1\r\nRoute: <sip:p;lr>\r\nMax-Forwards: 69\r\n"
        b"From: <sip:a@b>;tag=f\r\nTo: <sip:x@y>;tag=t\r\nCall-ID: c\r\nCSeq: 4 ACK\r\nContent-Length: 0\r\n\r\n"
    )


def test_only_the_server_is_given_credentials(net: Net) -> None:
    """A challenge that answers no request of ours, or comes from elsewhere, gets none."""
    net.send_raw(
        "phone",
        "SIP/2.0 401 Unauthorized\nVia: SIP/2.0/WS h;branch=z9hG4bKx\nFrom: <sip:1001@example.org>;tag=1\n"
        'To: <sip:1001@example.org>;tag=2\nCall-ID: z\nCSeq: 1 REGISTER\nWWW-Authenticate: Digest realm="r", '
        'nonce="n", algorithm=MD5, qop="auth"\nContent-Length: 0\n\n',
    )
    assert net.sent("phone") == ["REGISTER"]


def test_a_challenge_to_a_bye_is_answered_after_the_end(make_net: type[Net]) -> None:
    net = make_net()
    net.connect()
    session, _ = net.answer_server()
    net.drop = lambda who, message: who == "server"
    net.phone.hangup(session, net.now)
    net.drain()
    net.take("phone", SessionEnded)
    bye = net.requests("phone", "BYE")[0][1]
    refusal = bye.response(407)
    refusal.headers.add("Proxy-Authenticate", 'Digest realm="example.org", nonce="n", algorithm=MD5, qop="auth"')
    net.send_raw("phone", refusal.serialize())
    assert net.requests("phone", "BYE")[-1][1].headers.get("Proxy-Authorization")
    net.drop = lambda who, message: False
    net.assert_clean()
