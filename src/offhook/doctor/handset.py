"""A phone that is led step by step: the user agent and a media engine, with everything that happened to it on record.

It does nothing by itself but what SIP demands: it answers offers and requests of its peer, and rings and answers calls
when it is told to. Used on one loop.
"""

from __future__ import annotations

import asyncio
import itertools
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from typing import TYPE_CHECKING, Any, TypeVar, get_args

from offhook.clock import Now, Timers
from offhook.cti import words
from offhook.doctor.leg import LISTENED_FRAMES, Leg, Line
from offhook.driver import Driver, SystemIds, system_now
from offhook.errors import MediaError, ParseError, StateError
from offhook.media.engine import (
    ApplyAnswer,
    CloseMedia,
    CreateAnswer,
    CreateOffer,
    DigitReceived,
    Direction,
    EngineEvent,
    EngineFailed,
    FrameSink,
    GetStats,
    MediaEngine,
    SetSink,
    SetSource,
    Stats,
    Tone,
)
from offhook.sip.account import Account
from offhook.sip.events import (
    AnswerReceived,
    Established,
    InviteReceived,
    OfferReceived,
    Progress,
    Registered,
    RegistrationFailed,
    Renegotiated,
    RenegotiationFailed,
    RequestAnswered,
    RequestReceived,
    ServerLost,
    ServerReached,
    SessionEnded,
    SipEvent,
    Unregistered,
)
from offhook.sip.fields import Address, Replaces
from offhook.sip.flow import FlowFailed, FlowInput, FlowOpened, FlowOutput, OpenFlow
from offhook.sip.message import Request, Response
from offhook.sip.parser import parse_message
from offhook.sip.uri import Uri
from offhook.sip.user_agent import UserAgent
from offhook.transport.base import Trace
from offhook.transport.clients import ClientTransport

if TYPE_CHECKING:
    from offhook.media.engine import Frame

ENGINE_SECONDS = 10.0
KEPT_MESSAGES = 2_000
UNSETTLED_FRAMES = 20
"""So many before them are not: what was under way when listening began."""
LISTEN_SECONDS = 3.0
"""In which they have to come."""
STRANGER_FLOW = "stranger"

Event = TypeVar("Event")


class _Look:
    """Given to the driver: there are outputs to look at."""


class _Node:
    """A user agent as the driver's node."""

    def __init__(self, agent: UserAgent, note: Callable[[FlowInput], None]) -> None:
        self.agent = agent
        self.timers = agent.timers
        self._note = note

    def receive(self, given: FlowInput | _Look, now: Now) -> None:
        if not isinstance(given, _Look):
            self.agent.receive(given, now)
            self._note(given)

    def outputs(self) -> list[Any]:
        return list(self.agent.outputs())


