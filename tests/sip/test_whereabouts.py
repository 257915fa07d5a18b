"""Under which address the phone can be reached, over each transport."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from offhook.sip.account import Account
from offhook.sip.events import Registered, RequestReceived, SessionEnded
from offhook.sip.flow import FlowOpened, FlowReceived
from offhook.sip.message import Request, Response
from offhook.sip.timers import Timing

if TYPE_CHECKING:
    from tests.sip.conftest import Net

INSTANCE = "urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6"


def contacts(request: Request) -> list[str]:
    return request.headers.all("Contact")


@pytest.mark.parametrize("scheme", ["udp", "tcp", "tls"])
def test_over_datagrams_and_streams_it_is_the_address_of_the_socket(make_net: type[Net], scheme: str) -> None:
    net = make_net(scheme=scheme)
    net.connect()
    register = net.requests("phone", "REGISTER")[0][1]
    via = register.via
    assert (via.transport, via.host, via.port) == (scheme.upper(), "10.0.0.2", 4001)
    assert "rport" in via.parameters
    contact = register.contact
    assert contact is not None and str(contact.uri) == f"sip:1001@10.0.0.2:4001;transport={scheme}"
    net.answer_server()
    for method in ("INVITE", "ACK"):
        assert net.requests("phone", method)[0][1].via.transport == scheme.upper()
    invite = net.requests("phone", "INVITE")[0][1]
    assert contacts(invite) == [f"<sip:1001@10.0.0.2:4001;transport={scheme}>"]
    response = net.responses("server", "INVITE")[0][1]
    assert (response.via.rport, response.via.received) == (4001, "10.0.0.2")


@pytest.mark.parametrize("scheme", ["ws", "wss"])
def test_over_a_web_socket_nobody_can_connect_to_it(make_net: type[Net], scheme: str) -> None:
    net = make_net(scheme=scheme)
    net.connect()
    register = net.requests("phone", "REGISTER")[0][1]
    assert register.via.transport == scheme.upper() and register.via.host.endswith(".invalid")
    contact = register.contact
    assert contact is not None and contact.uri.parameters.get("transport") == "ws"


def test_the_transport_of_a_domain_is_told_by_the_flow(make_net: type[Net]) -> None:
    net = make_net(account=Account("1001", "example.org", "secret", ("sip:example.org",)))
    net.reachable = False
    net.phone.start(net.now)
    net.phone.outputs()
    net.phone.receive(FlowOpened("p.1", "[fe80::1%eth0]:5062", "[2001:db8::1]:5060", "tcp"), net.now)
    net.drain()
    register = net.requests("phone", "REGISTER")[0][1]
    assert (register.via.transport, register.via.host, register.via.port) == ("TCP", "[fe80::1]", 5062)
    contact = register.contact
    assert contact is not None and str(contact.uri) == "sip:1001@[fe80::1]:5062;transport=tcp"


def test_the_address_that_the_server_sees_is_registered_in_place_of_ours(make_net: type[Net]) -> None:
    net = make_net(scheme="udp")
    net.seen_as = "192.0.2.7:61000"
    net.connect()
    first, second = (request for _, request in net.requests("phone", "REGISTER"))
    assert contacts(first) == ["<sip:1001@10.0.0.2:4001;transport=udp>;expires=600"]
    assert contacts(second) == [
        "<sip:1001@192.0.2.7:61000;transport=udp>;expires=600",
        "<sip:1001@10.0.0.2:4001;transport=udp>;expires=0",
    ]
    assert net.count("phone", Registered) == 2
    net.run(100)
    assert len(net.requests("phone", "REGISTER")) == 2, "once is enough"


@pytest.mark.parametrize("received", ["nonsense", "1.2.3.4.5", "", "fe80::1%eth0"])
def test_an_address_that_is_none_is_not_believed(make_net: type[Net], received: str) -> None:
    net = make_net(scheme="udp")
    net.connect()
    response = net.responses("server", "REGISTER")[0][1]
    via = str(replace(response.via, parameters=response.via.parameters.replaced("received", received)))
    response.headers.set("Via", via)
    net.give("phone", FlowReceived(next(iter(net.flow)), response.serialize()))
    session, _ = net.call_server()
    assert contacts(net.requests("phone", "INVITE")[0][1]) == ["<sip:1001@10.0.0.2:4001;transport=udp>"]
    assert session in net.phone.sessions()


@pytest.mark.parametrize("scheme", ["udp", "tcp"])
@pytest.mark.parametrize("caller", [True, False])
def test_sessions_learn_of_the_new_address_after_a_lost_flow(make_net: type[Net], scheme: str, caller: bool) -> None:
    net = make_net(scheme=scheme)
    net.connect()
    session, called = net.answer_server() if caller else reversed(net.answer_phone())
    net.cut()
    net.run(1)
    update = net.requests("phone", "UPDATE")[0][1]
    assert contacts(update) == [f"<sip:1001@10.0.0.2:4002;transport={scheme}>"]
    assert net.server.session(called).remote_target == f"sip:1001@10.0.0.2:4002;transport={scheme}"
    net.phone.hangup(session, net.now)
    net.drain()
    assert net.take("phone", SessionEnded).session == session


def test_a_session_over_a_web_socket_has_nothing_to_learn(net: Net) -> None:
    net.answer_server()
    net.cut()
    net.run(1)
    assert net.phone.connected and net.requests("phone", "UPDATE") == []


def test_a_server_over_udp_is_asked_by_options_whether_it_lives(make_net: type[Net]) -> None:
    net = make_net(scheme="udp")
    net.connect()
    net.run(61)
    assert [at for at, _ in net.requests("phone", "OPTIONS")] == [20.0, 40.0, 60.0]
    assert net.probes == [] and net.phone.connected
    net.swallow()
    net.run(24)
    assert not net.phone.connected


def test_a_dead_server_over_udp_is_noticed_soon(make_net: type[Net]) -> None:
    net = make_net(account=Account("1001", "example.org", "secret", ("udp:a:5060", "udp:b:5060")), scheme="udp")
    net.drop = lambda who, message: True
    net.connect()
    net.run(11)
    assert [url for _, url in net.opens] == ["udp:a:5060", "udp:b:5060"]


def test_requests_are_taken_from_the_configured_server_alone(make_net: type[Net]) -> None:
    net = make_net(scheme="udp")
    net.connect()
    invite = (
        "INVITE sip:1001@10.0.0.2:4001 SIP/2.0\r\nVia: SIP/2.0/UDP 9.9.9.9;branch=z9hG4bKx\r\nMax-Forwards: 70\r\n"
        "From: <sip:scanner@9.9.9.9>;tag=1\r\nTo: <sip:1001@10.0.0.2>\r\nCall-ID: x\r\nCSeq: 1 INVITE\r\n"
        "Contact: <sip:scanner@9.9.9.9>\r\nContent-Length: 0\r\n\r\n"
    )
    before = len(net.wire)
    net.give("phone", FlowReceived("somebody else", invite.encode()))
    assert len(net.wire) == before and net.phone.sessions() == []


def test_messages_to_a_datagram_flow_are_sent_again_whatever_the_via_says(make_net: type[Net]) -> None:
    """A peer that writes WS into its Via over UDP gets its refusal again until the ACK."""
    net = make_net(scheme="udp", timing=Timing(silence=1000.0))
    net.connect()
    invite = (
        "INVITE sip:1001@10.0.0.2:4001 SIP/2.0\nVia: SIP/2.0/WS pbx;branch=z9hG4bKx\nMax-Forwards: 70\n"
        "From: <sip:a@h>;tag=1\nTo: <sip:1001@10.0.0.2>\nCall-ID: x\nCSeq: 1 INVITE\nContact: <sip:a@h>\n"
        "Require: nonsense\nContent-Length: 0\n\n"
    )
    net.send_raw("phone", invite)
    net.run(4)
    refusals = [m for _, m in net.responses("phone", "INVITE") if m.status == 420]
    assert len(refusals) == 4


def registrar(*parameters: str, **headers: str):  # type: ignore[no-untyped-def]
    def answer(net: Net, asked: RequestReceived) -> None:
        contact = (asked.request.headers.get("Contact") or "") + "".join(f";{each}" for each in parameters)
        net.server.respond(asked.key, 200, net.now, headers=(("Contact", contact), *headers.items()))

    return answer


def outbound_net(make_net: type[Net]) -> Net:
    return make_net(account=Account("1001", "example.org", "secret", ("ws://pbx",), instance=INSTANCE))


def test_the_instance_is_told_to_the_registrar(make_net: type[Net]) -> None:
    net = outbound_net(make_net)
    net.connect()
    register = net.requests("phone", "REGISTER")[0][1]
    assert contacts(register)[0].endswith(f';expires=600;+sip.instance="<{INSTANCE}>";reg-id=1')
    assert {"path", "outbound", "gruu"} <= register.supported
    net.answer_server()
    (contact,) = contacts(net.requests("phone", "INVITE")[0][1])
    assert ";ob" not in contact and "instance" not in contact


def test_a_registrar_that_keeps_flows_gets_ob_in_the_contact_of_calls(make_net: type[Net]) -> None:
    net = outbound_net(make_net)
    net.registrar = registrar(Require="outbound")
    net.connect()
    net.answer_server()
    (contact,) = contacts(net.requests("phone", "INVITE")[0][1])
    assert contact.endswith(";transport=ws;ob>")
    net.phone.register(net.now)
    net.drain()
    assert ";ob" not in contacts(net.requests("phone", "REGISTER")[1][1])[0]


def test_a_gruu_is_the_contact_of_calls(make_net: type[Net]) -> None:
    net = outbound_net(make_net)
    net.registrar = registrar('pub-gruu="sip:1001@example.org;gr=urn:uuid:f8"', 'temp-gruu="sip:x@example.org;gr"')
    net.connect()
    net.answer_server()
    assert contacts(net.requests("phone", "INVITE")[0][1]) == ["<sip:1001@example.org;gr=urn:uuid:f8>"]
    net.registrar = registrar()
    net.phone.register(net.now)
    net.drain()
    net.call_server()
    assert contacts(net.requests("phone", "INVITE")[1][1])[0].endswith(".invalid;transport=ws>")


def test_a_gruu_that_is_no_uri_is_none(make_net: type[Net]) -> None:
    net = outbound_net(make_net)
    net.registrar = registrar('pub-gruu="no uri"')
    net.connect()
    net.call_server()
    assert contacts(net.requests("phone", "INVITE")[0][1])[0].endswith(".invalid;transport=ws>")


def test_responses_of_others_teach_nothing(net: Net) -> None:
    register = net.responses("server", "REGISTER")[0][1]
    assert isinstance(register, Response)
    net.send_raw("phone", register.serialize())
    assert len(net.requests("phone", "REGISTER")) == 1


@pytest.mark.parametrize("local", ["", "nonsense", ":5060", "a b:5060", "10.0.0.2:x", "10.0.0.2:99999"])
def test_a_local_address_that_is_not_known(make_net: type[Net], local: str) -> None:
    net = make_net(account=Account("1001", "example.org", "secret", ("udp:pbx",)), scheme="udp")
    net.reachable = False
    net.phone.start(net.now)
    net.phone.outputs()
    net.phone.receive(FlowOpened("p.1", local, "x"), net.now)
    net.drain()
    register = net.requests("phone", "REGISTER")[0][1]
    assert (register.via.host, register.via.port) == ("unknown.invalid", None)


def test_the_source_of_a_request_of_ipv6(make_net: type[Net]) -> None:
    net = make_net(scheme="udp")
    net.seen_as = "[2001:db8::7]:61000"
    net.connect()
    response = net.responses("server", "REGISTER")[0][1]
    assert (response.via.received, response.via.rport) == ("2001:db8::7", 61000)
    assert contacts(net.requests("phone", "REGISTER")[1][1])[0].startswith("<sip:1001@[2001:db8::7]:61000;")
