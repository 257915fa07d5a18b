"""The media engine `browser`: an agent's audio is in a page; what calls ask of it goes over the page's socket. Pure.

One connection of an agent holds its audio: the one that said so last (`hello`). Requests of the agent's calls go to it
as messages `{"media": {"request": ...}}`, its answers `{"media": {"event": ...}}` become what an engine tells. Nothing
that a page says is taken for more than it is: it is checked by type and length, and answers only what it was asked.

A media session whose page is gone stays, because the call does: what is asked of it then is done by its last
description where that is enough (`descriptions`), and by a new peer connection as soon as a page holds the audio again.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

import msgspec

from offhook.clock import Ids, Now, Timers
from offhook.errors import RemoteError
from offhook.gateway.descriptions import Descriptions
from offhook.gateway.ice import IceSettings
from offhook.gateway.interface import TellPage
from offhook.media.engine import (
    AnswerApplied,
    AnswerCreated,
    ApplyAnswer,
    AudioStats,
    CloseMedia,
    CreateAnswer,
    CreateOffer,
    DigitReceived,
    DigitsSent,
    Direction,
    EngineEvent,
    EngineFailed,
    EngineRequest,
    GetStats,
    MediaConnected,
    MediaLost,
    OfferCreated,
    Rollback,
    SendDigits,
    SetMuted,
    Stats,
    VideoStats,
)

logger = logging.getLogger(__name__)

DEADLINE = 8.0
"""Seconds that a page has for its answer, and what a request adds to it."""
ASKING = 55.0
"""The same where it says that it waits for a person, who is asked for the microphone."""
RESTARTS = 3
"""Paths of one session that may be lost one after the other and are made anew."""
CODES = frozenset({"bad-sdp", "no-common-codec", "no-relay", "closed", "timeout", "unsupported", "device", "internal"})
NO_PAGE = "No page holds the audio of this agent: open the desk and let it use the microphone."
GONE = "The page with the audio is gone."
HERE = "The audio of this gateway is not in pages."
TAKEN_OVER = "taken over"
ELSEWHERE = "held elsewhere"

_MEDIA = re.compile(r'\s*\{\s*"media"\s*:')

Name = Annotated[str, msgspec.Meta(max_length=200)]
Sentence = Annotated[str, msgspec.Meta(max_length=500)]
Count = Annotated[int, msgspec.Meta(ge=0, le=2**53)]
Level = Annotated[float, msgspec.Meta(ge=-1e9, le=1e9)]


class _Hello(msgspec.Struct):
    """This page is to have the agent's audio (or no longer). `media`: sessions that it has already; `polite`: not if
    another page holds it; `page`: its title, for the agent's other pages."""

    audio: bool = True
    video: bool = False
    polite: bool = False
    page: Name = ""
    media: Annotated[list[Name], msgspec.Meta(max_length=64)] = []


class _Audio(msgspec.Struct, rename="camel"):
    codec: Annotated[str, msgspec.Meta(max_length=32)] | None = None
    packets_sent: Count | None = None
    packets_received: Count | None = None
    packets_lost: int | None = None
    jitter_ms: Level | None = None
    round_trip_ms: Level | None = None
    mos: Annotated[float, msgspec.Meta(ge=1, le=4.5)] | None = None
    level_in_db: Level | None = None
    level_out_db: Level | None = None


class _Video(msgspec.Struct, rename="camel"):
    codec: Annotated[str, msgspec.Meta(max_length=32)] = ""
    direction: Direction = Direction.INACTIVE
    connected: bool = False
    frames_sent: Count = 0
    key_frames_sent: Count = 0
    frames_received: Count = 0
    frames_dropped: Count = 0
    freezes: Count = 0
    frozen_ms: Count = 0
    packets_sent: Count = 0
    packets_received: Count = 0
    packets_lost: Count = 0
    key_frames_asked: Count = 0
    width: Annotated[int, msgspec.Meta(ge=0, le=65535)] | None = None
    height: Annotated[int, msgspec.Meta(ge=0, le=65535)] | None = None


class _Said(msgspec.Struct, rename="camel"):
    hello: _Hello | None = None
    event: (
        Literal[
            "offerCreated",
            "answerCreated",
            "answerApplied",
            "digitsSent",
            "stats",
            "failed",
            "asking",
            "connected",
            "lost",
            "digit",
        ]
        | None
    ) = None
    id: Name = ""
    media: Name = ""
    sdp: Annotated[str, msgspec.Meta(max_length=65536)] = ""
    code: Name = ""
    detail: Sentence = ""
    audio: _Audio | None = None
    video: _Video | None = None
    digit: Annotated[str, msgspec.Meta(pattern=r"^[0-9A-D*#]$")] = "0"
    duration_ms: Annotated[int, msgspec.Meta(ge=0, le=60000)] = 0


