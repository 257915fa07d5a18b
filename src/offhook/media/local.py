"""The engine that carries audio itself: RTP over ICE and DTLS-SRTP. Needs the extra `offhook[media]`."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any

from offhook.errors import ConfigError
from offhook.media.description import CODECS, Flavour
from offhook.media.engine import (
    CloseMedia,
    CreateAnswer,
    CreateOffer,
    EngineEvent,
    EngineFailed,
    EngineRequest,
    NoSink,
    Rollback,
    SetMuted,
    SetSink,
    SetSource,
    Silence,
    Sink,
    Source,
)
from offhook.media.feeds import Library
from offhook.media.pacer import Pacer
from offhook.media.session import MediaSession, Surroundings
from offhook.media.video import PictureSink, Studio
from offhook.media.webrtc import Certificate

logger = logging.getLogger(__name__)

MAX_SESSIONS = 5000
MAX_AWAITED = 5000
"""Media sessions whose source, sink or mute was set before they exist."""

_SILENCE = Silence()
_NO_SINK = NoSink()


@dataclass(slots=True)
class _Awaited:
    """What was set for a session that does not exist yet."""

    source: Source | None = None
    sink: Sink | None = None
    muted: bool = False


class LocalEngine:
    """`MediaEngine` with audio, and a test picture for video.

    `address` is the one local address to use (no other is touched), None all of the machine's; `stun` a server
    "host:port" to ask for the public address. `codecs` are names out of opus, PCMU, PCMA, the best first. `flavour` is
    how its SDP looks: that of a client, or FreeSWITCH's for the development switch. `video_sink` gets the name of the
    media session and each picture that it receives (I420, `offhook.media.picture`), on the loop.
    """

    def __init__(
        self,
        *,
        address: str | None = None,
        default_source: Source = _SILENCE,
        default_sink: Sink = _NO_SINK,
        codecs: Sequence[str] = ("opus", "PCMU", "PCMA"),
        stun: str | None = None,
        flavour: Flavour = "offhook",
        video_sink: PictureSink | None = None,
    ) -> None:
        known = {name.lower(): name for name in CODECS if "/" not in name}
        wrong = [name for name in codecs if name.lower() not in known]
        if wrong or not codecs:
            raise ConfigError("codecs", f"there is no codec {', '.join(wrong) or 'at all'}", "Take opus, PCMU or PCMA.")
        self._source = default_source
        self._sink = default_sink
        self._deliver: Callable[[EngineEvent], None] | None = None
        self._sessions: dict[str, MediaSession] = {}
        self._awaited: dict[str, _Awaited] = {}
        self._given: dict[str, _Awaited] = {}
        """What the sessions send, and where that which they receive goes."""
        self._heirs: dict[str, str] = {}
        """Which session follows another."""
        self._tasks: set[asyncio.Task[None]] = set()
        self._library = Library()
        self._pacer = Pacer()
        self._studio = Studio(video_sink)
        self._around = Surroundings(
            address=address,
            stun=stun,
            codecs=tuple(known[name.lower()] for name in codecs),
            flavour=flavour,
            # FreeSWITCH has one certificate; as a client, a new transport must have a new one, or FreeSWITCH does not
            # begin DTLS anew (freeswitch/recovery.md, B02).
            certificate=Certificate.generateCertificate() if flavour == "freeswitch" else None,
            pacer=self._pacer,
            library=self._library,
            peer=self._sessions.get,
            tell=self._tell,
            spawn=self._spawn,
            studio=self._studio,
        )

    def start(self, deliver: Callable[[EngineEvent], None]) -> None:
        self._deliver = deliver

    def perform(self, request: EngineRequest) -> None:
        if self._deliver is None:
            return
        session = self._sessions.get(request.media)
        if isinstance(request, CloseMedia):
            self._awaited.pop(request.media, None)
            if session is not None:
                self._forget(request.media, session)
                self._bequeath(request.media)
        elif isinstance(request, SetMuted | SetSource | SetSink):
            self._set(request, session)
        elif isinstance(request, CreateOffer | CreateAnswer):
            self._negotiate(request, session)
        elif session is not None:
            session.perform(request)
        elif not isinstance(request, Rollback):
            self._tell(EngineFailed(request.id, request.media, "unknown-media", "there is no such media session"))

    async def close(self) -> None:
        """End all sessions; every socket and task is gone when it returns."""
        sessions = list(self._sessions.values())
        self._sessions.clear()
        self._deliver = None
        self._awaited.clear()
        self._given.clear()
        self._heirs.clear()
        await asyncio.gather(*(session.close() for session in sessions))
        while self._tasks:
            await asyncio.wait(self._tasks)
        self._studio.close()
        await self._pacer.close()
        await self._library.close()

    def _negotiate(self, request: CreateOffer | CreateAnswer, session: MediaSession | None) -> None:
        if session is None:
            if len(self._sessions) >= MAX_SESSIONS:
                self._tell(EngineFailed(request.id, request.media, "device", "too many media sessions"))
                return
            session = self._sessions[request.media] = MediaSession(request.media, self._around)
            awaited = self._awaited.pop(request.media, _Awaited())
            given = self._given[request.media] = _Awaited(awaited.source or self._source, awaited.sink or self._sink)
            if isinstance(request, CreateOffer) and request.follows in self._given:
                self._heirs[request.follows] = request.media
                given.source, given.sink = awaited.source or self._given[request.follows].source, NoSink()
            session.set_source(given.source or self._source)
            session.set_sink(given.sink or self._sink)
            session.set_muted(awaited.muted)
        session.perform(request)

    def _forget(self, media: str, session: MediaSession) -> None:
        del self._sessions[media]
        self._spawn(session.close())

    def _bequeath(self, media: str) -> None:
        """Whatever followed this session hears now for it."""
        given = self._given.pop(media, None)
        heir = self._heirs.pop(media, "")
        session = self._sessions.get(heir)
        if session is not None and given is not None and given.sink is not None:
            self._given[heir].sink = given.sink
            session.set_sink(given.sink)

    def _set(self, request: SetMuted | SetSource | SetSink, session: MediaSession | None) -> None:
        if session is None:
            if request.media not in self._awaited and len(self._awaited) >= MAX_AWAITED:
                del self._awaited[next(iter(self._awaited))]
            awaited = self._awaited.setdefault(request.media, _Awaited())
            if isinstance(request, SetMuted):
                awaited.muted = request.muted
            elif isinstance(request, SetSource):
                awaited.source = request.source
            else:
                awaited.sink = request.sink
        elif isinstance(request, SetMuted):
            session.set_muted(request.muted)
        elif isinstance(request, SetSource):
            self._given[request.media].source = request.source
            session.set_source(request.source)
        else:
            self._given[request.media].sink = request.sink
            session.set_sink(request.sink)

    def _tell(self, event: EngineEvent) -> None:
        if isinstance(event, EngineFailed):
            session = self._sessions.get(event.media)
            if session is not None and session.empty:  # its first offer or answer came to nothing
                self._forget(event.media, session)
                self._given.pop(event.media, None)
        if self._deliver is not None:
            self._deliver(event)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work, name="media closing")
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            logger.error("a bug: a media session did not end well", exc_info=task.exception())
