"""SIPp as the other side: it plays a scenario of ours over UDP, and says whether all came as the scenario has it."""

from __future__ import annotations

import asyncio
import errno
import re
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, get_args

import pytest

from offhook.clock import Now, Timers
from offhook.driver import Driver, SystemIds
from offhook.sip.events import Established, InviteReceived, ServerReached, SessionEnded, SipEvent
from offhook.sip.flow import FlowInput, FlowOutput
from offhook.sip.style import Style
from offhook.sip.timers import Timing
from offhook.sip.user_agent import Account, UserAgent
from offhook.testing.desk import until
from offhook.transport.udp import UdpTransport

if TYPE_CHECKING:
    from tests.peers.conftest import Program

    Find = Callable[[str], Program]

HERE = Path(__file__).parent
SECONDS = 15
"""The most that a scenario may take."""

FAST = Timing(t1=0.02, t2=0.16, t4=0.08, d=0.3, session_refresh=0.4, session_interval=2, shortest_session=2, leave=0.1)
"""Timers in the RFC's proportions, 25 times as fast."""


def _look(*found: tuple[str, str, str]) -> str:
    """Look into a message: pattern, header, variable that keeps it; what is kept as `must` must be there."""
    lines = ""
    for pattern, header, name in found:
        check = ' check_it="true"' if name == "must" else ""
        lines += f'<ereg regexp="{pattern}" search_in="hdr" header="{header}:"{check} assign_to="{name}"/>'
    return f"<action>{lines}</action>"


def _description(version: int) -> str:
    return (
        "Content-Type: application/sdp\nContent-Length: [len]\n\n"
        f"v=0\no=- 1 {version} IN IP4 127.0.0.1\ns=-\nc=IN IP4 127.0.0.1\nt=0 0\nm=audio 40002 RTP/AVP 0\n"
    )


def _must(pattern: str, header: str) -> str:
    return _look((pattern, header, "must"))


Kind = TypeVar("Kind")

HEADERS = ((".*", "Via", "via"), (".*", "From", "from"), (".*", "To", "to"), (".*", "CSeq", "cseq"))
CONTACT = ("sip:[^>]*", "Contact", "contact")

WORDS = {
    # A request that is answered after other messages have come.
    "KEEP": _look(*HEADERS, CONTACT),
    "KEEP_BYE": _look(*HEADERS),
    "KEEP_CANCEL": _look((".*", "CSeq", "cancel")),
    "KEEP_100REL": _look(*HEADERS, CONTACT, ("100rel", "Supported", "must")),
    # What a message must have.
    "CONTACT": _look(CONTACT),
    "TO_A": _must("tag=a", "To"),
    "TO_B": _must("tag=b", "To"),
    "CSEQ_2": _must("2 INVITE", "CSeq"),
    "CSEQ_5": _must("5 INFO", "CSeq"),
    "RETRY_AFTER": _must("[0-9]+", "Retry-After"),
    "HAS_SDP": _must("application/sdp", "Content-Type"),
    "RACK_7": _must("7 [0-9]+ INVITE", "RAck"),
    "RACK_8": _must("8 [0-9]+ INVITE", "RAck"),
    "RSEQ": _look((".*", "RSeq", "rseq"), CONTACT, ("100rel", "Require", "must")),
    "UAC_REFRESHES": _look(CONTACT, ("2;refresher=uac", "Session-Expires", "must")),
    "UAS_REFRESHES": _look(CONTACT, ("2;refresher=uas", "Session-Expires", "must")),
    # Answers: to what was kept, and to what came last. A tag may follow.
    "ANSWER": "Via:[$via]\nFrom:[$from]\n[last_Call-ID:]\nCSeq:[$cseq]\nTo:[$to]",
    "CANCELLED": "Via:[$via]\nFrom:[$from]\n[last_Call-ID:]\nCSeq:[$cancel]\nTo:[$to]",
    "LAST": "[last_Via:]\n[last_From:]\n[last_To:]\n[last_Call-ID:]\n[last_CSeq:]",
    # Requests: of one whom we have called, and of one who calls us, also before we have answered.
    "HERE": "SIP/2.0/UDP [local_ip]:[local_port]",
    "TO_CALLER": "Max-Forwards: 70\nFrom: <sip:sipp@[local_ip]>;tag=a\nTo:[$from]\nCall-ID: [call_id]",
    "TO_CALLED": (
        "Max-Forwards: 70\nFrom: <sip:sipp@[local_ip]>;tag=c\nTo: <sip:1000@[local_ip]>[peer_tag_param]\n"
        "Call-ID: [call_id]"
    ),
    "TO_CALLED_FIRST": (
        "Max-Forwards: 70\nFrom: <sip:sipp@[local_ip]>;tag=c\nTo: <sip:1000@[local_ip]>\nCall-ID: [call_id]"
    ),
    "REST": "Contact: <sip:sipp@[local_ip]:[local_port]>",
    "SDP": _description(1),
    "SDP_2": _description(2),
    "SDP_3": _description(3),
}
"""What the @NAMES@ in scenarios stand for."""
Do = Callable[[UserAgent, Now], Any]