class _Envelope(msgspec.Struct):
    media: _Said


def is_media(text: str) -> bool:
    """Whether a text of a connection is for the engine, and no command."""
    return _MEDIA.match(text) is not None


Asking = CreateOffer | CreateAnswer | ApplyAnswer | SendDigits | GetStats

_WORDS: dict[type, str] = {
    CreateOffer: "offerCreated",
    CreateAnswer: "answerCreated",
    ApplyAnswer: "answerApplied",
    SendDigits: "digitsSent",
    GetStats: "stats",
}


@dataclass(slots=True, eq=False)
class _Session:
    """A media session of an agent. `page`: the connection whose page has its peer connection; None: none has."""

    media: str
    agent: _Audience
    descriptions: Descriptions
    page: str | None = None
    muted: bool = False
    agreed: bool = False
    """Offer and answer have met: there is something to make anew."""
    stands_in: bool = False
    """The last offer was made without a page."""
    restarts: int = 0


@dataclass(slots=True, eq=False)
class _Audience:
    """An agent as far as its audio goes. `page`: the connection that holds it; `title` and `since` (milliseconds since
    1970) are for the others."""

    extension: str
    page: str | None = None
    title: str = ""
    since: int = 0
    sessions: dict[str, _Session] = field(default_factory=dict)


