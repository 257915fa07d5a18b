"""A switch core on virtual time with the engine that carries nothing, and phones that register at it."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from offhook.clock import Now, Timers
from offhook.media.engine import (
    AnswerCreated,
    ApplyAnswer,
    CreateAnswer,
    CreateOffer,
    Direction,
    EngineEvent,
    EngineFailed,
    EngineRequest,
    OfferCreated,
)
from offhook.media.null import NullEngine
from offhook.sip.events import InviteReceived, OfferReceived, RequestReceived, SessionEnded
from offhook.sip.flow import CloseFlow, FlowAlive, FlowClosed, FlowOpened, FlowReceived, OpenFlow, Probe, Send
from offhook.sip.style import Style
from offhook.sip.uri import Uri
from offhook.sip.user_agent import Account, UserAgent
from offhook.switch.core import SwitchInput, SwitchNode
from offhook.switch.directory import Directory
from offhook.switch.exchange import SwitchEvent
from offhook.switch.wording import SwitchSettings
from offhook.testing.clock import SeededIds, VirtualClock


@dataclass
class Bench:
    """A switch node, its engine and its clock. `sent` takes what the switch sends, as (flow, octets)."""

    clock: VirtualClock = field(default_factory=VirtualClock)
    settings: SwitchSettings = field(default_factory=SwitchSettings)
    listening: str = "127.0.0.1:5066"
    directory: Directory = field(default_factory=Directory.sample)
    node: SwitchNode = field(init=False)
    engine: NullEngine = field(init=False)
    sent: list[tuple[str, bytes]] = field(default_factory=list)
    events: list[SwitchEvent] = field(default_factory=list)
    told: list[EngineEvent] = field(default_factory=list)
    failing: set[Any] = field(default_factory=set)
    """Kinds of requests that the engine fails at from now on."""
    everyone: list[Phone] = field(default_factory=list)
    phones: dict[str, Phone] = field(default_factory=dict)
    """By their connection."""

    def __post_init__(self) -> None:
        self.node = SwitchNode(self.settings, self.directory, ids=SeededIds(1))
        self.engine = (Sighted if self.settings.video else NullEngine)(flavour="freeswitch")
        self.engine.start(self.told.append)

    @property
    def now(self) -> Now:
        return self.clock.now()

    def phone(self, user: str, *, password: str = "1234", style: Style | None = None, transport: str = "WS") -> Phone:
        """A phone that has registered (with a good password)."""
        phone = Phone(self, user, password, style, transport)
        self.everyone.append(phone)
        phone.agent.start(self.now)
        self.drain()
        self.run(0.1)
        return phone

    def open(self, flow: str, remote: str = "127.0.0.1:40000", transport: str = "") -> None:
        self.give(FlowOpened(flow, "127.0.0.1:5060" if transport else self.listening, remote, transport))

    def close(self, flow: str) -> None:
        self.give(FlowClosed(flow, "the peer went away"))

    def receive(self, flow: str, data: bytes) -> None:
        self.give(FlowReceived(flow, data))

    def give(self, given: SwitchInput) -> None:
        self.node.receive(given, self.now)
        self.drain()

    def run(self, seconds: float) -> None:
        """Let time pass."""
        heaps = [self.node.timers, *(phone.timers for phone in self.everyone)]
        self.clock.run(heaps, until=self.now.monotonic + seconds, drain=self.drain)

    def drain(self) -> None:
        """Perform what the switch and the phones want done, until all is quiet."""
        busy = True
        while busy:
            busy = any([phone.drain() for phone in self.everyone])
            for output in self.node.outputs():
                busy = True
                if isinstance(output, Send):
                    self.sent.append((output.flow, output.data))
                    if output.flow in self.phones:
                        self.phones[output.flow].hear(output.data)
                elif isinstance(output, CreateOffer | CreateAnswer | ApplyAnswer) and type(output) in self.failing:
                    self.told.append(EngineFailed(output.id, output.media, "internal", "as the test wants it"))
                elif isinstance(output, EngineRequest):
                    self.engine.perform(output)
                elif isinstance(output, SwitchEvent):
                    self.events.append(output)
            told, self.told[:] = list(self.told), []
            for event in told:
                busy = True
                self.node.receive(event, self.now)

    def performed(self, kind: Any) -> list[Any]:
        """What the engine was asked, of that kind."""
        return [request for request in self.engine.performed if isinstance(request, kind)]

    def heard_by(self, channel: str) -> list[Any]:
        """What that channel was let hear, in order."""
        return [each.source for each in self.engine.performed if each.media == channel and hasattr(each, "source")]

    def channel(self, user: str) -> Any:
        """The only channel of that user."""
        (found,) = [channel for channel in self.node.channels() if channel.user == user]
        return found


class Sighted(NullEngine):
    """Takes wishes for video, of which its descriptions show nothing: what was wished is in `performed`."""

    def _perform(self, request: EngineRequest) -> list[EngineEvent]:
        if isinstance(request, CreateOffer | CreateAnswer):
            request = replace(request, video=None)
        return super()._perform(request)


class Phone:
    """A client of the switch: our own user agent, with an engine that carries nothing."""

    def __init__(self, bench: Bench, user: str, password: str, style: Style | None, transport: str) -> None:
        self.bench = bench
        self.user = user
        self.timers = Timers()
        self.transport = "" if transport == "WS" else transport
        servers = (f"{transport.lower()}:127.0.0.1:5060" if self.transport else "ws://127.0.0.1:5066",)
        account = Account(user, "127.0.0.1", password, servers)
        others = sum(each.user == user for each in bench.everyone)
        self.agent = UserAgent(
            account,
            timers=self.timers,
            ids=SeededIds(int(user) + 10_000 * others),
            style=style,
            name=user + "'" * others,
        )
        self.knows_timers = True
        """False: it does not see that the switch knows session timers."""
        self.events: list[Any] = []
        self.sent: list[bytes] = []
        self.flow = ""
        self._engine = NullEngine()
        self._made: list[EngineEvent] = []
        self._engine.start(self._made.append)

    def drain(self) -> bool:
        outputs = self.agent.outputs()
        for output in outputs:
            if isinstance(output, OpenFlow):
                self.connect(output.flow)
            elif isinstance(output, Send) and output.flow in self.bench.phones:
                self.sent.append(output.data)
                self.bench.node.receive(FlowReceived(output.flow, output.data), self.bench.now)
            elif isinstance(output, Probe):
                self.agent.receive(FlowAlive(output.flow), self.bench.now)
            elif not isinstance(output, CloseFlow | Send):
                self.events.append(output)
        return bool(outputs)

    def connect(self, flow: str) -> None:
        self.flow = flow
        self.bench.phones[flow] = self
        port = 40000 + len(self.bench.phones)
        here, there = "127.0.0.1:5060" if self.transport else "127.0.0.1:5066", f"127.0.0.1:{port}"
        self.bench.node.receive(FlowOpened(flow, here, there, self.transport), self.bench.now)
        self.agent.receive(FlowOpened(flow, there, here), self.bench.now)

    def unplug(self, *, noticed: bool = False) -> None:
        """The connection is lost; the phone itself does not notice unless told so, and then connects again."""
        del self.bench.phones[self.flow]
        self.bench.close(self.flow)
        if noticed:
            self.agent.receive(FlowClosed(self.flow, "cut"), self.bench.now)

    def hear(self, data: bytes) -> None:
        if not self.knows_timers:
            data = data.replace(b"Supported: timer, ", b"Supported: ")
        self.agent.receive(FlowReceived(self.flow, data), self.bench.now)

    def offer(self, direction: Direction = Direction.SENDRECV) -> str:
        self._engine.perform(CreateOffer("x", "media", direction))
        return [each.sdp for each in self._made if isinstance(each, OfferCreated)][-1]

    def answer_to(self, offer: str) -> str:
        self._engine.perform(CreateAnswer("x", "media", offer))
        return [each.sdp for each in self._made if isinstance(each, AnswerCreated)][-1]

    def accept_with(self, more: str) -> str:
        """Answer the last call that came, with more lines in the answer; gives its session."""
        call = self.last(InviteReceived)
        self.agent.accept(call.session, self.answer_to(call.offer) + more, self.bench.now)
        self.bench.drain()
        session: str = call.session
        return session

    def call(self, number: str, headers: Sequence[tuple[str, str]] = (), offer: str | None = None) -> str:
        """Call a number; gives the session."""
        target = str(Uri.sip(number, "127.0.0.1"))
        session = self.agent.invite(target, offer or self.offer(), self.bench.now, headers=headers)
        self.bench.drain()
        return session

    def last(self, kind: Any) -> Any:
        """The last event of that kind."""
        return [event for event in self.events if isinstance(event, kind)][-1]

    def have(self, kind: Any) -> list[Any]:
        return [event for event in self.events if isinstance(event, kind)]

    def ring(self, **more: Any) -> str:
        """Ring for the last call that came; gives its session."""
        session: str = self.last(InviteReceived).session
        self.agent.ring(session, self.bench.now, **more)
        self.bench.drain()
        return session

    def accept(self, headers: Sequence[tuple[str, str]] = ()) -> str:
        """Answer the last call that came; gives its session."""
        call = self.last(InviteReceived)
        self.agent.accept(call.session, self.answer_to(call.offer), self.bench.now, headers=headers)
        self.bench.drain()
        session: str = call.session
        return session

    def reject(self, status: int) -> None:
        self.agent.reject(self.last(InviteReceived).session, status, self.bench.now)
        self.bench.drain()

    def hang_up(self, session: str, headers: Sequence[tuple[str, str]] = ()) -> None:
        self.agent.hangup(session, self.bench.now, headers=headers)
        self.bench.drain()

    def reoffer(self, session: str, direction: Direction) -> None:
        """Hold or retrieve."""
        self.agent.reinvite(session, self.offer(direction), self.bench.now)
        self.bench.drain()

    def take_offer(self) -> None:
        """Answer the re-INVITE that came last."""
        offered = self.last(OfferReceived)
        self.agent.answer(offered.session, self.answer_to(offered.offer), self.bench.now)
        self.bench.drain()

    def press(self, session: str, digit: str) -> None:
        """A digit by INFO."""
        body = f"Signal={digit}\r\nDuration=160\r\n"
        self.agent.info(session, "application/dtmf-relay", body, self.bench.now)
        self.bench.drain()

    def say(self, session: str, event: str, **more: Any) -> None:
        """A word, by INFO; its id is 1 unless given."""
        body = json.dumps({"event": event, "id": "1", **more})
        self.agent.info(session, "application/vnd.offhook+json", body, self.bench.now)
        self.bench.drain()

    @property
    def words(self) -> list[Any]:
        """What the switch has said by INFO."""
        return self._told("INFO", "application/vnd.offhook+json")

    @property
    def messages(self) -> list[Any]:
        """JSON that came by MESSAGE."""
        return self._told("MESSAGE", "text/plain")

    def _told(self, method: str, kind: str) -> list[Any]:
        requests = [each.request for each in self.events if isinstance(each, RequestReceived)]
        return [json.loads(each.text) for each in requests if each.method == method and each.is_of(kind)]

    @property
    def end(self) -> Any:
        """How the last session ended."""
        return self.last(SessionEnded)


@pytest.fixture
def bench() -> Bench:
    return Bench()


@pytest.fixture
def make_bench() -> Callable[..., Bench]:
    return Bench