def description(version: int = 1, direction: str = "sendrecv") -> str:
    """A session description, of a session that is nowhere."""
    return (
        f"v=0\r\no=- 42 {version} IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
        f"m=audio 40000 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\na={direction}\r\n"
    )


def written(name: str) -> str:
    """A scenario as SIPp takes it. Every variable has to be used by something: so it is, at the end."""
    text = re.sub(r"@([A-Z_0-9]+)@", lambda found: WORDS[found[1]], (HERE / f"{name}.xml").read_text())
    names = ",".join(sorted(set(re.findall(r'assign_to="(\w+)"', text))))
    return text.replace("</scenario>", f'  <Reference variables="{names}"/>\n</scenario>') if names else text


class _Node:
    """A user agent as the driver wants it; a function is done in the driver's turn."""

    def __init__(self, agent: UserAgent) -> None:
        self.agent = agent
        self.timers: Timers = agent.timers

    def receive(self, given: FlowInput | Do, now: Now) -> None:
        if callable(given):
            given(self.agent, now)
        else:
            self.agent.receive(given, now)

    def outputs(self) -> list[FlowOutput | SipEvent]:
        return self.agent.outputs()


class Line:
    """Our user agent at one server over UDP, without media and without registration."""

    def __init__(self, server: str, *, timing: Timing = FAST, style: Style | None = None) -> None:
        account = Account("1000", "127.0.0.1", "", (server,))
        self.agent = UserAgent(account, timers=Timers(), ids=SystemIds(), timing=timing, style=style)
        self.heard: list[SipEvent] = []
        self.trace: list[str] = []
        self.port = 0
        self._position = 0
        self._news = asyncio.Event()
        self._node = _Node(self.agent)
        self._transport = UdpTransport(self._deliver, trace=self._traced)
        ports: dict[type, Callable[[Any], None]] = {kind: self._hear for kind in get_args(SipEvent)}
        ports.update({kind: self._transport.perform for kind in get_args(FlowOutput)})
        self._driver = Driver(self._node, ports)

    async def start(self) -> None:
        """Open the flow; `port` is its local one."""
        self._driver.start()
        self.do(lambda agent, now: agent.start(now, register=False))
        await self.expect(ServerReached)
        (flow,) = self._transport.flows
        self.flow = flow

    async def stop(self) -> None:
        self.do(lambda agent, now: agent.stop(now))
        await asyncio.sleep(0)  # the driver has its turn
        await self._driver.stop()
        await self._transport.close()

    def do(self, what: Do) -> None:
        """Have something done with the user agent, in the driver's next turn."""
        self._driver.put(what)

    def _deliver(self, given: FlowInput) -> None:
        local = getattr(given, "local", "")
        if local:
            self.port = int(local.rpartition(":")[2])
        self._driver.put(given)

    def _hear(self, event: SipEvent) -> None:
        self.heard.append(event)
        self._news.set()

    def _traced(self, flow: str, sent: bool, data: bytes) -> None:
        self.trace.append(f"{'->' if sent else '<-'} {data.decode(errors='replace')}")

    async def expect(self, kind: type[Kind], **fields: Any) -> Kind:
        """The next event of that kind with these values; later ones are looked at by the next `expect`."""
        async with asyncio.timeout(SECONDS):
            while True:
                while self._position < len(self.heard):
                    event = self.heard[self._position]
                    self._position += 1
                    if isinstance(event, kind) and all(getattr(event, name) == fields[name] for name in fields):
                        return event
                self._news.clear()
                await self._news.wait()

    def count(self, kind: type) -> int:
        """How many events of that kind there were."""
        return sum(isinstance(event, kind) for event in self.heard)

    def sent(self, start: str) -> int:
        """How many messages that begin like that went out."""
        return sum(message.startswith(f"-> {start}") for message in self.trace)

    async def until_sent(self, start: str, count: int = 1) -> None:
        """Wait until that many messages that begin like that went out."""

        async def enough() -> bool:
            return self.sent(start) >= count

        await until(enough, f"{count} of {start} sent", SECONDS)

    async def until_received(self, text: str) -> None:
        """Wait until a message with that in it has come."""

        async def came() -> bool:
            return any(message.startswith("<- ") and text in message for message in self.trace)

        await until(came, f"a message with {text!r}", SECONDS)

    # What every story needs

    def call(self, **options: Any) -> str:
        """Call SIPp; gives the session's id."""
        self.do(lambda agent, now: agent.invite("sip:sipp@127.0.0.1", description(), now, session="s", **options))
        return "s"

    async def called(self) -> str:
        """Ring as soon as SIPp calls; gives the session's id."""
        session = (await self.expect(InviteReceived)).session
        self.do(lambda agent, now: agent.ring(session, now))
        return session

    async def taken(self) -> str:
        """Ring, answer, and wait for the ACK."""
        session = await self.called()
        self.accept(session)
        await self.expect(Established)
        return session

    def accept(self, session: str) -> None:
        self.do(lambda agent, now: agent.accept(session, description(), now))

    def hang_up(self, session: str) -> None:
        self.do(lambda agent, now: agent.hangup(session, now))

    async def over(self) -> SessionEnded:
        """Wait for the end; it is told once, and then nothing is left of the session."""
        ended = await self.expect(SessionEnded)

        async def nothing_left() -> bool:
            return len(self.agent) == 0

        await until(nothing_left, "no transaction and no session left", SECONDS)
        assert self.count(SessionEnded) == 1
        return ended


