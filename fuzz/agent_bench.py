"""A user agent with a peer that knows it, and how far things between them may have come (`STATES`)."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from offhook.clock import Now, Timers
from offhook.sip.events import InviteReceived, OfferReceived, RequestReceived, SessionEnded
from offhook.sip.fields import Address
from offhook.sip.flow import FlowOpened, FlowReceived, OpenFlow, Send
from offhook.sip.message import Request
from offhook.sip.parser import parse_message
from offhook.sip.style import Style
from offhook.sip.user_agent import Account, UserAgent
from offhook.testing.clock import SeededIds

SDP = "v=0\r\no=- 1 %d IN IP4 192.0.2.1\r\ns=-\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n"
BODIES = ("", SDP % 1, SDP % 2, SDP % 3, "v=0", "Signal=5\r\nDuration=160\r\n", "SIP/2.0 200 OK\r\n", "SIP/2.0 100\xff")
CHALLENGE = 'Digest realm="r", nonce="%s", algorithm=MD5, qop="auth"'
EXTRAS = (
    "",
    "Contact: <sip:peer@h.invalid>\r\n",
    "Contact: <sip:peer@h.invalid>\r\nSupported: timer, 100rel, replaces\r\nSession-Expires: 90;refresher=uas\r\n",
    "Contact: <sip:new@h.invalid>\r\nRecord-Route: <sip:p1;lr>, <sip:p2>\r\nRequire: 100rel\r\nRSeq: 1\r\n",
    "Require: timer\r\nSession-Expires: 0;refresher=uac\r\nMin-SE: 4294967296\r\n",
    f"WWW-Authenticate: {CHALLENGE % 'n'}\r\n",
    f"Proxy-Authenticate: {CHALLENGE % 'm'}, stale=true\r\nRetry-After: 5\r\n",
    "Replaces: \x01;to-tag=\x02;from-tag=\x03\r\nContact: <sip:x@y>\r\nRequire: replaces\r\n",
    "Refer-To: <sip:x@y?Replaces=\x01%3Bto-tag%3D\x02%3Bfrom-tag%3D\x03>\r\nReferred-By: <sip:a@b>\r\n",
    "Event: refer\r\nSubscription-State: terminated;reason=noresource\r\nContent-Type: message/sipfrag\r\n",
    "RAck: 1 1 INVITE\r\nExpires: 0\r\nMin-Expires: 3600\r\nRetry-After: 1\r\n",
    "Content-Type: text/plain\r\nX-FS-Display-Name: x\r\nX-FS-Display-Number: 1\r\n",
    "Contact: *\r\nReason: Q.850;cause=16\r\nSupported:\r\n",
    "Contact: <tel:+1>\r\nExpires: 1\r\n",
    "Content-Type: application/sdp\r\nContact: <sip:%00@h;x=%0d%0a?a=b>\r\nRoute: <sip:a;lr>\r\n",
    "Content-Type: application/sdp\r\n",
)
TYPES = ("", "Content-Type: application/sdp\r\n")
CALL_ID, OUR_TAG, PEER_TAG, BRANCH, PEER_BRANCH, CONTACT = range(1, 7)
NUMBER = 100
"""CSeq of the peer's first request."""
TO_TAG = re.compile(rb"\r\nTo: [^\r]*;tag=([0-9a-f]+)\r\n")
CONTACT_URI = re.compile(rb"\r\nContact: <([^>]*)>")
REQUEST = re.compile(
    rb"\r\nVia: [^\r]*;branch=([^;\r]+).*?\r\nFrom: [^\r]*;tag=([0-9a-f]+).*?\r\nTo: ([^\r]*)\r\nCall-ID: ([^\r]*)"
    rb".*?\r\nCSeq: ([0-9]+) ([^\r]*)",
    re.DOTALL,
)
"""The beginning of every request of ours; quicker than to parse it."""
OWNER = Address.parse("<sip:pbx@192.0.2.1>")


