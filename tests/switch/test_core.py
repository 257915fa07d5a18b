from __future__ import annotations

from typing import Any

import pytest

from offhook.media.engine import CloseMedia, CreateAnswer, CreateOffer
from offhook.sip.events import Established, RequestReceived, SessionEnded
from offhook.sip.flow import FlowAlive, FlowFailed
from offhook.sip.message import Request
from offhook.sip.parser import parse_message
from offhook.switch.causes import Cause
from offhook.switch.core import Deflect, HangUp, Hold, digit_of
from offhook.switch.exchange import ChannelEnded


def test_hung_up_from_the_server(bench: Any) -> None:
    alice, bob = bench.phone("1000"), bench.phone("1001")
    alice.call("1001")
    bob.accept()
    bench.give(HangUp("1001"))
    assert [each.end.reasons[0].text for each in (alice, bob)] == ["NORMAL_CLEARING"] * 2
    assert not bench.node.channels()
    assert [event.cause for event in bench.events if isinstance(event, ChannelEnded)] == [Cause.NORMAL_CLEARING] * 2
    bench.give(HangUp("1001"))


def test_hung_up_while_it_rings(bench: Any) -> None:
    alice, bob = bench.phone("1000"), bench.phone("1001")
    alice.call("1001")
    bob.ring()
    bench.give(HangUp("1000"))
    assert alice.end.status == 480 and bob.end and not bench.node.channels()


def test_nothing_is_left_behind(bench: Any) -> None:
    alice, bob = bench.phone("1000"), bench.phone("1001")
    for number in ("1001", "9196", "5000", "9181", "4999", "6001"):
        session = alice.call(number)
        bench.run(1.0)
        if alice.have(SessionEnded) and alice.end.session == session:
            continue
        alice.hang_up(session)
        bench.run(1.0)
    assert not bench.node.channels()
    made = {each.media for kind in (CreateOffer, CreateAnswer) for each in bench.performed(kind)}
    assert made <= {each.media for each in bench.performed(CloseMedia)}
    for phone in (alice, bob):
        phone.agent.stop(bench.now)
    bench.run(40.0)
    assert len(bench.node.timers) == 0 and bench.node._exchange.pending() == 0 and len(bench.node._ua) == 0


def test_a_call_outlives_its_connection(bench: Any) -> None:
    alice, bob = bench.phone("1000"), bench.phone("1001")
    hers = alice.call("1001")
    bob.accept()
    bob.unplug()
    assert not bench.node.registered("1001") and len(bench.node.channels()) == 2
    alice.hang_up(hers)
    bench.run(1.0)
    assert not bench.node.channels()


def test_a_call_goes_on_over_another_connection(bench: Any) -> None:
    alice, bob = bench.phone("1000"), bench.phone("1001")
    hers = alice.call("1001")
    bob.accept()
    old = alice.flow
    alice.unplug(noticed=True)
    bench.run(3.0)
    assert alice.flow != old and bench.node.registered("1000")
    alice.hang_up(hers)
    assert bob.end.reasons[0].text == "NORMAL_CLEARING" and not bench.node.channels()


@pytest.mark.parametrize("transport", ["UDP", "TCP"])
def test_a_call_over_plain_sip(bench: Any, transport: str) -> None:
    alice, bob = bench.phone("1000", transport=transport), bench.phone("1001", transport=transport)
    hers = alice.call("1001")
    bob.accept()
    bench.give(Hold("1001"))
    bob.take_offer()
    assert bench.channel("1001").held
    alice.press(hers, "5")
    bench.run(100.0)  # the session is refreshed
    alice.hang_up(hers)
    assert bob.end.reasons[0].text == "NORMAL_CLEARING" and not bench.node.channels()
    requests = [data for _, data in bench.sent if not data.startswith(b"SIP/2.0")]
    assert all(f"\r\nVia: SIP/2.0/{transport} 127.0.0.1;".encode() in data for data in requests)
    assert not any(b"\r\nRoute:" in data for data in requests)


@pytest.mark.parametrize("transport", ["UDP", "TCP"])
def test_who_moves_is_followed(bench: Any, transport: str) -> None:
    alice, bob = bench.phone("1000", transport=transport), bench.phone("1001")
    alice.call("1001")
    his = bob.accept()
    old = alice.flow
    alice.unplug(noticed=True)
    assert bench.node.registered("1000")
    bench.run(3.0)
    assert alice.flow != old
    before = len(bench.sent)
    bench.give(Hold("1000"))
    alice.take_offer()
    bob.hang_up(his)
    bench.run(1.0)
    assert alice.end.reasons[0].text == "NORMAL_CLEARING" and not bench.node.channels()
    assert old not in {flow for flow, _ in bench.sent[before:]}


