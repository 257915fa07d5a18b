"""Most of the wording is compared with FreeSWITCH's in test_traces.py; here is what no trace has."""

from __future__ import annotations

import pytest

from offhook.sip.flow import FlowOpened
from offhook.sip.message import Request, Response
from offhook.sip.parser import parse_message
from offhook.switch.wording import MOST, PRODUCT, SwitchSettings, Wording


def wording() -> Wording:
    made = Wording(SwitchSettings())
    made.opened(FlowOpened("a", "127.0.0.1:5066", "127.0.0.1:40000"))
    return made


def invite(call_id: str = "c", *, tag: str = "", timer: str = "") -> Request:
    lines = [
        "INVITE sip:9196@127.0.0.1 SIP/2.0",
        "Via: SIP/2.0/WSS x.invalid;branch=z9hG4bKx;rport",
        "Max-Forwards: 70",
        "From: <sip:1000@127.0.0.1>;tag=f",
        f"To: <sip:9196@127.0.0.1>{tag}",
        f"Call-ID: {call_id}",
        "CSeq: 7 INVITE",
        "Contact: <sip:1000@x.invalid;transport=ws>",
        *([f"Session-Expires: {timer}"] if timer else []),
        "Content-Length: 0",
    ]
    message = parse_message("\r\n".join([*lines, "", ""]).encode())
    assert isinstance(message, Request)
    return message


def said(made: Wording, request: Request, status: int, flow: str = "a", body: bytes = b"") -> Response:
    response = request.response(status, to_tag="t")
    response.body = body
    message = parse_message(made.speak(response.serialize(), flow))
    assert isinstance(message, Response)
    return message


def test_a_via_with_rport_is_filled_in() -> None:
    made, request = wording(), invite()
    made.hear(request, "a")
    via = said(made, request, 100).via
    assert (via.rport, via.received) == (40000, "127.0.0.1")
    assert str(via).endswith(";rport=40000;received=127.0.0.1")


def test_without_its_connection_a_message_still_goes_out() -> None:
    made, request = wording(), invite()
    made.hear(request, "gone")
    assert said(made, request, 200, "gone").headers.get("User-Agent") == PRODUCT


def test_accept_stands_in_the_first_response_alone() -> None:
    made, request = wording(), invite()
    made.hear(request, "a")
    assert "Accept" not in said(made, request, 100).headers
    assert "Accept" in said(made, request, 180).headers
    assert "Accept" not in said(made, request, 200).headers


def test_a_caller_that_times_its_session_gets_what_it_may() -> None:
    made, request = wording(), invite(timer="1800;refresher=uac")
    made.hear(request, "a")
    response = said(made, request, 200)
    assert response.headers.get("Session-Expires") == "120;refresher=uac" and response.headers.get("Require") == "timer"


def test_a_caller_that_leaves_the_timing_to_us() -> None:
    made, request = wording(), invite(timer="1800;refresher=uas")
    made.hear(request, "a")
    response = said(made, request, 200)
    assert response.headers.get("Session-Expires") == "120;refresher=uas" and "Require" not in response.headers


def test_our_own_words_are_not_said_twice() -> None:
    made, request = wording(), invite()
    made.hear(request, "a")
    response = request.response(200, to_tag="t")
    for name, value in (
        ("User-Agent", "Offhook"),
        ("X-FS-Support", "update_display,send_info,send_message"),
        ("Supported", "replaces"),
    ):
        response.headers.add(name, value)
    head = made.speak(response.serialize(), "a").decode()
    assert "Offhook" not in head and "X-FS-Support" not in head and head.count("Supported:") == 1


def test_octets_of_other_alphabets_pass() -> None:
    made, request = wording(), invite()
    made.hear(request, "a")
    response = request.response(200, to_tag="t")
    response.headers.add("X-Name", "Zoë \udcff")
    assert "X-Name: Zoë ".encode() + b"\xff\r\n" in made.speak(response.serialize(), "a")


def test_requests_name_the_transport_that_the_client_names() -> None:
    made = wording()
    made.hear(invite(), "a")
    request = Request("OPTIONS", "sip:1000@x.invalid;transport=ws")
    for name, value in (("Via", "SIP/2.0/WS x;branch=z9hG4bKy"), ("To", "<sip:1000@x>"), ("CSeq", "1 OPTIONS")):
        request.headers.add(name, value)
    said = made.speak(request.serialize(), "a").decode()
    assert "\r\nVia: SIP/2.0/WSS 127.0.0.1:5066;branch=z9hG4bKy\r\n" in said
    assert "\r\nRoute: <sip:1000@127.0.0.1:40000>;transport=wss\r\n" in said