class Handset:
    """See the module. `engine` is its own from now on."""

    def __init__(self, line: Line, engine: MediaEngine, trace: Trace | None = None) -> None:
        self.line = line
        self.events: list[SipEvent | FlowInput] = []
        self.digits: list[str] = []
        """What came as telephone-events."""
        self.wire: deque[tuple[bool, bytes]] = deque(maxlen=KEPT_MESSAGES)
        """Every message, the newest last; whether we sent it."""
        self.legs: dict[str, Leg] = {}
        account = Account(line.user, line.domain, line.password, line.servers, realm=line.realm)
        self.agent = UserAgent(None if line.stranger else account, timers=Timers(), ids=SystemIds())
        self._trace = trace
        self._engine = engine
        self._serial = itertools.count()
        self._asked: dict[str, asyncio.Future[EngineEvent]] = {}
        self._news = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._transport = ClientTransport(
            lambda given: self._driver.put(given),
            insecure_tls=line.insecure_tls,
            ca_file=line.ca_file,
            trace=self._traced,
        )
        ports: dict[type, Callable[[Any], None]] = dict.fromkeys(get_args(FlowOutput), self._transport.perform)
        ports |= dict.fromkeys(get_args(SipEvent), self._happened)
        self._driver = Driver(_Node(self.agent, self._flow_news), ports)

    # The way to the server

    async def connect(self, *, register: bool = True, timeout: float = 12.0) -> SipEvent | FlowInput | None:
        """Connect and, where told so, register; gives what came of it, None where nothing did."""
        self._engine.start(self._engine_event)
        self._driver.start()
        if self.line.stranger:
            self._transport.perform(OpenFlow(STRANGER_FLOW, self.line.servers[0]))
            return await self.wait((FlowOpened, FlowFailed), timeout)
        self.agent.start(system_now(), register=register)
        self._look()
        # A lost server is tried again, for ever; once is enough to know.
        if register:
            return await self.wait((Registered, RegistrationFailed, ServerLost), timeout)
        return await self.wait((ServerReached, ServerLost), timeout)

    async def register_again(self) -> SipEvent | None:
        """Register once more; what came of it."""
        mark = len(self.events)
        self.agent.register(system_now())
        self._look()
        return await self.wait((Registered, RegistrationFailed), 8.0, since=mark)

    async def close(self) -> None:
        """End all calls, un-register, free everything; within 4 s or so. Can be called again."""
        await self.clear()
        if self.agent.registered:
            self.agent.stop(system_now())
            self._look()
            await self.wait((Unregistered,), 2.0)
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        await self._transport.close()
        await self._driver.stop()
        await self._engine.close()

    async def clear(self) -> None:
        """End all calls; within 2 s."""
        for id in self.agent.sessions():
            self._hang_up(id)
        await self.until(lambda: not self.agent.sessions(), 2.0)

    # Calls

    async def dial(
        self,
        number: str,
        *,
        headers: Sequence[tuple[str, str]] = (),
        direction: Direction = Direction.SENDRECV,
        video: Direction | None = None,
        shown: str | None = None,
    ) -> Leg:
        """Call a number of the domain. `shown`: who From says that it is. Raises MediaError."""
        leg = self._new_leg(SystemIds().token(64))
        offer = await self._ask(CreateOffer(self._id(), leg.session, direction, video))
        here = self.line.domain
        from_ = Address(None, Uri.sip(shown, here)) if shown else None
        contact = None
        if self.line.stranger:
            from_ = from_ or Address(None, Uri.sip(self.line.user, here))
            contact = Address(None, Uri.parse(f"sip:{self.line.user}@stranger.invalid;transport=ws"))
        self.agent.invite(
            str(Uri.sip(number, here)),
            offer.sdp,
            system_now(),
            session=leg.session,
            headers=tuple(headers),
            flow=STRANGER_FLOW if self.line.stranger else None,
            from_=from_,
            contact=contact,
        )
        leg.call_id = self.agent.session(leg.session).call_id
        self._look()
        return leg

    async def call(self, number: str, timeout: float = 10.0, **options: Any) -> Leg:
        """Call a number and wait until the call is up or refused; a call that is neither is given up."""
        leg = await self.dial(number, **options)
        await self.decided(leg, timeout)
        return leg

    async def decided(self, leg: Leg, timeout: float = 10.0) -> bool:
        """Wait until the call is up or over; whether it is up. One that is neither by then is given up."""
        await self.until(lambda: leg.up or leg.end is not None, timeout)
        if not leg.up and leg.end is None:
            self._hang_up(leg.session)
        return leg.up and leg.end is None

    async def rings(self, timeout: float = 8.0, *, known: Sequence[Leg] = ()) -> Leg | None:
        """The call that comes in, or the next after those that are known; None where none does."""

        def new() -> Leg | None:
            fits = (leg for leg in self.legs.values() if leg.request is not None and leg.end is None and not leg.up)
            return next((leg for leg in fits if leg not in known), None)

        await self.until(lambda: new() is not None, timeout)
        return new()

    def ring(self, leg: Leg) -> None:
        self.agent.ring(leg.session, system_now())
        self._look()

    async def answer(self, leg: Leg) -> None:
        """Take a call, and wait until it is up. Raises MediaError."""
        assert leg.offer is not None
        answer = await self._ask(CreateAnswer(self._id(), leg.session, leg.offer))
        if leg.end is None:
            self.agent.accept(leg.session, answer.sdp, system_now())
            self._look()
            await self.until(lambda: leg.up or leg.end is not None, 5.0)

    async def reinvite(self, leg: Leg, direction: Direction) -> Renegotiated | RenegotiationFailed | None:
        """Hold, retrieve, or a new direction; None where no answer came. Raises MediaError, StateError."""
        offer = await self._ask(CreateOffer(self._id(), leg.session, direction))
        mark = len(self.events)
        self.agent.reinvite(leg.session, offer.sdp, system_now())
        self._look()

        def fits(event: object) -> bool:
            return getattr(event, "session", None) == leg.session

        return await self.wait((Renegotiated, RenegotiationFailed), 6.0, since=mark, fits=fits)

    async def hang_up(self, leg: Leg) -> None:
        """End a call, and wait until it is over."""
        self._hang_up(leg.session)
        await self.until(lambda: leg.end is not None, 3.0)

    async def ask(self, leg: Leg, content_type: str, body: str, timeout: float = 5.0) -> RequestAnswered | None:
        """INFO in a call; its answer. Raises StateError where the call is over."""
        mark = len(self.events)
        id = self.agent.info(leg.session, content_type, body, system_now())
        self._look()
        return await self._answered(id, mark, timeout)

    async def request(self, method: str, target: str, timeout: float = 5.0, **more: Any) -> RequestAnswered | None:
        """A request outside of calls; its answer."""
        mark = len(self.events)
        id = self.agent.request(method, target, system_now(), **more)
        self._look()
        return await self._answered(id, mark, timeout)

    def refer(self, leg: Leg, number: str | None, *, replaces: Leg | Replaces | None = None) -> str:
        """Ask for a transfer to a number, or to a `sip:` URI as it stands; gives the id of what is told of it."""
        target = number if number is None or number.startswith("sip:") else str(Uri.sip(number, self.line.domain))
        other = replaces.session if isinstance(replaces, Leg) else replaces
        id = self.agent.refer(leg.session, target, system_now(), replaces=other)
        self._look()
        return id

    async def say(self, leg: Leg, event: str, timeout: float = 5.0, **fields: Any) -> words.Word | None:
        """A word of dialect `freeswitch`, and the word that has its id; None where none comes."""
        id = SystemIds().token(64)
        mark = len(self.events)
        self.agent.info(leg.session, words.CONTENT_TYPE, words.Ask(event, id, fields).text(), system_now())
        self._look()
        return await self.word(lambda word: word.id == id, timeout, since=mark)

    async def word(
        self, fits: Callable[[words.Word], bool], timeout: float = 5.0, *, since: int = 0
    ) -> words.Word | None:
        """The first word of the server that fits, after that many events."""

        def first() -> words.Word | None:
            for event in self.events[since:]:
                if isinstance(event, RequestReceived) and event.request.is_of(words.CONTENT_TYPE):
                    word = words.read(event.request.body)
                    if word is not None and fits(word):
                        return word
            return None

        await self.until(lambda: first() is not None, timeout)
        return first()

    # Audio

    async def listen(self, leg: Leg) -> list[Frame]:
        """What is heard from now on: 0.8 s of it, less (or nothing) where not enough comes in time."""
        begin = leg.heard + UNSETTLED_FRAMES
        await self.until(lambda: leg.heard >= begin + LISTENED_FRAMES or leg.end is not None, LISTEN_SECONDS)
        return list(leg.frames)[-max(0, leg.heard - begin) :] if leg.heard > begin else []

    async def stats(self, leg: Leg) -> Stats:
        """Raises MediaError."""
        found: Stats = await self._ask(GetStats(self._id(), leg.session))
        return found

    # What happened

    async def wait(
        self,
        kinds: tuple[type[Event], ...],
        timeout: float,
        *,
        since: int = 0,
        fits: Callable[[Any], bool] = lambda event: True,
    ) -> Event | None:
        """The first event of these kinds after `since` of them; None where none comes."""

        def first() -> Event | None:
            return next((event for event in self.events[since:] if isinstance(event, kinds) and fits(event)), None)

        await self.until(lambda: first() is not None, timeout)
        return first()

    async def until(self, holds: Callable[[], bool], timeout: float) -> bool:
        """Wait until something holds, which is looked at whenever there is news; whether it does."""
        try:
            async with asyncio.timeout(timeout):
                while not holds():
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            return holds()
        return True

    def received(self, method: str, status: int | None = None) -> list[Request | Response]:
        """The messages that came: responses to a method, or (without a status) requests."""
        found: list[Request | Response] = []
        for sent, data in self.wire:
            if sent:
                continue
            try:
                message = parse_message(data)
            except ParseError:
                continue
            if isinstance(message, Request):
                if status is None and message.method == method:
                    found.append(message)
            elif message.status == status and message.cseq.method == method:
                found.append(message)
        return found

    # Inside

    def _id(self) -> str:
        return f"e{next(self._serial)}"

    def _look(self) -> None:
        self._driver.put(_Look())

    def _tell(self) -> None:
        self._news.set()

    def _hang_up(self, session: str) -> None:
        try:
            self.agent.hangup(session, system_now())
        except StateError:
            return  # it is over, or ends already
        self._look()

    async def _answered(self, id: str, mark: int, timeout: float) -> RequestAnswered | None:
        return await self.wait((RequestAnswered,), timeout, since=mark, fits=lambda event: event.id == id)

    def _new_leg(self, session: str) -> Leg:
        leg = self.legs[session] = Leg(session)

        def sink(frame: Frame) -> None:
            leg.frames.append(frame)
            leg.heard += 1
            self._tell()

        self._engine.perform(SetSource(session, Tone(self.line.hz)))
        self._engine.perform(SetSink(session, FrameSink(sink)))
        return leg

    async def _ask(self, request: Any) -> Any:
        future: asyncio.Future[EngineEvent] = asyncio.get_running_loop().create_future()
        self._asked[request.id] = future
        self._engine.perform(request)
        try:
            event = await asyncio.wait_for(future, ENGINE_SECONDS)
        except TimeoutError:
            raise MediaError("the media engine does not answer") from None
        finally:
            self._asked.pop(request.id, None)
        if isinstance(event, EngineFailed):
            raise MediaError(f"{event.detail} ({event.code})")
        return event

    def _engine_event(self, event: EngineEvent) -> None:
        future = self._asked.get(getattr(event, "id", ""))
        if future is not None and not future.done():
            future.set_result(event)
        elif isinstance(event, DigitReceived):
            self.digits.append(event.digit)
        self._tell()

    def _traced(self, flow: str, sent: bool, data: bytes) -> None:
        self.wire.append((sent, data))
        if self._trace is not None:
            self._trace(self.line.user, sent, data)

    def _flow_news(self, given: FlowInput) -> None:
        if self.line.stranger and isinstance(given, FlowOpened | FlowFailed):
            self.events.append(given)
            self._tell()

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _happened(self, event: SipEvent) -> None:
        self.events.append(event)
        leg = self.legs.get(getattr(event, "session", None) or "")
        match event:
            case InviteReceived(session, request, offer):
                made = self._new_leg(session)
                made.request, made.offer, made.call_id = request, offer, request.call_id
            case Progress(_, _, response) if leg is not None:
                leg.progress.append(response)
            case Established(_, response) if leg is not None:
                leg.up, leg.response = True, response
            case AnswerReceived(_, answer) if leg is not None:
                self._begin(self._apply(leg, answer))
            case OfferReceived(_, offer) if leg is not None:
                self._begin(self._reply(leg, offer))
            case SessionEnded() if leg is not None:
                leg.end = event
                self._engine.perform(CloseMedia(leg.session))
        self._tell()

    async def _apply(self, leg: Leg, answer: str) -> None:
        try:
            await self._ask(ApplyAnswer(self._id(), leg.session, answer))
        except MediaError as error:
            if leg.end is None:  # else the engine has closed it
                leg.fault = str(error)
        self._tell()

    async def _reply(self, leg: Leg, offer: str | None) -> None:
        try:
            id, media = self._id(), leg.session
            made = await self._ask(CreateOffer(id, media) if offer is None else CreateAnswer(id, media, offer))
            self.agent.answer(leg.session, made.sdp, system_now())
        except (MediaError, StateError) as error:
            if leg.end is None:
                leg.fault = str(error)
                try:
                    self.agent.refuse(leg.session, 488, system_now())
                except StateError:
                    pass  # the offer was withdrawn
        self._look()
