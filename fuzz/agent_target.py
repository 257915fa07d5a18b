"""The user agent under fire: octets that stand for messages, lost flows, time, and what its owner wants.

The first octet chooses how far things have come (`STATES`), what follows are steps: one octet says which, a few more
say how. A step with octets of its own puts them on the wire as they are, but that the octets 1 to 6 in them stand for
what a peer would know (Call-ID, tags, a branch of ours), so that mutation finds its way into dialogs.

Findings: any exception, a message of ours that cannot be read, a session that ends twice or not at all, a CSeq that
does not rise, machines or timers that stay. What costs much is looked at in every fourth input only.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

from offhook.clock import Now, Timers
from offhook.errors import StateError
from offhook.sip.events import InviteReceived, OfferReceived, RequestReceived, SessionEnded
from offhook.sip.fields import Address
from offhook.sip.flow import FlowAlive, FlowClosed, FlowFailed, FlowOpened, FlowReceived, OpenFlow, Send
from offhook.sip.message import Request
from offhook.sip.parser import parse_message
from offhook.sip.style import Style
from offhook.sip.user_agent import Account, UserAgent
from offhook.testing.clock import SeededIds

SDP = "v=0\r\no=- 1 %d IN IP4 192.0.2.1\r\ns=-\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n"
BODIES = ("", SDP % 1, SDP % 2, SDP % 3, "v=0", "Signal=5\r\nDuration=160\r\n", "SIP/2.0 200 OK\r\n", "SIP/2.0 100\xff")
METHODS = ("INVITE", "ACK", "BYE", "CANCEL", "UPDATE", "INFO", "NOTIFY", "OPTIONS", "MESSAGE", "REFER", "SUBSCRIBE",
           "PRACK", "REGISTER", "PUBLISH", "X", "invite")  # fmt: skip
STATUSES = (100, 180, 183, 181, 199, 200, 202, 299, 301, 302, 305, 380, 400, 401, 403, 404, 405, 407, 408, 415, 420,
            422, 423, 480, 481, 482, 486, 487, 488, 491, 493, 500, 501, 503, 504, 600, 603, 606, 699)  # fmt: skip
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
PAUSES = (0.0, 0.1, 0.6, 4.1, 10.0, 33.0, 45.0, 95.0, 200.0, 700.0)
TYPES = ("", "Content-Type: application/sdp\r\n")
MOST_STEPS = 24
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


# Steps


class Reader:
    """The octets of one input."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0

    def octet(self) -> int:
        self.at += 1
        return self.data[self.at - 1] if self.at <= len(self.data) else 0

    def octets(self, count: int) -> bytes:
        self.at += count
        return self.data[self.at - count : self.at]

    @property
    def more(self) -> bool:
        return self.at < len(self.data)


def raw(bench: Bench, reader: Reader) -> None:
    """Octets as they are, but for the marks."""
    size = reader.octet() | (reader.octet() & 3) << 8
    bench.put(bench.fill(reader.octets(size)))


def ask(bench: Bench, reader: Reader) -> None:
    """A request: method, flags, CSeq, headers, body, and a header of the input's own."""
    method, flags, step = METHODS[reader.octet() % len(METHODS)], reader.octet(), reader.octet()
    extra, kind = EXTRAS[reader.octet() % len(EXTRAS)], reader.octet()
    body = BODIES[kind % len(BODIES)]
    own = reader.octets(reader.octet() & 31) if flags & 64 else b""
    bench.branches += 1
    data = bench.request(
        method,
        extra + TYPES[kind >> 7] + own.decode("latin-1") + ("\r\n" if own else ""),
        body,
        tag=("", bench.known[OUR_TAG], "wrong", bench.known[OUR_TAG])[flags & 3],
        peer=("peer", "peer", "other", "peer")[flags >> 2 & 3],
        number=max(0, NUMBER + step - 16) if step < 250 else 2**32 - 256 + step,
        branch=("z9hG4bKpeer", f"z9hG4bK{bench.branches}", f"z9hG4bK{bench.branches}", "old")[flags >> 4 & 3],
    )
    bench.put(data)


def reply(bench: Bench, reader: Reader) -> None:
    """A response to one of the agent's requests."""
    status, which, flags = STATUSES[reader.octet() % len(STATUSES)], reader.octet(), reader.octet()
    extra, kind = EXTRAS[reader.octet() % len(EXTRAS)], reader.octet()
    request = bench.requests(which)
    if request is not None:
        tag = ("peer", "", "other", f"fork{flags >> 4}")[flags & 3]
        bench.put(bench.respond(request, status, extra + TYPES[kind >> 7], BODIES[kind % len(BODIES)], tag))


def wait(bench: Bench, reader: Reader) -> None:
    bench.wait(PAUSES[reader.octet() % len(PAUSES)])