class Bench:
    """A user agent, what it has said, and a peer that knows it."""

    def __init__(self, *, phone: bool = True, transport: str = "WS") -> None:
        self.timers = Timers()
        self.at = 0.0
        self.transport = transport
        account = Account("1000", "example.org", "secret", ("ws://pbx", "ws://other"), redirects=3)
        passed = frozenset() if phone else frozenset({"REGISTER", "REFER", "MESSAGE"})
        style = Style() if phone else Style(refresher=False, transport=transport)
        self.agent = UserAgent(
            account if phone else None, timers=self.timers, ids=SeededIds(1), style=style, name="f", pass_up=passed
        )
        self.phone = phone
        self.flow = "f.1"
        self.strict = False
        self.asked_with: dict[str, bytes] = {}
        self.received: list[bytes] = []
        self.sessions: list[str] = []
        self.asked: list[str] = []
        self.ended: set[str] = set()
        self.numbers: dict[tuple[str, str, str], int] = {}
        self.known: dict[int, str] = {CALL_ID: "call", OUR_TAG: "", PEER_TAG: "peer", BRANCH: "", CONTACT: "sip:a@b"}
        self.known[PEER_BRANCH] = "z9hG4bKpeer"
        self.branches = 0

    @property
    def now(self) -> Now:
        return Now(self.at, 1_800_000_000.0 + self.at)

    def give(self, given: Any) -> None:
        self.agent.receive(given, self.now)
        self.drain()

    def put(self, data: bytes) -> None:
        self.received.append(data)
        self.give(FlowReceived(self.flow, data))

    def drain(self) -> None:
        """What came out: messages are read, as the peer would."""
        for output in self.agent.outputs():
            if isinstance(output, Send):
                self.take(output.data)
            elif isinstance(output, OpenFlow):
                self.flow = output.flow
            elif isinstance(output, InviteReceived):
                self.sessions.append(output.session)
            elif isinstance(output, SessionEnded):
                assert output.session not in self.ended, "a session ends twice"
                self.ended.add(output.session)
            elif isinstance(output, RequestReceived) and not output.answered:
                self.asked.append(output.key)
            elif isinstance(output, OfferReceived):
                assert output.session not in self.ended, "an offer in a session that is over"

    def take(self, data: bytes) -> None:
        if self.strict:
            parse_message(data).validate()
        if data.startswith(b"SIP/2.0 "):
            if (tagged := TO_TAG.search(data)) is not None:
                self.known[OUR_TAG] = tagged.group(1).decode()
            return
        found = REQUEST.search(data)
        assert found is not None, "a request of ours is not as ours are"
        branch, tag, to, call_id, number, method = (text.decode(errors="surrogateescape") for text in found.groups())
        self.known[BRANCH] = branch
        if method in ("ACK", "CANCEL") or branch in self.asked_with:
            return
        # Each branch of a forked INVITE is a dialog, with numbers of its own.
        dialog = (call_id, tag, to.partition(";tag=")[2])
        last = self.numbers.get(dialog, 0)
        assert int(number) > last, "a CSeq does not rise"
        self.numbers[dialog] = int(number)
        self.asked_with[branch] = data
        if (contact := CONTACT_URI.search(data)) is not None:
            self.known[CONTACT] = contact.group(1).decode()
        if method != "REGISTER":
            self.known[CALL_ID], self.known[OUR_TAG] = call_id, tag

    def requests(self, back: int = 0) -> Request | None:
        """One of the agent's last requests."""
        if not self.asked_with:
            return None
        sent = list(self.asked_with.values())
        request = parse_message(sent[-1 - back % min(len(sent), 4)])
        assert isinstance(request, Request)
        return request

    def wait(self, seconds: float) -> None:
        """Let time pass; each timer at its instant."""
        until = self.at + seconds
        rounds = 0
        while (due := self.timers.next()) is not None and due <= until:
            rounds += 1
            assert rounds < 5_000, "timers without end"
            self.at = max(self.at, due)
            self.timers.fire(self.now)
            self.drain()
        self.at = until

    def head(self, method: str, *, tag: str, peer: str, number: int, branch: str) -> str:
        to = f";tag={tag}" if tag else ""
        return (
            f"Via: SIP/2.0/{self.transport} h.invalid;branch={branch}\r\nFrom: <sip:peer@h>;tag={peer}\r\n"
            f"To: <sip:1000@example.org>{to}\r\nCall-ID: {self.known[CALL_ID]}\r\nCSeq: {number} {method}\r\n"
            "Max-Forwards: 70\r\n"
        )

    def request(self, method: str, lines: str, body: str, *, tag: str, peer: str, number: int, branch: str) -> bytes:
        head = self.head(method, tag=tag, peer=peer, number=number, branch=branch)
        octets = body.encode("latin-1")
        text = f"{method} {self.known[CONTACT]} SIP/2.0\r\n{head}{lines}Content-Length: {len(octets)}\r\n\r\n"
        return self.fill(text.encode("latin-1")) + octets

    def respond(self, request: Request, status: int, lines: str, body: str, tag: str) -> bytes:
        response = request.response(status, to_tag=tag or None)
        octets = body.encode("latin-1")
        response.headers.remove("Content-Length")
        head = response.serialize().partition(b"Content-Length")[0]
        return head + self.fill(f"{lines}Content-Length: {len(octets)}\r\n\r\n".encode("latin-1")) + octets

    def fill(self, data: bytes) -> bytes:
        """Put in what the peer knows."""
        for mark, value in self.known.items():
            if (octet := bytes([mark])) in data:
                data = data.replace(octet, value.encode("utf-8", "surrogateescape"))
        return data

    def invited(self) -> bytes:
        return self.request(
            "INVITE", EXTRAS[2] + TYPES[1], BODIES[1], tag="", peer="peer", number=NUMBER, branch="z9hG4bKpeer"
        )

    def acknowledge(self) -> None:
        tag = self.known[OUR_TAG]
        self.put(self.request("ACK", "", "", tag=tag, peer="peer", number=NUMBER, branch="z9hG4bKack"))

    def answer(self, status: int, lines: str = EXTRAS[1], body: str = "") -> None:
        """A response to the last request."""
        request = self.requests()
        assert request is not None, "there is a request to answer"
        self.put(self.respond(request, status, lines, body, "peer"))

    def dial(self) -> None:
        if self.phone:
            self.sessions.append(self.agent.invite("sip:9196@example.org", BODIES[1], self.now))
        else:
            self.sessions.append(
                self.agent.invite("sip:1000@h.invalid", BODIES[1], self.now, flow=self.flow, from_=OWNER, contact=OWNER)
            )
        self.drain()


