"""A phone and a server side in one process, under virtual time, over flows that a test may break or make lossy."""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import pytest

from offhook.clock import Now, Timers
from offhook.sip.events import Established, InviteReceived, RequestReceived, SipEvent
from offhook.sip.fields import Address
from offhook.sip.flow import (
    CloseFlow,
    FlowAlive,
    FlowClosed,
    FlowFailed,
    FlowInput,
    FlowOpened,
    FlowOutput,
    FlowReceived,
    OpenFlow,
    Probe,
    Send,
)
from offhook.sip.message import Request, Response
from offhook.sip.parser import parse_message
from offhook.sip.style import Style
from offhook.sip.timers import Timing
from offhook.sip.user_agent import Account, UserAgent
from offhook.testing.clock import SeededIds, VirtualClock

# The targets of fuzz/, which is no package, are tested here too.
sys.path.append(str(Path(__file__).parents[2] / "fuzz"))

E = TypeVar("E")

OFFER = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n"
ANSWER = "v=0\r\no=- 9 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\nm=audio 5000 RTP/AVP 0\r\n"


def sdp(session: int, version: int, direction: str = "sendrecv") -> str:
    """A description; the o= line is made of the two numbers."""
    head = f"v=0\r\no=- {session} {version} IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n"
    return f"{head}m=audio 4000 RTP/AVP 0\r\na={direction}\r\n"


