from __future__ import annotations

import re
from typing import Any

import pytest

from offhook.sip.digest import DigestClient
from offhook.sip.events import Registered, RegistrationFailed, RequestAnswered, RequestReceived
from offhook.sip.message import Request, Response
from offhook.sip.parser import parse_message
from offhook.switch.reception import MOST_REALMS, MOST_REFUSED
from offhook.testing.clock import SeededIds


class Raw:
    """A client that sends what it is told."""

    def __init__(self, bench: Any, flow: str = "raw", transport: str = "") -> None:
        self.bench, self.flow = bench, flow
        self.transport = transport or "WS"
        self.number = 0
        bench.open(flow, "127.0.0.1:41000", transport)

    def request(self, method: str, *lines: str, user: str = "1000", domain: str = "127.0.0.1", to: str = "") -> Request:
        self.number += 1
        head = [
            f"{method} sip:{domain} SIP/2.0",
            f"Via: SIP/2.0/{self.transport} x.invalid;branch=z9hG4bK{self.number}",
            "Max-Forwards: 70",
            f"From: <sip:{user}@{domain}>;tag=f",
            f"To: <sip:{to or user}@{domain}>",
            "Call-ID: raw",
            f"CSeq: {self.number} {method}",
            *lines,
            "Content-Length: 0",
            "",
            "",
        ]
        message = parse_message("\r\n".join(head).encode())
        assert isinstance(message, Request)
        return message

    def ask(self, request: Request) -> Response:
        seen = len(self.bench.sent)
        self.bench.receive(self.flow, request.serialize())
        answers = [parse_message(data) for flow, data in self.bench.sent[seen:] if flow == self.flow]
        response = [answer for answer in answers if isinstance(answer, Response)][-1]
        return response

    def ask_signed(self, request: Request, user: str = "1000", password: str = "1234") -> Response:
        """Ask again with credentials."""
        return self.ask(self.sign(request, user, password))

    def sign(self, request: Request, user: str = "1000", password: str = "1234") -> Request:
        """Ask without credentials; gives the request that is to follow."""
        challenge = self.ask(request)
        assert challenge.status in (401, 407)
        again = self.request(request.method, user=request.from_.uri.user or "", domain=request.from_.uri.host)
        for name, value in request.headers:
            if name in ("Contact", "Expires"):
                again.headers.add(name, value)
        again.headers.set("To", str(request.to))
        credentials = DigestClient(user, password, None, ids=SeededIds(9)).answer(
            challenge, again.method, again.uri, again.body
        )
        assert credentials is not None
        again.headers.set(*credentials)
        return again


CONTACT = "Contact: <sip:1000@abc.invalid;transport=ws>"


def test_a_phone_registers_and_leaves(bench: Any) -> None:
    phone = bench.phone("1000")
    assert phone.have(Registered)[0].expires == 600 and bench.node.registered("1000")
    phone.agent.stop(bench.now)
    bench.drain()
    assert not bench.node.registered("1000")


def test_a_wrong_password(bench: Any) -> None:
    phone = bench.phone("1000", password="wrong")
    assert phone.have(RegistrationFailed)[0].status == 403 and not bench.node.registered("1000")


def test_who_registers_for_somebody_else(bench: Any) -> None:
    raw = Raw(bench)
    assert raw.ask_signed(raw.request("REGISTER", CONTACT, to="1001")).status == 403
    assert not bench.node.registered("1001")


@pytest.mark.parametrize(
    ("lines", "expires"),
    [
        ((CONTACT + ";expires=300",), "300"),
        ((CONTACT, "Expires: 120"), "120"),
        ((CONTACT,), "3600"),
        ((CONTACT + ";expires=banana", "Expires: 77"), "3600"),
        ((CONTACT + ";expires=99999999999",), "86400"),
    ],
)
def test_how_long(bench: Any, lines: tuple[str, ...], expires: str) -> None:
    raw = Raw(bench)
    response = raw.ask_signed(raw.request("REGISTER", *lines))
    assert response.status == 200
    assert response.headers.get("Contact") == f"<sip:1000@abc.invalid;transport=ws>;expires={expires}"


def test_asking_and_removing_all(bench: Any) -> None:
    raw = Raw(bench)
    raw.ask_signed(raw.request("REGISTER", CONTACT))
    assert "Contact" not in raw.ask_signed(raw.request("REGISTER")).headers
    assert bench.node.registered("1000")
    assert raw.ask_signed(raw.request("REGISTER", "Contact: *", "Expires: 0")).status == 200
    assert not bench.node.registered("1000")