# How far things have come


def connected() -> Bench:
    bench = Bench()
    bench.agent.start(bench.now)
    bench.drain()
    bench.give(FlowOpened(bench.flow, "192.0.2.2:4000", "192.0.2.1:5066"))
    return bench


def registered() -> Bench:
    bench = connected()
    bench.answer(200, "Expires: 600\r\n")
    return bench


def ringing() -> Bench:
    bench = registered()
    bench.put(bench.invited())
    bench.agent.ring(bench.sessions[-1], bench.now)
    bench.drain()
    return bench


def accepted() -> Bench:
    bench = ringing()
    bench.agent.accept(bench.sessions[-1], BODIES[1], bench.now)
    bench.drain()
    return bench


def called() -> Bench:
    bench = accepted()
    bench.acknowledge()
    return bench


def dialled() -> Bench:
    bench = registered()
    bench.dial()
    return bench


def rung() -> Bench:
    bench = dialled()
    bench.answer(180)
    return bench


def calling() -> Bench:
    bench = dialled()
    bench.answer(200, EXTRAS[2] + TYPES[1], BODIES[1])
    return bench


def offering() -> Bench:
    bench = called()
    bench.agent.reinvite(bench.sessions[-1], BODIES[2], bench.now)
    bench.drain()
    return bench


def offered() -> Bench:
    bench = called()
    bench.put(
        bench.request(
            "INVITE",
            EXTRAS[1] + TYPES[1],
            BODIES[2],
            tag=bench.known[OUR_TAG],
            peer="peer",
            number=NUMBER + 1,
            branch="z9hG4bKre",
        )  # fmt: skip
    )
    return bench


def cancelling() -> Bench:
    bench = rung()
    bench.agent.hangup(bench.sessions[-1], bench.now)
    bench.drain()
    return bench


def leaving() -> Bench:
    bench = calling()
    bench.agent.hangup(bench.sessions[-1], bench.now)
    bench.drain()
    return bench


def serving(transport: str = "WS") -> Bench:
    bench = Bench(phone=False, transport=transport)
    bench.flow = "s1"
    bench.give(FlowOpened("s1", "192.0.2.1:5066", "192.0.2.2:4000"))
    return bench


def serving_udp() -> Bench:
    return serving("UDP")


def serving_call() -> Bench:
    bench = serving("UDP")
    bench.put(bench.invited())
    bench.agent.accept(bench.sessions[-1], BODIES[1], bench.now, contact=OWNER)
    bench.drain()
    bench.acknowledge()
    return bench


def serving_dialled() -> Bench:
    bench = serving("UDP")
    bench.dial()
    return bench


STATES: tuple[Callable[[], Bench], ...] = (
    registered, connected, ringing, accepted, called, dialled, rung, calling, offering, offered, cancelling, leaving,
    serving, serving_udp, serving_call, serving_dialled,
)  # fmt: skip