class Sipp:
    """One scenario, played by SIPp on a port of its own."""

    def __init__(self, program: Program, folder: Path, name: str) -> None:
        self.name = name
        self._program = program
        self._folder = folder
        self._kept = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._kept.bind(("127.0.0.1", 0))  # until SIPp takes it over
        self.port: int = self._kept.getsockname()[1]
        self._process: asyncio.subprocess.Process | None = None

    async def start(self, remote: int) -> None:
        """Play, towards our port `remote`."""
        scenario = self._folder / f"{self.name}.xml"
        scenario.write_text(written(self.name))
        arguments = ["-sf", str(scenario), "-m", "1", "-i", "127.0.0.1", "-p", str(self.port)]
        arguments += ["-ci", "127.0.0.1", "-mi", "127.0.0.1", "-nostdin", "-timeout", f"{SECONDS}s", "-timeout_error"]
        arguments += ["-trace_err", "-error_file", "errors", "-trace_msg", "-message_file", "messages", "-nd"]
        arguments += ["-default_behaviors", "-bye", "-s", "1000", "-recv_timeout", f"{SECONDS * 1000}"]
        self._kept.close()
        quiet = asyncio.subprocess.DEVNULL
        self._process = await asyncio.create_subprocess_exec(
            self._program.command, *arguments, f"127.0.0.1:{remote}", cwd=self._folder, stdin=quiet, stdout=quiet,
            stderr=quiet,
        )  # fmt: skip

        async def listens() -> bool:
            return self._process is None or self._process.returncode is not None or _taken(self.port)

        await until(listens, "SIPp listens")

    async def done(self) -> None:
        """Wait for the end of the scenario; fails with SIPp's own words where something came otherwise."""
        assert self._process is not None, "start() first"
        status = await asyncio.wait_for(self._process.wait(), SECONDS + 5)
        assert status == 0, f"SIPp ended with status {status}: {self._said('errors')}\n{self._said('messages')}"

    async def end(self) -> None:
        """End it, where it still plays."""
        self._kept.close()
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
            await self._process.wait()

    def _said(self, file: str) -> str:
        path = self._folder / file
        return path.read_text(errors="replace") if path.exists() else ""


def _taken(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            return error.errno == errno.EADDRINUSE
    return False


Play = Callable[..., Awaitable[tuple[Line, Sipp]]]


@pytest.fixture
async def play(find_peer: Find, tmp_path: Path) -> AsyncIterator[Play]:
    """Starts a scenario and a line to it; afterwards both are ended."""
    program = find_peer("sipp")
    async with AsyncExitStack() as stack:

        async def begin(name: str, **options: Any) -> tuple[Line, Sipp]:
            sipp = Sipp(program, tmp_path, name)
            stack.push_async_callback(sipp.end)
            line = Line(f"udp:127.0.0.1:{sipp.port}", **options)
            await line.start()
            stack.push_async_callback(line.stop)
            await sipp.start(line.port)
            return line, sipp

        yield begin