def test_the_realm_is_the_host_of_the_from(bench: Any) -> None:
    raw = Raw(bench)
    for number in range(MOST_REALMS + 3):
        challenge = raw.ask(raw.request("REGISTER", CONTACT, domain=f"host{number}.example"))
        assert f'realm="host{number}.example"' in str(challenge.headers.get("WWW-Authenticate"))
    assert raw.ask_signed(raw.request("REGISTER", CONTACT, domain="pbx.example")).status == 200


def test_the_date(bench: Any) -> None:
    raw = Raw(bench)
    response = raw.ask_signed(raw.request("REGISTER", CONTACT))
    assert response.headers.get("Date") == "Fri, 15 Jan 2027 08:00:00 GMT"


def test_voice_mail_is_told_of_once(bench: Any) -> None:
    phone = bench.phone("1000")
    phone.agent.register(bench.now)
    bench.drain()
    bench.run(1.0)
    notified = [each for each in phone.have(RequestReceived) if each.request.method == "NOTIFY"]
    assert len(notified) == 1 and "Messages-Waiting: no" in notified[0].request.text


def test_who_has_gone_is_not_told(bench: Any) -> None:
    raw = Raw(bench)
    raw.ask_signed(raw.request("REGISTER", CONTACT))
    bench.close("raw")
    bench.run(1.0)
    assert not [data for _, data in bench.sent if data.startswith(b"NOTIFY")]


def test_a_message_is_delivered(bench: Any) -> None:
    alice, bob = bench.phone("1000"), bench.phone("1001")
    text = "Grüße"
    alice.agent.request("MESSAGE", "sip:1001@127.0.0.1", bench.now, content_type="text/plain", body=text)
    alice.agent.request("MESSAGE", "sip:9196@127.0.0.1", bench.now, content_type="text/plain", body="nobody")
    bench.drain()
    assert [each.status for each in alice.have(RequestAnswered)] == [202, 202]
    got = [each.request for each in bob.have(RequestReceived) if each.request.method == "MESSAGE"]
    assert [each.text for each in got] == [text]
    assert re.fullmatch(r"sip:1001@127\.0\.0\.1:\d+", got[0].uri)


def test_calls_are_challenged_and_bad_ones_refused(bench: Any) -> None:
    raw = Raw(bench)
    response = raw.ask_signed(raw.request("INVITE", CONTACT), password="wrong")
    assert response.status == 403 and not bench.node.channels()
    # The ACKs of what was refused end here.
    ack = raw.request("ACK")
    ack.headers.set("Via", str(response.via))
    bench.receive("raw", ack.serialize())
    assert not bench.node.channels()


def test_options_and_what_it_does_not_know(bench: Any) -> None:
    raw = Raw(bench)
    assert raw.ask(raw.request("OPTIONS")).status == 200
    assert raw.ask(raw.request("PUBLISH")).status == 405


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\r\n\r\n",
        b"rubbish",
        b"INVITE",
        b"INVITE sip:9196@127.0.0.1 SIP/2.0\r\n\r\n",
        b"SIP/2.0 200 OK\r\n\r\n",
        b"REGISTER sip:x SIP/2.0\r\nVia: x\r\nFrom: y\r\nTo: z\r\nCall-ID: 1\r\nCSeq: 1 REGISTER\r\n\r\n",
        b"\xff\xfe\x00",
    ],
)
def test_rubbish_harms_nothing(bench: Any, data: bytes) -> None:
    raw = Raw(bench)
    bench.receive("raw", data)
    assert raw.ask(raw.request("OPTIONS")).status == 200


def test_credentials_that_cannot_be_read_are_nobodys(bench: Any) -> None:
    raw = Raw(bench)
    request = raw.request("INVITE", CONTACT, "Proxy-Authorization: Digest realm=")
    assert raw.ask(request).status == 407
    assert bench.node._reception.user_of(request) == ""


@pytest.mark.parametrize(("user", "status"), [("1000", 403), ("1009", 480)])
def test_the_caller_is_who_proved_it(bench: Any, user: str, status: int) -> None:
    """Whatever other credentials the INVITE has: 1009 may listen to calls (there is none), 1000 may not."""
    raw = Raw(bench)
    request = raw.sign(raw.request("INVITE", CONTACT, user=user), user)
    good = request.headers.get("Proxy-Authorization")
    forged = 'Digest username="1009", realm="other", nonce="x", uri="sip:x", response="00"'
    request.headers.set("Proxy-Authorization", forged)
    request.headers.add("Proxy-Authorization", str(good))
    request.uri = "sip:*441001@127.0.0.1"
    request.body = bench.phone("1002").offer().encode()
    request.headers.set("Content-Type", "application/sdp")
    assert raw.ask(request).status == status