class Net:
    """`phone` has an account; `server` has none and sees each connection of the phone as a flow `s1`, `s2`, ...

    What either tells is in `told`; what went over the wire, in order, in `wire` as (time, from, message).
    """

    OFFER = OFFER
    ANSWER = ANSWER
    sdp = staticmethod(sdp)

    def __init__(
        self,
        *,
        timing: Timing | None = None,
        server_style: Style | None = None,
        phone_style: Style | None = None,
        account: Account | None = None,
        scheme: str = "ws",
        pass_up: frozenset[str] = frozenset({"REGISTER"}),
    ) -> None:
        self.clock = VirtualClock()
        self.timers = Timers()
        self.account = account or Account("1001", "example.org", "secret", (f"{scheme}://pbx",))
        self.scheme = scheme
        transport = scheme.upper()
        self.phone = UserAgent(
            self.account, timers=self.timers, ids=SeededIds(1), timing=timing, style=phone_style, name="p"
        )
        self.server = UserAgent(
            None,
            timers=self.timers,
            ids=SeededIds(2),
            timing=timing,
            style=server_style or Style(refresher=False, transport=transport),
            pass_up=pass_up,
        )
        self.told: dict[str, list[SipEvent]] = {"phone": [], "server": []}
        self.wire: list[tuple[float, str, Request | Response]] = []
        self.probes: list[tuple[float, str]] = []
        self.opens: list[tuple[float, str]] = []
        self.flow: dict[str, str] = {}
        """The phone's flow to the server's, for those that are open."""
        self.seen_as = ""
        """The address from which the phone seems to come, where something translates addresses."""
        self.reachable = True
        self.answers_probes = True
        self.drop: Callable[[str, Request | Response], bool] = lambda who, message: False
        """Whether a message is lost on the way."""
        self.registrar: Callable[[Net, RequestReceived], None] | None = accept_registration
        self._queue: deque[tuple[str, FlowInput]] = deque()
        self._count = 0

    @property
    def now(self) -> Now:
        return self.clock.now()

    def agent(self, who: str) -> UserAgent:
        return self.phone if who == "phone" else self.server

    def connect(self) -> str:
        """Start the phone, register; gives the server's name of the flow."""
        self.phone.start(self.now)
        self.run(0)
        return self.server_flow

    @property
    def server_flow(self) -> str:
        return next(reversed(self.flow.values()))

    def run(self, seconds: float) -> None:
        """Let so much time pass; everything that is due happens at its instant."""
        self.clock.run(self.timers, self.now.monotonic + seconds, self.drain)

    def drain(self) -> None:
        """Perform what is put out until nothing is left to do."""
        busy = True
        while busy:
            busy = False
            for who in ("phone", "server"):
                for output in self.agent(who).outputs():
                    busy = True
                    self._perform(who, output)
            while self._queue:
                busy = True
                who, given = self._queue.popleft()
                self.agent(who).receive(given, self.now)

    def give(self, who: str, given: FlowInput) -> None:
        self._queue.append((who, given))
        self.drain()

    def send_raw(self, who: str, text: str | bytes) -> None:
        """Give an agent a message, as though its peer had sent it on the open flow."""
        data = text if isinstance(text, bytes) else text.replace("\r\n", "\n").replace("\n", "\r\n").encode()
        flow, server = next(reversed(self.flow.items()))
        self.give(who, FlowReceived(flow if who == "phone" else server, data))

    def cut(self) -> None:
        """Break every open flow; both sides learn so."""
        for flow, server in list(self.flow.items()):
            del self.flow[flow]
            self._queue.append(("phone", FlowClosed(flow, "cut")))
            self._queue.append(("server", FlowClosed(server, "cut")))
        self.drain()

    def swallow(self) -> None:
        """From now on nothing gets through, and nobody is told."""
        self.drop = lambda who, message: True
        self.answers_probes = False

    def take(self, who: str, kind: type[E]) -> E:
        """The oldest event of that kind that was told to the owner of an agent; it is taken out."""
        for event in self.told[who]:
            if isinstance(event, kind):
                self.told[who].remove(event)
                return event
        raise AssertionError(f"{who} was told no {kind.__name__}, but {[type(e).__name__ for e in self.told[who]]}")

    def count(self, who: str, kind: type[object]) -> int:
        return sum(isinstance(event, kind) for event in self.told[who])

    def sent(self, who: str) -> list[str]:
        """What an agent sent, as short words: method, or status and method."""
        return [word(message) for _, sender, message in self.wire if sender == who]

    def requests(self, who: str, method: str) -> list[tuple[float, Request]]:
        return [(at, m) for at, w, m in self.wire if w == who and isinstance(m, Request) and m.method == method]

    def responses(self, who: str, method: str) -> list[tuple[float, Response]]:
        return [(at, m) for at, w, m in self.wire if w == who and isinstance(m, Response) and m.cseq.method == method]

    def call_phone(self, *, offer: str | None = OFFER, headers: tuple[tuple[str, str], ...] = ()) -> tuple[str, str]:
        """The server calls the phone; gives the session's id at the server and at the phone."""
        caller = self.server.invite(
            "sip:1001@phone.invalid",
            offer,
            self.now,
            headers=headers,
            flow=self.server_flow,
            from_=Address.parse('"Caller" <sip:1000@example.org>'),
            contact=Address.parse("<sip:pbx@10.0.0.1:5060>"),
        )
        self.drain()
        return caller, self.take("phone", InviteReceived).session

    def call_server(self, *, offer: str | None = OFFER) -> tuple[str, str]:
        """The phone calls the server; gives the session's id at the phone and at the server."""
        caller = self.phone.invite("sip:9196@example.org", offer, self.now)
        self.drain()
        return caller, self.take("server", InviteReceived).session

    def answer_server(self) -> tuple[str, str]:
        """A call of the phone, answered at once."""
        caller, called = self.call_server()
        self.server.accept(called, ANSWER, self.now, contact=Address.parse("<sip:9196@10.0.0.1:5060>"))
        self.drain()
        self.take("phone", Established)
        self.take("server", Established)
        return caller, called

    def answer_phone(self, *, headers: tuple[tuple[str, str], ...] = ()) -> tuple[str, str]:
        """A call to the phone, answered at once."""
        caller, called = self.call_phone(headers=headers)
        self.phone.accept(called, ANSWER, self.now)
        self.drain()
        self.take("phone", Established)
        self.take("server", Established)
        return caller, called

    def assert_clean(self) -> None:
        """Nothing is left behind: no transaction, no session, and no timer but those of connection and registration."""
        self.run(400)
        assert (self.phone.sessions(), self.server.sessions()) == ([], [])
        # Over UDP there is always an OPTIONS that is remembered: the phone asks by it whether the server lives.
        assert self.scheme == "udp" or (len(self.phone), len(self.server)) == (0, 0)
        self.registrar = None
        self.phone.stop(self.now)
        self.run(40)
        assert len(self.timers) == 0
        assert (len(self.phone), len(self.server)) == (0, 0)

    def _perform(self, who: str, output: FlowOutput | SipEvent) -> None:
        match output:
            case OpenFlow(flow, url):
                self._open(flow, url)
            case Send(flow, data):
                self._send(who, flow, data)
            case Probe(flow):
                self.probes.append((self.now.monotonic, flow))
                if flow in self.flow and self.answers_probes:
                    self._queue.append((who, FlowAlive(flow)))
            case CloseFlow(flow):
                server = self.flow.pop(flow, None)
                self._queue.append((who, FlowClosed(flow, "closed")))
                if server is not None:
                    self._queue.append(("server", FlowClosed(server, "closed")))
            case RequestReceived() if who == "server" and output.request.method == "REGISTER" and self.registrar:
                self.registrar(self, output)
            case _:
                self.told[who].append(output)

    def _open(self, flow: str, url: str) -> None:
        self.opens.append((self.now.monotonic, url))
        if not self.reachable:
            self._queue.append(("phone", FlowFailed(flow, "nobody listens there")))
            return
        self._count += 1
        self.flow[flow] = f"s{self._count}"
        local = f"10.0.0.2:{4000 + self._count}"
        self._queue.append(("phone", FlowOpened(flow, local, "10.0.0.1:5066")))
        self._queue.append(("server", FlowOpened(f"s{self._count}", "10.0.0.1:5066", self.seen_as or local)))

    def _send(self, who: str, flow: str, data: bytes) -> None:
        message = parse_message(data)
        assert isinstance(message, Request | Response)
        self.wire.append((self.now.monotonic, who, message))
        if self.drop(who, message):
            return
        if who == "phone":
            other = self.flow.get(flow)
        else:
            other = next((mine for mine, theirs in self.flow.items() if theirs == flow), None)
        if other is not None:
            self._queue.append(("server" if who == "phone" else "phone", FlowReceived(other, data)))


def word(message: Request | Response) -> str:
    return message.method if isinstance(message, Request) else f"{message.status} {message.cseq.method}"


def accept_registration(net: Net, asked: RequestReceived) -> None:
    """A registrar that takes everybody."""
    contact = asked.request.headers.get("Contact") or ""
    left = asked.request.expires == 0
    net.server.respond(asked.key, 200, net.now, headers=() if left else (("Contact", contact),))


@pytest.fixture
def net() -> Net:
    """A phone that is registered at the server."""
    made = Net()
    made.connect()
    return made


@pytest.fixture
def make_net() -> type[Net]:
    return Net