def test_it_forgets_in_time() -> None:
    made = wording()
    for number in range(MOST + 10):
        made.hear(invite(f"call-{number}"), "a")
    assert made.flow_of("call-0") == "" and made.flow_of(f"call-{MOST}") == "a"


def test_a_dialog_is_bound_to_its_first_connection() -> None:
    made = wording()
    made.hear(invite("c"), "a")
    made.hear(invite("c", tag=";tag=t"), "b")
    assert made.flow_of("c") == "a"
    made.placed("d", "b", 69)
    assert made.flow_of("d") == "b"
    made.closed("a")
    assert made.flow_of("c") == "a"


# UDP and TCP, as measured with FreeSWITCH 1.11.1 (trace U01, and by hand for TCP)


def plain(transport: str, port: int = 5060) -> Wording:
    made = Wording(SwitchSettings())
    made.opened(FlowOpened("a", f"0.0.0.0:{port}", "127.0.0.1:40000", transport))
    return made


def called(made: Wording) -> Request:
    made.placed("c", "a", 70)
    request = invite()
    request.headers.set("Via", "SIP/2.0/X x;branch=z9hG4bKx")
    message = parse_message(made.speak(request.serialize(), "a"))
    assert isinstance(message, Request)
    return message


@pytest.mark.parametrize(
    ("transport", "port", "via", "contact"),
    [
        ("UDP", 5060, "127.0.0.1;rport;branch=z9hG4bKx", "<sip:mod_sofia@127.0.0.1:5060>"),
        ("UDP", 5070, "127.0.0.1:5070;rport;branch=z9hG4bKx", "<sip:mod_sofia@127.0.0.1:5070>"),
        ("TCP", 5060, "127.0.0.1;branch=z9hG4bKx", "<sip:mod_sofia@127.0.0.1:5060;transport=tcp>"),
    ],
)
def test_where_we_are_over_plain_sip(transport: str, port: int, via: str, contact: str) -> None:
    request = called(plain(transport, port))
    assert request.headers.get("Via") == f"SIP/2.0/{transport} {via}"
    assert request.headers.get("Contact") == contact and "Route" not in request.headers


@pytest.mark.parametrize(("transport", "parameter"), [("UDP", "udp"), ("TCP", "tcp")])
def test_the_contact_of_who_is_called_over_plain_sip(transport: str, parameter: str) -> None:
    made, request = plain(transport), invite()
    made.hear(request, "a")
    assert said(made, request, 200).headers.get("Contact") == f"<sip:9196@127.0.0.1:5060;transport={parameter}>"


@pytest.mark.parametrize(
    ("sent", "returned"),
    [
        ("127.0.0.1:40000;branch=z9hG4bKx;rport", "127.0.0.1:40000;branch=z9hG4bKx;rport=40000"),
        ("127.0.0.1;branch=z9hG4bKx", "127.0.0.1;branch=z9hG4bKx"),
        ("p.invalid:1;branch=z9hG4bKx;rport", "p.invalid:1;branch=z9hG4bKx;rport=40000;received=127.0.0.1"),
        ("p.invalid;branch=z9hG4bKx, SIP/2.0/UDP q", "p.invalid;branch=z9hG4bKx;received=127.0.0.1, SIP/2.0/UDP q"),
    ],
)
def test_a_via_that_came_over_udp(sent: str, returned: str) -> None:
    made, request = plain("UDP"), invite()
    request.headers.set("Via", f"SIP/2.0/UDP {sent}")
    request.headers.add("Via", "SIP/2.0/UDP r;branch=z9hG4bKr;rport")
    made.hear(request, "a")
    vias = said(made, request, 100).headers.all("Via")
    assert vias == [f"SIP/2.0/UDP {returned}", "SIP/2.0/UDP r;branch=z9hG4bKr;rport"]


def test_who_has_moved_is_known_there() -> None:
    made = plain("UDP")
    called(made)
    made.moved("c", "b")
    made.moved("unknown", "b")
    assert made.flow_of("c") == "b" and made.flow_of("unknown") == ""