def test_a_message_in_another_s_name_is_refused(bench: Any) -> None:
    raw, bob = Raw(bench), bench.phone("1001")
    request = raw.sign(raw.request("MESSAGE", user="1009", to="1001"), "1000")
    assert raw.ask(request).status == 403
    assert not [each for each in bob.have(RequestReceived) if each.request.method == "MESSAGE"]


def test_an_expiry_beyond_all_numbers(bench: Any) -> None:
    raw = Raw(bench)
    response = raw.ask_signed(raw.request("REGISTER", f"Contact: <sip:1000@x.invalid>;expires={'9' * 5000}"))
    assert response.headers.get("Contact") == "<sip:1000@x.invalid>;expires=86400"


def test_a_contact_with_escapes_is_sent_messages_and_calls(bench: Any) -> None:
    """What a Contact's user unescapes to goes into no start line and no header."""
    raw = Raw(bench)
    raw.ask_signed(raw.request("REGISTER", "Contact: <sip:a%0d%0aX-Evil:1%20%3e@x.invalid>"))
    alice = bench.phone("1001")
    alice.agent.request("MESSAGE", "sip:1000@127.0.0.1", bench.now, content_type="text/plain", body="hello")
    alice.call("1000")
    got = [parse_message(data) for flow, data in bench.sent if flow == "raw"]
    methods = [each.method for each in got if isinstance(each, Request)]
    assert "MESSAGE" in methods and "INVITE" in methods
    assert not any("X-Evil" in each.headers for each in got)


def test_over_udp_a_repeated_request_gets_the_same_answer(bench: Any) -> None:
    """Its nonce is used up, and a challenge to it would be the wrong answer."""
    raw = Raw(bench, transport="UDP")
    signed = raw.sign(raw.request("REGISTER", "Contact: <sip:1000@127.0.0.1:41000>"))
    first = raw.ask(signed)
    assert first.status == 200 and raw.ask(signed).serialize() == first.serialize()
    stream = Raw(bench, "stream", "TCP")
    signed = stream.sign(stream.request("REGISTER", "Contact: <sip:1000@127.0.0.1:41000>"))
    assert [stream.ask(signed).status for _ in range(2)] == [200, 401]


def test_over_udp_a_repeated_invite_is_the_same_call(bench: Any) -> None:
    alice, bob = bench.phone("1000", transport="UDP"), bench.phone("1001")
    alice.call("1001")
    bob.ring()
    (again,) = [data for data in alice.sent if data.startswith(b"INVITE") and b"Proxy-Authorization" in data]
    before = len(bench.sent)
    bench.receive(alice.flow, again)
    (answer,) = [data for flow, data in bench.sent[before:] if flow == alice.flow]
    assert answer.startswith(b"SIP/2.0 183") and len(bench.node.channels()) == 2


def test_answers_over_udp_are_not_kept_for_ever(bench: Any) -> None:
    raw = Raw(bench, transport="UDP")
    for _ in range(MOST_REFUSED + 10):
        raw.ask(raw.request("OPTIONS"))
    assert len(bench.node._reception._answers) == MOST_REFUSED


@pytest.mark.parametrize("transport", ["UDP", "TCP"])
def test_a_message_over_plain_sip_goes_to_the_contact(bench: Any, transport: str) -> None:
    alice, bob = bench.phone("1000"), bench.phone("1001", transport=transport)
    alice.agent.request("MESSAGE", "sip:1001@127.0.0.1", bench.now, content_type="text/plain", body="hello")
    bench.run(1.0)
    assert [each.status for each in alice.have(RequestAnswered)] == [202]
    (sent,) = [data.decode() for flow, data in bench.sent if flow == bob.flow and data.startswith(b"MESSAGE")]
    target = f"sip:1001@127.0.0.1:40002;transport={transport.lower()}"
    assert sent.startswith(f"MESSAGE {target} SIP/2.0\r\nVia: SIP/2.0/{transport} 127.0.0.1;")
    assert f"\r\nTo: <{target}>\r\n" in sent