def test_a_stranger_is_not_followed(bench: Any) -> None:
    alice, bob = bench.phone("1000", transport="UDP"), bench.phone("1001")
    hers = alice.call("1001")
    bob.accept()
    known = alice.agent.session(hers)
    bench.open("stranger", "127.0.0.1:6666", "UDP")
    lines = [
        "INVITE sip:1001@127.0.0.1:5060 SIP/2.0",
        "Via: SIP/2.0/UDP 127.0.0.1:6666;branch=z9hG4bKs",
        "Max-Forwards: 70",
        "From: <sip:1000@127.0.0.1>;tag=guess",
        f"To: <sip:1001@127.0.0.1>;tag={known.remote_tag}",
        f"Call-ID: {known.call_id}",
        "CSeq: 99 INVITE",
        "Contact: <sip:1000@127.0.0.1:6666>",
        "Content-Length: 0",
    ]
    bench.receive("stranger", "\r\n".join([*lines, "", ""]).encode())
    before = len(bench.sent)
    bench.give(Hold("1000"))
    assert {flow for flow, _ in bench.sent[before:]} == {alice.flow}


def test_registered_over_tcp_but_gone(bench: Any) -> None:
    alice, bob = bench.phone("1000"), bench.phone("1001", transport="TCP")
    bob.unplug()
    assert bench.node.registered("1001")
    alice.call("1001")
    bench.run(1.0)
    assert alice.end.status == 503 and not bench.node.channels()


def test_over_udp_what_is_lost_is_sent_again(bench: Any) -> None:
    alice, bob = bench.phone("1000", transport="UDP"), bench.phone("1001", transport="UDP")
    del bench.phones[bob.flow]  # what is sent to Bob gets lost
    alice.call("1001")
    bench.run(2.0)
    invites = [data for flow, data in bench.sent if flow == bob.flow and data.startswith(b"INVITE")]
    assert len(invites) == 3 and len(set(invites)) == 1
    bench.phones[bob.flow] = bob
    bench.run(4.0)
    bob.accept()
    assert alice.have(Established)


def test_the_cause_of_a_bye_is_passed_on(bench: Any) -> None:
    alice, bob = bench.phone("1000"), bench.phone("1001")
    hers = alice.call("1001")
    bob.accept()
    alice.hang_up(hers, headers=[("Reason", 'Q.850;cause=17;text="USER_BUSY"')])
    assert bob.end.reasons[0].text == "USER_BUSY"


def test_requests_in_a_call_that_mean_nothing_here(bench: Any) -> None:
    alice = bench.phone("1000")
    session = alice.call("9196")
    assert alice.have(Established)
    alice.agent.request("MESSAGE", None, bench.now, session=session, content_type="text/plain", body="hi")
    alice.agent.info(session, "application/x", "1", bench.now)
    alice.agent.options(session, bench.now)
    bench.drain()
    assert len(bench.node.channels()) == 1 and not [e for e in alice.have(RequestReceived) if not e.answered]


@pytest.mark.parametrize(
    ("kind", "body", "digit"),
    [
        ("application/dtmf-relay", "Signal=5\r\nDuration=160", ("5", 160)),
        ("application/dtmf-relay", "Signal= #\r\nDuration= 90\r\n", ("#", 90)),
        ("application/dtmf-relay", "signal=10", ("*", 250)),
        ("application/dtmf-relay", "Signal=11\nDuration=x", ("#", 250)),
        ("application/dtmf-relay", "Signal=a\r\nDuration=9999999", ("A", 250)),
        ("application/dtmf-relay", "Duration=160", None),
        ("application/dtmf-relay", "", None),
        ("application/dtmf", "1", ("1", 250)),
        ("application/dtmf", "12", None),
        ("application/dtmf", "٣", None),
        ("text/plain", "1", None),
    ],
)
def test_digits_in_info(kind: str, body: str, digit: tuple[str, int] | None) -> None:
    assert digit_of(Request("INFO", "sip:x", [("Content-Type", kind)], body.encode())) == digit


def test_flows_that_the_switch_did_not_open_mean_nothing(bench: Any) -> None:
    bench.give(FlowAlive("x"))
    bench.give(FlowFailed("x", "no"))
    bench.close("x")
    assert bench.sent == []


@pytest.mark.parametrize("number", ["9196\r\nX-Evil: 1", "9196\x00", "6001\n"])
def test_what_is_dialled_cannot_become_a_header(bench: Any, number: str) -> None:
    alice = bench.phone("1000")
    alice.call(number)
    assert alice.end.status == 400 and not bench.node.channels()


def test_a_client_is_asked_to_call_somebody_else(bench: Any) -> None:
    """uuid_deflect; our own agents decline (trace 19b)."""
    alice, bob = bench.phone("1000"), bench.phone("1001")
    alice.call("9196")
    bob.call("1000")
    bench.give(Deflect("1000", "1002"))
    refers = [parse_message(data) for flow, data in bench.sent if data.startswith(b"REFER") and flow == alice.flow]
    (refer,) = [each for each in refers if isinstance(each, Request)]
    assert refer.headers.get("Refer-To") == "<sip:1002@127.0.0.1>"
    assert any(data.startswith(b"SIP/2.0 603") for data in alice.sent)
    sent = len(bench.sent)
    bench.close(alice.flow)
    bench.give(Deflect("1000", "1002"))
    assert not [data for _, data in bench.sent[sent:] if data.startswith(b"REFER")]