def want(bench: Bench, reader: Reader) -> None:
    """What an owner can ask for; that it does not fit the state is no finding."""
    choice, detail = reader.octet(), reader.octet()
    body = BODIES[1 + detail % 3]
    agent, now = bench.agent, bench.now
    session = bench.sessions[-1 - (detail >> 6) % len(bench.sessions)] if bench.sessions else "none"
    key = bench.asked[-1] if bench.asked else "none"
    contact = None if bench.phone else OWNER
    wishes: tuple[Callable[[], object], ...] = (
        lambda: agent.ring(session, now, contact=contact),
        lambda: agent.ring(session, now, status=183, body=body, contact=contact),
        lambda: agent.accept(session, body, now, contact=contact),
        lambda: agent.reject(session, 300 + detail, now),
        lambda: agent.hangup(session, now),
        lambda: agent.reinvite(session, body if detail & 4 else None, now),
        lambda: agent.update(session, now, offer=body if detail & 4 else None),
        lambda: agent.answer(session, body, now),
        lambda: agent.refuse(session, 488, now),
        lambda: agent.info(session, "application/dtmf-relay", BODIES[5], now),
        lambda: agent.options(session, now),
        lambda: agent.respond(key, 200 + detail, now),
        bench.dial,
        lambda: agent.register(now),
        lambda: agent.stop(now),
        lambda: agent.start(now),
        lambda: agent.snapshot(now),
        lambda: agent.session(session),
        lambda: agent.refer(session, "sip:x@h", now),
        lambda: agent.refer(session, None, now, replaces=bench.sessions[0] if bench.sessions else "none"),
        lambda: agent.notify(session, None if detail & 1 else NUMBER + 1, 100 + detail, now),
    )
    try:
        wishes[choice % len(wishes)]()
    except StateError:
        pass
    bench.drain()


def happen(bench: Bench, reader: Reader) -> None:
    """What a transport tells."""
    flow = bench.flow
    given = (
        FlowClosed(flow, "x"),
        FlowOpened(flow, "192.0.2.2:4000", "192.0.2.1:5066"),
        FlowAlive(flow),
        FlowFailed(flow, "x"),
        FlowClosed("unknown", "x"),
    )
    bench.give(given[reader.octet() % len(given)])


def repeat(bench: Bench, reader: Reader) -> None:
    """A message that came already comes again."""
    if bench.received:
        bench.put(bench.received[-1 - reader.octet() % len(bench.received)])


STEPS: tuple[Callable[[Bench, Reader], None], ...] = (raw, ask, reply, wait, want, happen, repeat, ask)


def agent(data: bytes) -> None:
    """One input. What costs much is done for every fourth."""
    run(data, strict=len(data) % 4 == 0, finishing=len(data) % 4 == 1)


def check(data: bytes) -> None:
    """One input, and every check there is."""
    run(data, strict=True, finishing=True)


def run(data: bytes, *, strict: bool, finishing: bool) -> None:
    if not data:
        return
    bench = STATES[data[0] % len(STATES)]()
    bench.strict = strict
    reader = Reader(data[1:])
    steps = 0
    while reader.more and steps < MOST_STEPS:
        steps += 1
        STEPS[reader.octet() % len(STEPS)](bench, reader)
    if finishing:
        finish(bench)


def finish(bench: Bench) -> None:
    """The peer is gone and the owner leaves: nothing may stay."""
    bench.give(FlowClosed(bench.flow, "gone"))
    for session in bench.agent.sessions():
        try:
            bench.agent.hangup(session, bench.now)
        except StateError:
            continue
    bench.drain()
    if bench.phone:
        bench.agent.stop(bench.now)
        bench.drain()
    bench.wait(1000.0)
    assert not bench.agent.sessions(), "a session stays"
    assert len(bench.agent) == 0, "a machine stays"
    assert len(bench.timers) == 0, "a timer stays"


def seeds() -> Iterator[bytes]:
    """Every state with steps of every kind."""
    for state in range(len(STATES)):
        yield bytes([state])
        for method in range(len(METHODS)):
            yield bytes([state, 1, method, 0x11, 17, (method + state) % len(EXTRAS), 0x81, 3, 5, 4, 4, 0])
        for status in range(len(STATUSES)):
            yield bytes([state, 2, status, 0, 0, (status + state) % len(EXTRAS), 0x81, 3, 2, 2, 5, 0, 0, 2, 0x81])
        for wish in range(21):
            yield bytes([state, 4, wish, 1, 3, 2, 2, 5, 0, 0, 2, 0x81, 4, (wish + 4) % 21, 6, 5, wish % 5])
        text = b"INFO \x06 SIP/2.0\r\nVia: SIP/2.0/WS h;branch=z9hG4bKq\r\nFrom: <sip:a@b>;tag=\x03\r\n"
        text += b"To: <sip:c@d>;tag=\x02\r\nCall-ID: \x01\r\nCSeq: 200 INFO\r\n\r\n"
        yield bytes([state, 0, len(text) & 255, len(text) >> 8]) + text
