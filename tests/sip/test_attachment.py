"""What comes over flows and whom it reaches, and how the way to the server ends."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from offhook.clock import Timers
from offhook.sip.events import InviteReceived, SessionEnded, Unregistered
from offhook.sip.fields import Address
from offhook.sip.flow import FlowOpened, FlowReceived, Send
from offhook.sip.message import Request
from offhook.sip.parser import parse_message
from offhook.sip.style import Style
from offhook.sip.user_agent import UserAgent
from offhook.testing.clock import SeededIds, VirtualClock

if TYPE_CHECKING:
    from tests.sip.conftest import Net

TIMER = (("Supported", "timer"), ("Session-Expires", "120;refresher=uac"))


def test_one_server_side_serves_many_flows() -> None:
    """Answers go on the flow of the request, requests on the flow of their session."""
    clock, timers = VirtualClock(), Timers()
    server = UserAgent(None, timers=timers, ids=SeededIds(1), style=Style(refresher=False))
    for name in ("a", "b"):
        server.receive(FlowOpened(name, "10.0.0.1:5066", f"10.0.0.9:{name}"), clock.now())
        server.receive(
            FlowReceived(
                name,
                f"INVITE sip:9196@x SIP/2.0\r\nVia: SIP/2.0/WSS {name}.invalid;branch=z9hG4bK{name}\r\n"
                f"From: <sip:{name}@x>;tag=1\r\nTo: <sip:9196@x>\r\nCall-ID: {name}\r\nCSeq: 1 INVITE\r\n"
                f"Contact: <sip:{name}@{name}.invalid>\r\nContent-Length: 0\r\n\r\n".encode(),
            ),
            clock.now(),
        )
    told = server.outputs()
    sessions = [item.session for item in told if isinstance(item, InviteReceived)]
    assert [item.flow for item in told if isinstance(item, Send)] == ["a", "b"]
    out = Address.parse("<sip:pbx@10.0.0.1>")
    server.invite("sip:b@b.invalid", None, clock.now(), flow="b", from_=out, contact=out)
    server.accept(sessions[0], "v=0\r\n", clock.now(), contact=out)
    sent = [(item.flow, parse_message(item.data)) for item in server.outputs() if isinstance(item, Send)]
    assert [flow for flow, _ in sent] == ["b", "a"]
    invite = sent[0][1]
    assert isinstance(invite, Request)
    assert str(invite.via).startswith("SIP/2.0/WSS 10.0.0.1:5066;branch="), "as the peer on that flow says"


def test_timers_that_fire_together_are_all_settled(net: Net) -> None:
    for _ in range(5):
        net.call_server()
    net.drop = lambda who, message: True
    for session in net.phone.sessions():
        net.phone.hangup(session, net.now)
    net.run(32)
    assert net.count("phone", SessionEnded) == 5


def test_whatever_bytes_come_in_nothing_is_raised(net: Net) -> None:
    """Messages of a real call with octets changed, cut and doubled, fed to both sides."""
    net.answer_server()
    net.answer_phone(headers=TIMER)
    chance = random.Random(7)
    corpus: list[bytes] = [message.serialize() for _, _, message in net.wire]
    for _ in range(3000):
        data = bytearray(chance.choice(corpus))
        for _ in range(chance.randrange(1, 6)):
            at = chance.randrange(len(data)) if data else 0
            what = chance.randrange(4)
            if what == 0 and data:
                data[at] = chance.randrange(256)
            elif what == 1:
                data[at:at] = chance.choice([b"\r\n", b";", b'"', b"<", b",", b"tag=", b"%", b"0"])
            elif what == 2:
                del data[at : at + chance.randrange(1, 12)]
            else:
                data[at:at] = data[at : at + 20]
        who = chance.choice(["phone", "server"])
        net.send_raw(who, bytes(data))
        if not net.flow:
            net.run(1)
    net.run(1)


def test_torture_messages_are_answered_or_dropped(net: Net) -> None:
    """RFC 4475 3.1.1.2 and others: what we copy into answers need not be what we would write."""
    odd = (
        b"INVITE sip:1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*:&it+has=1,weird!*pas$wo~d_too.(doesn't-it)"
        b"@example.com SIP/2.0\r\n"
        b"Via: SIP/2.0/WS host1.example.com;branch=z9hG4bK-.!%66*_+`'~\r\n"
        b'To: "BEL:\\\x07 NUL:\\\x00 DEL:\\\x7f" <sip:1_unusual.URI@example.com>\r\n'
        b'From: "\\\x00" <sip:mundane@example.com>;tag=_token~1\'+`*%!-.\r\n'
        b"Call-ID: intmeth.word%ZK-!.*_+'@word`~)(><:\\/\"][?}{\r\nCSeq: 139122385 INVITE\r\nMax-Forwards: 255\r\n"
        b'Contact: <sip:mundane@host.example.com>\r\nRecord-Route: "\\\x00" <sip:p;lr>\r\nContent-Length: 0\r\n\r\n'
    )
    net.send_raw("phone", odd)
    session = net.take("phone", InviteReceived).session
    net.phone.accept(session, net.ANSWER, net.now)
    net.phone.hangup(session, net.now)
    net.drain()
    net.run(33)
    bye = net.requests("phone", "BYE")[0][1]
    assert (bye.headers.get("Route"), str(bye.to.uri)) == ("<sip:p;lr>", "sip:mundane@example.com")
    assert b"\0" not in bye.serialize()


def test_stopping_gives_up_what_is_under_way(net: Net) -> None:
    ringing, _ = net.call_phone()
    session, called = net.answer_server()
    net.drop = lambda who, message: isinstance(message, Request) and message.method == "BYE"
    net.phone.hangup(session, net.now)
    net.phone.stop(net.now)
    net.run(3)
    assert (len(net.phone), len(net.timers)) == (0, 0)
    assert net.count("phone", SessionEnded) == 2
    assert ringing and called


def test_stopping_waits_for_a_bye_that_is_under_way(net: Net) -> None:
    session, called = net.answer_server()
    net.cut()
    net.phone.hangup(session, net.now)
    net.phone.stop(net.now)
    net.drain()
    assert net.count("phone", Unregistered) == 0
    net.run(1.9)
    assert net.requests("phone", "BYE"), "there was a flow again within two seconds"
    net.take("phone", Unregistered)
    assert called not in net.server.sessions()


def test_stopping_does_not_wait_for_ever(net: Net) -> None:
    session, _ = net.answer_server()
    net.reachable = False
    net.cut()
    net.phone.hangup(session, net.now)
    net.phone.stop(net.now)
    net.run(1.9)
    assert net.count("phone", Unregistered) == 0
    net.run(0.1)
    net.take("phone", Unregistered)
    assert net.phone.sessions() == []