class PageAudio:
    """The engine of all agents. `deliver` gets what it tells, never within a call of `perform`; `tell` what pages get.

    `renew` is asked to negotiate the named sessions of an agent anew: their media has a page again, but no path.
    """

    def __init__(
        self,
        *,
        timers: Timers,
        ids: Ids,
        ice: IceSettings,
        tell: Callable[[TellPage], None],
        deliver: Callable[[EngineEvent, Now], None],
        renew: Callable[[str, frozenset[str], Now], None],
    ) -> None:
        self._timers = timers
        self._ids = ids
        self._ice = ice
        self._tell = tell
        self._deliver = deliver
        self._renew = renew
        self._agents: dict[str, _Audience] = {}
        self._sessions: dict[str, _Session] = {}
        self._asked: dict[str, tuple[Asking, _Session]] = {}
        self._news: list[EngineEvent] = []
        self._anew: list[tuple[str, frozenset[str]]] = []

    @property
    def sessions(self) -> int:
        """For tests, that nothing stays behind."""
        return len(self._sessions) + len(self._asked)

    def holder(self, extension: str) -> str | None:
        """The connection that holds the audio of an agent."""
        agent = self._agents.get(extension)
        return None if agent is None else agent.page

    # Requests

    def perform(self, extension: str, request: EngineRequest, dialog: str | None, now: Now) -> None:
        """A request of an agent's call; `dialog` is the call's id, for the page to show."""
        session = self._sessions.get(request.media)
        match request:
            case CreateOffer() | CreateAnswer():
                self._create(session or self._open(extension, request.media), request, dialog, now)
            case CloseMedia():
                self._close(session)
            case SetMuted() if session is not None:
                session.muted = request.muted
                self._ask(session, {"request": "setMuted", "muted": request.muted})
            case Rollback() if session is not None:
                session.descriptions.refused()
                if not session.stands_in:
                    self._ask(session, {"request": "rollback"})
                session.stands_in = False
            case ApplyAnswer() | SendDigits() | GetStats() if session is None:
                self._fail(request, "unknown-media", "The page does not know this call.")
            case ApplyAnswer() if session is not None:
                self._apply(session, request, now)
            case SendDigits() if session is not None:
                more = {"digits": request.digits, "durationMs": request.duration_ms, "gapMs": request.gap_ms}
                longer = len(request.digits) * (request.duration_ms + request.gap_ms) / 1000
                self._put(session, request, {"request": "sendDigits", **more}, now, longer)
            case GetStats() if session is not None:
                self._put(session, request, {"request": "getStats"}, now)
            case _:
                return  # sources and sinks are for audio that is here; the rest is of a session that is closed

    def _open(self, extension: str, media: str) -> _Session:
        agent = self._agents.setdefault(extension, _Audience(extension))
        session_id = int(self._ids.fraction() * (1 << 53)) + 1
        session = _Session(media, agent, Descriptions(session_id))
        agent.sessions[media] = self._sessions[media] = session
        return session

    def _create(self, session: _Session, request: CreateOffer | CreateAnswer, dialog: str | None, now: Now) -> None:
        new = session.page is None
        if session.agent.page is None:
            self._stand_in(session, request)
            return
        session.page, session.stands_in = session.agent.page, False
        asked: dict[str, Any] = {
            "request": "createOffer" if isinstance(request, CreateOffer) else "createAnswer",
            "dialogId": dialog,
            "direction": request.direction.value,
            "video": None if request.video is None else request.video.value,
            "kind": request.kind,
            "muted": session.muted,
        }
        if isinstance(request, CreateAnswer):
            asked["sdp"] = request.offer
        if new or isinstance(request, CreateOffer):  # an offer may have to find another way: ICE restart
            asked["ice"] = self._ice.for_page(session.agent.extension, now)
        if new:
            asked["layout"] = session.descriptions.layout
        self._put(session, request, asked, now)

    def _stand_in(self, session: _Session, request: CreateOffer | CreateAnswer) -> None:
        """No page holds the audio: what can be said without one."""
        descriptions = session.descriptions
        if not session.agreed:
            self._fail(request, "device", NO_PAGE)
        elif isinstance(request, CreateOffer):
            session.stands_in = True
            self._tell_later(OfferCreated(request.id, request.media, descriptions.offer(request.direction)))
        else:
            try:
                sdp = descriptions.answer(request.offer, request.direction)
            except RemoteError as problem:
                self._fail(request, "bad-sdp", str(problem))
            else:
                self._tell_later(AnswerCreated(request.id, request.media, sdp))

    def _apply(self, session: _Session, request: ApplyAnswer, now: Now) -> None:
        try:
            session.descriptions.answered(request.answer)
        except RemoteError as problem:
            self._fail(request, "bad-sdp", str(problem))
            return
        if session.stands_in:
            self._tell_later(AnswerApplied(request.id, request.media))
        else:
            self._put(session, request, {"request": "applyAnswer", "sdp": request.answer}, now)

    def _close(self, session: _Session | None) -> None:
        if session is None:
            return
        self._fail_asked("closed", "The call is over.", session)
        self._ask(session, {"request": "close"})
        del self._sessions[session.media]
        del session.agent.sessions[session.media]

    def _put(self, session: _Session, request: Asking, asked: dict[str, Any], now: Now, longer: float = 0.0) -> None:
        if session.page is None:
            self._fail(request, "closed", GONE)
            return
        self._asked[request.id] = request, session
        self._timers.set(self, f"asked {request.id}", now.monotonic + DEADLINE + longer)
        self._ask(session, {**asked, "id": request.id})

    def _ask(self, session: _Session, asked: dict[str, Any]) -> None:
        if session.page is not None:
            self._say(session.page, {**asked, "media": session.media})

    def _say(self, connection: str, said: dict[str, Any]) -> None:
        self._tell(TellPage(connection, msgspec.json.encode({"media": said}).decode()))

    # Outcomes

    def _fail(self, request: Asking, code: str, detail: str) -> None:
        self._tell_later(EngineFailed(request.id, request.media, code, detail))

    def _fail_asked(self, code: str, detail: str, *sessions: _Session) -> None:
        for request, session in list(self._asked.values()):
            if session in sessions:
                self._take(request.id)
                self._fail(request, code, detail)

    def _take(self, request_id: str) -> None:
        del self._asked[request_id]
        self._timers.cancel(self, f"asked {request_id}")

    def _tell_later(self, event: EngineEvent) -> None:
        """Whoever asks is not told before it has asked."""
        self._news.append(event)
        self._timers.set(self, "news", 0.0)

    def _renew_later(self, extension: str, *media: str) -> None:
        """After those who asked the page that is gone know of it."""
        self._anew.append((extension, frozenset(media)))
        self._timers.set(self, "news", 0.0)

    def handle_timer(self, timer: str, now: Now) -> None:
        kind, _, name = timer.partition(" ")
        if kind == "asked":
            request, _ = self._asked.pop(name)
            self._fail(request, "timeout", "The page did not answer in time.")
        news, self._news = self._news, []
        self._timers.cancel(self, "news")
        for event in news:
            self._deliver(event, now)
        anew, self._anew = self._anew, []
        for extension, media in anew:
            self._renew(extension, media, now)

    # What pages say

    def receive(self, connection: str, extension: str | None, text: str, now: Now) -> bool:
        """A text that `is_media`; `extension` is whose connection it is. True: it holds the agent's audio now."""
        try:
            said = msgspec.json.decode(text, type=_Envelope).media
        except (msgspec.DecodeError, RecursionError) as problem:
            logger.warning("= %s: not understood: %s", connection, type(problem).__name__)
            self._say(connection, {"error": f"not understood: {problem}"[:300]})
            return False
        if extension is None:
            self._say(connection, {"lost": "Log in first."})
        elif said.hello is not None:
            return self._hello(connection, self._agents.setdefault(extension, _Audience(extension)), said.hello, now)
        elif said.event is not None:
            self._said(connection, said, now)
        return False

    def _hello(self, connection: str, agent: _Audience, hello: _Hello, now: Now) -> bool:
        if not hello.audio:
            if agent.page == connection:
                self._leave(agent)
                self._say(connection, {"lost": "given up"})
            return False
        if agent.page not in (None, connection):
            if hello.polite:
                self._say(connection, {"lost": ELSEWHERE, "holder": {"page": agent.title, "since": agent.since}})
                return False
            holder = {"page": hello.page, "since": round(now.wall * 1000)}
            self._say(str(agent.page), {"lost": TAKEN_OVER, "holder": holder})
        self._leave(agent, keep=set(hello.media) if agent.page == connection else set())
        agent.page, agent.title, agent.since = connection, hello.page, round(now.wall * 1000)
        for media in hello.media:
            session = agent.sessions.get(media)
            if session is None:
                self._say(connection, {"request": "close", "media": media})
            else:
                session.page = connection
        ice = self._ice.for_page(agent.extension, now)
        self._say(connection, {"hello": {"audio": True, "ice": ice}})
        lost = [session.media for session in agent.sessions.values() if session.page is None and session.agreed]
        if lost:
            self._renew_later(agent.extension, *lost)
        return True

    def _leave(self, agent: _Audience, keep: set[str] | None = None) -> None:
        """The page that held the audio does so no longer, but for these sessions."""
        left = [session for session in agent.sessions.values() if session.media not in (keep or ())]
        self._fail_asked("closed", GONE, *left)
        for session in left:
            session.page = None
        agent.page = None

    def gone(self, connection: str, extension: str) -> bool:
        """A connection of that agent is closed. True: it held the audio."""
        agent = self._agents.get(extension)
        if agent is None or agent.page != connection:
            return False
        self._leave(agent)
        return True

    def waits(self, extension: str) -> bool:
        """Whether calls of the agent wait for a page to hold its audio again."""
        agent = self._agents.get(extension)
        return agent is not None and any(each.page is None and each.agreed for each in agent.sessions.values())

    def lost(self, extension: str, now: Now) -> None:
        """The page does not come back at once: its calls are told that their media is gone."""
        agent = self._agents.get(extension)
        if agent is not None and agent.page is None:
            for session in list(agent.sessions.values()):
                if session.agreed:
                    self._deliver(MediaLost(session.media, GONE), now)

    def forget(self, extension: str) -> None:
        """The agent is logged out."""
        agent = self._agents.pop(extension, None)
        for session in [] if agent is None else list(agent.sessions.values()):
            self._close(session)

    def _said(self, connection: str, said: _Said, now: Now) -> None:
        if said.id:
            self._outcome(connection, said, now)
            return
        session = self._sessions.get(said.media)
        if session is None or session.page != connection:
            return
        if said.event == "connected":
            session.restarts = 0
            self._deliver(MediaConnected(session.media), now)
        elif said.event == "digit":
            self._deliver(DigitReceived(session.media, said.digit, said.duration_ms), now)
        elif said.event == "lost":
            self._deliver(MediaLost(session.media, said.detail), now)
            session.restarts += 1
            if session.restarts <= RESTARTS and session.agreed:
                self._renew_later(session.agent.extension, session.media)

    def _outcome(self, connection: str, said: _Said, now: Now) -> None:
        asked = self._asked.get(said.id)
        if asked is None or asked[1].page != connection:
            return  # it comes too late, or was never asked
        request, session = asked
        if said.event == "asking":
            self._timers.set(self, f"asked {request.id}", now.monotonic + ASKING)
            return
        if said.event not in ("failed", _WORDS[type(request)]):
            return
        self._take(request.id)
        if said.event == "failed":
            code = said.code if said.code in CODES else "internal"
            event: EngineEvent = EngineFailed(request.id, request.media, code, said.detail)
        else:
            try:
                event = self._made(request, session, said)
            except RemoteError as problem:
                event = EngineFailed(request.id, request.media, "bad-sdp", f"The page's description: {problem}")
        self._deliver(event, now)

    def _made(self, request: Asking, session: _Session, said: _Said) -> EngineEvent:
        """What an outcome says. Raises `ParseError` for a description that is none."""
        match request:
            case CreateOffer():
                return OfferCreated(request.id, request.media, session.descriptions.sent(said.sdp))
            case CreateAnswer():
                session.agreed = True
                return AnswerCreated(request.id, request.media, session.descriptions.sent(said.sdp))
            case ApplyAnswer():
                session.agreed = True
                return AnswerApplied(request.id, request.media)
            case SendDigits():
                return DigitsSent(request.id, request.media)
            case GetStats():
                audio = AudioStats(**msgspec.structs.asdict(said.audio or _Audio()))
                video = None if said.video is None else VideoStats(**msgspec.structs.asdict(said.video))
                return Stats(request.id, request.media, audio, video)
