"""The user agent under fire: octets that stand for messages, lost flows, time, and what its owner wants.

The first octet chooses how far things have come (`STATES`), what follows are steps: one octet says which, a few more
say how. A step with octets of its own puts them on the wire as they are, but that the octets 1 to 6 in them stand for
what a peer would know (Call-ID, tags, a branch of ours), so that mutation finds its way into dialogs.

Findings: any exception, a message of ours that cannot be read, a session that ends twice or not at all, a CSeq that
does not rise, machines or timers that stay. What costs much is looked at in every fourth input only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from agent_bench import BODIES, EXTRAS, NUMBER, OUR_TAG, OWNER, STATES, TYPES, Bench

from offhook.errors import StateError
from offhook.sip.flow import FlowAlive, FlowClosed, FlowFailed, FlowOpened

METHODS = ("INVITE", "ACK", "BYE", "CANCEL", "UPDATE", "INFO", "NOTIFY", "OPTIONS", "MESSAGE", "REFER", "SUBSCRIBE",
           "PRACK", "REGISTER", "PUBLISH", "X", "invite")  # fmt: skip
STATUSES = (100, 180, 183, 181, 199, 200, 202, 299, 301, 302, 305, 380, 400, 401, 403, 404, 405, 407, 408, 415, 420,
            422, 423, 480, 481, 482, 486, 487, 488, 491, 493, 500, 501, 503, 504, 600, 603, 606, 699)  # fmt: skip
PAUSES = (0.0, 0.1, 0.6, 4.1, 10.0, 33.0, 45.0, 95.0, 200.0, 700.0)
MOST_STEPS = 24


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
