"""Whatever comes, in whatever order: no exception, no machine that hangs, no timer left when all is over.

Hypothesis draws the course of things for two user agents on a network that loses, doubles and reorders, and for one
that faces a peer who sends anything. The same examples each time; OFFHOOK_EXAMPLES=20000 runs that many fresh ones.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from offhook.clock import Now, Timers
from offhook.errors import StateError
from offhook.sip.events import InviteReceived, RequestAnswered, RequestReceived, SessionEnded
from offhook.sip.fields import Address
from offhook.sip.flow import CloseFlow, FlowAlive, FlowClosed, FlowOpened, FlowReceived, OpenFlow, Probe, Send
from offhook.sip.message import Request
from offhook.sip.parser import parse_message
from offhook.sip.style import Style
from offhook.sip.user_agent import Account, UserAgent
from offhook.testing.clock import SeededIds, VirtualClock

EXAMPLES = int(os.environ.get("OFFHOOK_EXAMPLES", "0"))
bounded = settings(
    max_examples=EXAMPLES or 300,
    derandomize=not EXAMPLES,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)

MOST_MESSAGES = 3000
"""More than so many in one example are a storm."""
SDP = "v=0\r\no=- {} {} IN IP4 192.0.2.1\r\ns=-\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n"
NAMES = ("a", "b")


class Side:
    """One of the two, and what it has told its owner."""

    def __init__(self, world: World, name: str, agent: UserAgent) -> None:
        self.world = world
        self.name = name
        self.agent = agent
        self.flow: str | None = None
        self.sessions: list[str] = []
        self.ended: set[str] = set()
        self.asked: list[str] = []
        self.version = 0
        self.numbers: dict[tuple[str, ...], int] = {}
        self.branches: set[str] = set()

    def description(self) -> str:
        """A description; every second one is new."""
        self.version += 1
        return SDP.format(NAMES.index(self.name), self.version // 2)

    def session(self, which: int) -> str:
        return self.sessions[which % len(self.sessions)] if self.sessions else "none"

    def hear(self, event: object) -> None:
        # The outcome of a request is told in any case: its sender waits for it.
        session = None if isinstance(event, RequestAnswered) else getattr(event, "session", None)
        assert session not in self.ended, f"{type(event).__name__} comes after the last word of a session"
        if isinstance(event, InviteReceived):
            self.sessions.append(event.session)
        elif isinstance(event, SessionEnded):
            self.ended.add(event.session)
        elif isinstance(event, RequestReceived) and not event.answered:
            self.asked.append(event.key)

    def check(self, data: bytes) -> None:
        """A message that leaves is one that can be read, and new requests are numbered as they should be."""
        message = parse_message(data)
        message.validate()
        if not isinstance(message, Request) or message.method in ("ACK", "CANCEL"):
            return
        branch = message.via.branch or ""
        assert branch.startswith("z9hG4bK")
        if branch in self.branches:
            return
        self.branches.add(branch)
        dialog = (message.call_id, message.from_.tag or "", message.to.tag or "")
        number = message.cseq.number
        assert number > self.numbers.get(dialog, 0), "a CSeq does not rise"
        self.numbers[dialog] = number


class World:
    """Two user agents, the messages between them, and time. `phone`: one of them has an account at the other."""

    def __init__(self, *, phone: bool, transport: str, reliable: bool, options: bool) -> None:
        self.clock = VirtualClock()
        self.timers = Timers()
        self.phone = phone
        self.messages = 0
        self.flying: list[tuple[Side, bytes]] = []
        style = Style(refresher=options, trying=options, transport=transport, reliable=reliable)
        account = Account("1000", "example.org", "secret", ("ws://pbx",))
        first = UserAgent(account if phone else None, timers=self.timers, ids=SeededIds(1), style=style, name="a")
        passed = frozenset({"REGISTER", "REFER"})
        other = UserAgent(None, timers=self.timers, ids=SeededIds(2), style=style, name="b", pass_up=passed)
        self.a, self.b = Side(self, "a", first), Side(self, "b", other)
        if phone:
            first.start(self.now)
            self.settle()
        else:
            self.open("a1")

    @property
    def now(self) -> Now:
        return self.clock.now()

    @property
    def sides(self) -> tuple[Side, Side]:
        return self.a, self.b

    def open(self, flow: str) -> None:
        for side, name in ((self.b, f"b-{flow}"), (self.a, flow)):
            side.flow = name
            side.agent.receive(FlowOpened(name, "192.0.2.1:5060", "192.0.2.2:5060"), self.now)

    def cut(self) -> None:
        """The connection breaks, with all that is on it."""
        self.flying.clear()
        for side in self.sides:
            if side.flow is not None:
                gone, side.flow = side.flow, None
                side.agent.receive(FlowClosed(gone, "cut"), self.now)

    def drain(self) -> None:
        busy = True
        while busy:
            busy = False
            for side in self.sides:
                for output in side.agent.outputs():
                    busy = True
                    self.perform(side, output)

    def perform(self, side: Side, output: object) -> None:
        match output:
            case Send(flow, data):
                side.check(data)
                self.messages += 1
                assert self.messages < MOST_MESSAGES, "a storm"
                if flow == side.flow:
                    self.flying.append((self.b if side is self.a else self.a, data))
            case OpenFlow(flow):
                self.open(flow)
            case CloseFlow(flow):
                if flow == side.flow:
                    self.cut()
            case Probe(flow):
                if flow == side.flow:
                    side.agent.receive(FlowAlive(flow), self.now)
            case _:
                side.hear(output)
                if isinstance(output, RequestReceived) and output.request.method == "REGISTER":
                    contact = output.request.headers.get("Contact") or ""
                    self.want(lambda: side.agent.respond(output.key, 200, self.now, headers=(("Contact", contact),)))

    def want(self, act: Callable[[], object]) -> None:
        """What an owner asks for; it is told where that does not fit."""
        try:
            act()
        except StateError:
            pass

    def deliver(self, at: int, *, keep: bool = False) -> None:
        """One of the messages that are on their way arrives; with `keep` it will come again."""
        if self.flying:
            at %= len(self.flying)
            side, data = self.flying[at]
            if not keep:
                del self.flying[at]
            if side.flow is not None:
                side.agent.receive(FlowReceived(side.flow, data), self.now)
            self.drain()

    def settle(self) -> None:
        """All that is on its way arrives, in order."""
        self.drain()
        while self.flying:
            self.deliver(0)

    def wait(self, seconds: float, *, arrive: bool) -> None:
        self.clock.run(self.timers, self.now.monotonic + seconds, self.settle if arrive else self.drain)

    def finish(self) -> None:
        """The owners want no more, and the network is good again."""
        self.settle()
        for side in self.sides:
            for session in side.agent.sessions():
                self.want(lambda side=side, session=session: side.agent.hangup(session, self.now))  # type: ignore[misc]
        self.wait(50, arrive=True)
        self.wait(1000, arrive=True)
        if self.phone:
            self.a.agent.stop(self.now)
            self.wait(50, arrive=True)
        for side in self.sides:
            assert side.agent.sessions() == [], "a session stays"
            assert set(side.sessions) == side.ended, "a session had no end"
            assert len(side.agent) == 0, "a machine stays"
        assert len(self.timers) == 0, "a timer stays"


PEER = Address.parse("<sip:peer@192.0.2.9>")


def dial(world: World, side: Side, which: int) -> None:
    offer = side.description() if which % 4 else None
    more: dict[str, Any] = {} if world.phone and side is world.a else {"from_": PEER, "contact": PEER}
    headers = (("Supported", "timer"), ("Session-Expires", "90")) if which % 3 else ()
    if side.flow is not None:
        session = side.agent.invite("sip:1000@peer.invalid", offer, world.now, flow=side.flow, headers=headers, **more)
        side.sessions.append(session)


def contact(world: World, side: Side) -> Address | None:
    return None if world.phone and side is world.a else PEER


OWNER: tuple[Callable[[World, Side, int], object], ...] = (
    dial,
    lambda world, side, which: side.agent.ring(side.session(which), world.now, contact=contact(world, side)),
    lambda world, side, which: side.agent.ring(
        side.session(which), world.now, status=183, body=side.description(), contact=contact(world, side)
    ),
    lambda world, side, which: side.agent.accept(
        side.session(which), side.description(), world.now, contact=contact(world, side)
    ),
    lambda world, side, which: side.agent.accept(
        side.session(which), side.description(), world.now, contact=contact(world, side)
    ),
    lambda world, side, which: side.agent.reject(side.session(which), 486, world.now),
    lambda world, side, which: side.agent.hangup(side.session(which), world.now),
    lambda world, side, which: side.agent.reinvite(
        side.session(which), side.description() if which % 4 else None, world.now
    ),
    lambda world, side, which: side.agent.update(
        side.session(which), world.now, offer=side.description() if which % 4 else None
    ),
    lambda world, side, which: side.agent.answer(side.session(which), side.description(), world.now),
    lambda world, side, which: side.agent.refuse(side.session(which), 488, world.now),
    lambda world, side, which: side.agent.info(side.session(which), "text/plain", "x", world.now),
    lambda world, side, which: side.agent.options(side.session(which), world.now),
    lambda world, side, which: side.agent.snapshot(world.now),
    lambda world, side, which: side.agent.refer(side.session(which), "sip:x@h", world.now),
    lambda world, side, which: side.agent.refer(side.session(which), None, world.now, replaces=side.session(0)),
    lambda world, side, which: side.agent.notify(side.session(which), None, 100 + 50 * which, world.now),
    lambda world, side, which: side.agent.respond(side.asked[-1] if side.asked else "", 202, world.now),
)
PAUSES = (0.1, 0.6, 1.5, 5.0, 33.0, 45.0, 200.0)

numbers = st.integers(0, 15)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("arrive"), numbers),
        st.tuples(st.just("arrive"), st.just(0)),
        st.tuples(st.just("settle"), numbers),
        st.tuples(st.just("double"), numbers),
        st.tuples(st.just("lose"), numbers),
        st.tuples(st.just("wait"), numbers),
        st.tuples(st.just("wait deaf"), numbers),
        st.tuples(st.just("cut"), numbers),
        st.tuples(st.sampled_from(NAMES), st.integers(0, len(OWNER) * 16 - 1)),
        st.tuples(st.sampled_from(NAMES), st.integers(0, len(OWNER) * 16 - 1)),
    ),
    max_size=40,
)


def happen(world: World, what: str, number: int) -> None:
    match what:
        case "arrive":
            world.deliver(number)
        case "double":
            world.deliver(number, keep=True)
        case "settle":
            world.settle()
        case "lose":
            if world.flying:
                del world.flying[number % len(world.flying)]
        case "wait":
            world.wait(PAUSES[number % len(PAUSES)], arrive=True)
        case "wait deaf":
            world.wait(PAUSES[number % len(PAUSES)], arrive=False)
        case "cut":
            if world.phone or number == 0:
                world.cut()
        case _:
            side = world.a if what == "a" else world.b
            act, which = OWNER[number // 16], number % 16
            world.want(lambda: act(world, side, which))
    world.drain()


class TestPairs:
    @bounded
    @given(
        st.booleans(),
        st.sampled_from(("WS", "UDP")),
        st.booleans(),
        st.booleans(),
        st.sampled_from(("", "ringing", "talking")),
        steps,
    )
    def test_any_course_of_things(
        self, phone: bool, transport: str, reliable: bool, options: bool, so_far: str, course: list[tuple[str, int]]
    ) -> None:
        world = World(phone=phone, transport=transport, reliable=reliable, options=options)
        if so_far:
            dial(world, world.b if len(course) % 2 else world.a, 1)
            world.settle()
            called = world.a if len(course) % 2 else world.b
            happen(world, called.name, 16)
            world.settle()
            if so_far == "talking":
                happen(world, called.name, 3 * 16)
                world.settle()
        for what, number in course:
            happen(world, what, number)
        world.finish()


# One user agent and a peer who sends anything: the target of fuzz/, with inputs that hypothesis draws and can shrink.

HOSTILE = importlib.import_module("agent_target")
octet = st.integers(0, 255)
hostile_steps = st.one_of(
    st.tuples(st.just(1), st.integers(0, 15), octet, st.integers(10, 40), st.integers(0, 15), octet),
    st.tuples(st.just(2), st.integers(0, len(HOSTILE.STATUSES) - 1), octet, octet, st.integers(0, 15), octet),
    st.tuples(st.just(3), st.integers(0, 9)),
    st.tuples(st.just(4), st.integers(0, 20), octet),
    st.tuples(st.just(5), st.integers(0, 4)),
    st.tuples(st.just(6), octet),
)
hostile = st.builds(
    lambda state, made, end: bytes([state, *(number for step in made for number in step)]) + b"\3\0" * end,
    st.integers(0, len(HOSTILE.STATES) - 1),
    st.lists(hostile_steps, max_size=12),
    st.integers(0, 1),
)


class TestHostilePeer:
    @bounded
    @given(hostile)
    def test_anything_in_any_order(self, data: bytes) -> None:
        """Read the checks there: no exception, one end for each session, nothing that stays."""
        HOSTILE.check(data)

    @bounded
    @given(st.integers(0, len(HOSTILE.STATES) - 1), st.binary(max_size=400))
    def test_any_octets(self, state: int, octets: bytes) -> None:
        HOSTILE.check(bytes([state, 0, len(octets) & 255, len(octets) >> 8]) + octets)
