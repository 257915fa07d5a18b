"""One media session of the local engine: its requests, done one after the other, and what they change."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections import deque
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from offhook.errors import MediaError
from offhook.media.description import Flavour, LocalEnd
from offhook.media.engine import (
    AnswerApplied,
    AnswerCreated,
    ApplyAnswer,
    CreateAnswer,
    CreateOffer,
    Direction,
    Echo,
    EngineEvent,
    EngineFailed,
    FromPeer,
    GetStats,
    MediaConnected,
    MediaLost,
    OfferCreated,
    Rollback,
    SendDigits,
    Silence,
    Sink,
    Source,
    Stats,
)
from offhook.media.feeds import Library, make_feed, make_recipient
from offhook.media.link import Link, local_end
from offhook.media.negotiation import Agreement, NegotiationError, OfferAnswer, RemoteOffer, Role, VideoWish
from offhook.media.outbound import Outbound
from offhook.media.pacer import Pacer
from offhook.media.streams import AudioStreams
from offhook.media.video import Studio
from offhook.media.video_codec import available
from offhook.media.video_leg import Deliver, VideoLeg
from offhook.media.video_relay import Shelf
from offhook.media.webrtc import Certificate, SecureTransport

logger = logging.getLogger(__name__)

MAX_REQUESTS = 64
"""Requests of one session that may wait."""

Ordered = CreateOffer | CreateAnswer | ApplyAnswer | Rollback | SendDigits | GetStats


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What all sessions of an engine share."""

    address: str | None
    stun: str | None
    codecs: tuple[str, ...]
    flavour: Flavour
    certificate: Certificate | None
    pacer: Pacer
    library: Library
    peer: Callable[[str], MediaSession | None]
    tell: Callable[[EngineEvent], None]
    spawn: Callable[[Coroutine[Any, Any, None]], None]
    studio: Studio = field(default_factory=Studio)


class MediaSession:
    """A negotiation, a link and two streams."""

    def __init__(self, name: str, around: Surroundings) -> None:
        self.name = name
        self.closed = False
        self._around = around
        self._negotiation = OfferAnswer(_session_id(around.flavour), around.codecs, around.flavour)
        outbound = Outbound(secrets.randbits(32), secrets.randbits(15), secrets.randbits(32))
        self._cname, self._stream = _token(16), _token(32)
        self.streams = AudioStreams(name, outbound, self._cname, self._tell)
        make = partial(self._make_transport, self._receive)
        self._link = Link(make, up=self._connected, down=self._lost, spawn=around.spawn)
        self._video: VideoLeg | None = None
        self._source: Source = Silence()
        self._requests: deque[Ordered] = deque()
        self._current: Ordered | None = None
        self._worker: asyncio.Task[None] | None = None

    @property
    def empty(self) -> bool:
        """Nothing was ever negotiated."""
        return self._link.made is None and self._link.live is None and not self._requests

    def perform(self, request: Ordered) -> None:
        """Take a request; it is done when those before it are."""
        if len(self._requests) >= MAX_REQUESTS:
            self._fail(request, "internal", "too many requests are waiting")
            return
        self._requests.append(request)
        if self._worker is None:
            self._worker = asyncio.get_running_loop().create_task(self._work(), name="media session")

    def set_muted(self, muted: bool) -> None:
        self.streams.muted = muted

    def set_source(self, source: Source) -> None:
        self._source = source
        if self._video is not None:
            self._video.streams.hand_on(self._find_shelf())
        try:
            self.streams.set_feed(make_feed(source, self._around.library, self.streams, self._peer_streams))
        except MediaError as error:
            self.streams.set_feed(None)
            logger.warning("silence is sent: %s", error)

    def set_sink(self, sink: Sink) -> None:
        try:
            self.streams.set_recipient(make_recipient(sink))
        except MediaError as error:
            self.streams.set_recipient(None)
            logger.warning("nothing is recorded: %s", error)

    async def close(self) -> None:
        """Free everything; requests under way fail with `closed`."""
        self.closed = True
        self._around.pacer.remove(self.streams)
        worker, self._worker = self._worker, None
        if worker is not None and worker is not asyncio.current_task():
            worker.cancel()
            await asyncio.wait([worker])
        for request in [*([self._current] if self._current is not None else []), *self._requests]:
            self._fail(request, "closed", "the media session was closed")
        self._current = None
        self._requests.clear()
        digits = self.streams.outbound.digits
        for waiting in digits.clear() if digits is not None else []:
            self._around.tell(EngineFailed(waiting, self.name, "closed", "the media session was closed"))
        self.streams.close()
        await self._close_video()
        await self._link.close()

    async def _work(self) -> None:
        while self._requests:
            request = self._current = self._requests.popleft()
            try:
                await self._do(request)
            except NegotiationError as error:
                self._fail(request, error.code, str(error))
            except MediaError as error:
                self._fail(request, "device", str(error))
            except Exception as error:  # each request gets its answer, or a call waits for it for ever
                logger.exception("a bug: %s failed", type(request).__name__)
                self._fail(request, "internal", f"{type(error).__name__}: {error}")
            self._current = None
        self._worker = None

    async def _do(self, request: Ordered) -> None:
        if isinstance(request, CreateOffer):
            transport = await self._link.for_offer()
            wish = await self._video_to_offer(request.video, transport)
            text = self._negotiation.offer(self._local(transport), request.direction, wish)
            self._tell(OfferCreated(request.id, self.name, text))
        elif isinstance(request, CreateAnswer):
            await self._answer(request)
        elif isinstance(request, ApplyAnswer):
            agreement = self._negotiation.accept_answer(request.answer)
            self._agreed(agreement)
            role = self._negotiation.role(agreement.remote, offered_by_us=True)
            await self._link.connect(agreement.remote, role)
            await self._video_agreed(agreement, offered_by_us=True)
            self._tell(AnswerApplied(request.id, self.name))
        elif isinstance(request, Rollback):
            self._negotiation.rollback()
            self._link.rollback()
            await self._roll_video_back()
        elif isinstance(request, SendDigits):
            self._send_digits(request)
        else:
            video = None if self._video is None else self._video.streams.stats()
            self._tell(Stats(request.id, self.name, self.streams.stats(), video))

    async def _answer(self, request: CreateAnswer) -> None:
        offer = self._negotiation.read_offer(request.offer)
        transport = await self._link.for_answer(offer.remote)
        role = transport.role or self._negotiation.role(offer.remote, offered_by_us=False)
        wish = await self._video_to_answer(offer, request.video, transport, role)
        text = self._negotiation.answer(offer, self._local(transport), role, request.direction, wish)
        agreement = self._negotiation.agreement
        assert agreement is not None
        self._agreed(agreement)
        self._tell(AnswerCreated(request.id, self.name, text))
        self._current = None  # it has had its outcome, whatever comes of the connecting
        await self._link.connect(offer.remote, role)
        await self._video_agreed(agreement, offered_by_us=False)

    async def _video_agreed(self, agreement: Agreement, *, offered_by_us: bool) -> None:
        video, live = self._video, self._link.live
        if video is None:
            return
        await video.agreed(agreement.video, partial(self._negotiation.role, offered_by_us=offered_by_us))
        if live is not None and live.connected:
            video.share(live)

    async def _video_to_offer(self, wished: Direction | None, transport: SecureTransport) -> VideoWish | None:
        """What the offer says of video: what is wished, else that what there is becomes inactive, else nothing."""
        if wished is None and not self._has_video:
            await self._close_video()
            return None
        video, direction = self._video_leg(wished), wished or Direction.INACTIVE
        return video.bundle(transport, direction) if self._negotiation.bundled else await video.to_offer(direction)

    async def _video_to_answer(
        self, offer: RemoteOffer, wished: Direction | None, transport: SecureTransport, of_audio: Role
    ) -> VideoWish | None:
        if offer.video is None or (wished is None and not self._has_video):
            await self._close_video()
            return None
        video, direction = self._video_leg(wished), wished or Direction.INACTIVE
        if offer.video.bundled:
            return video.bundle(transport, direction, of_audio)
        role = partial(self._negotiation.role, offered_by_us=False)
        return await video.to_answer(offer.video.remote, direction, role)

    @property
    def _has_video(self) -> bool:
        """Video is agreed on, in whatever direction, and its transport is good."""
        agreement = self._negotiation.agreement
        return agreement is not None and agreement.video is not None and self._video is not None and self._video.good

    def _video_leg(self, wished: Direction | None) -> VideoLeg:
        if wished is not None and not available():
            raise NegotiationError("unsupported", "this machine's PyAV has no VP8")
        if self._video is None:
            around = self._around
            self._video = VideoLeg(
                self.name, around.studio, self._make_transport, around.spawn, cname=self._cname, stream=self._stream
            )
            self._video.streams.hand_on(self._find_shelf())
        return self._video

    def _find_shelf(self) -> Callable[[], Shelf | None] | None:
        """An echo, and a bridge to another session, are so for video too. None: the source has no video."""
        source = self._source
        if not isinstance(source, Echo | FromPeer):
            return None
        name = source.media if isinstance(source, FromPeer) else self.name

        def find() -> Shelf | None:
            other = self._around.peer(name)
            return None if other is None or other._video is None else other._video.streams.shelf

        return find

    async def _roll_video_back(self) -> None:
        agreement = self._negotiation.agreement
        if agreement is None or agreement.video is None:
            await self._close_video()
        elif self._video is not None:
            self._video.rollback()

    async def _close_video(self) -> None:
        video, self._video = self._video, None
        if video is not None:
            await video.close()

    def _agreed(self, agreement: Agreement) -> None:
        for dropped in self.streams.configure(agreement, self._around.pacer.number):
            detail = "digits can no longer be sent (hold, or no telephone-event)"
            self._tell(EngineFailed(dropped, self.name, "unsupported", detail))

    def _send_digits(self, request: SendDigits) -> None:
        digits = self.streams.outbound.digits
        if digits is None:
            self._fail(request, "unsupported", "telephone-event was not agreed on")
        elif not self.streams.sends:
            self._fail(request, "unsupported", "no audio is sent now (hold)")
        elif not digits.add(request.digits, duration_ms=request.duration_ms, gap_ms=request.gap_ms, id=request.id):
            self._fail(request, "unsupported", "digits are 0-9, A-D, * and #, and not too many at once")

    def _connected(self, transport: SecureTransport) -> None:
        self.streams.use(transport)
        self._around.pacer.remove(self.streams)
        self._around.pacer.add(self.streams)
        if self._video is not None:
            self._video.share(transport)
        self._tell(MediaConnected(self.name))

    def _receive(self, data: bytes, arrival: float) -> None:
        """A decrypted packet of the audio's transport, which video may share."""
        if self._video is None or not self._video.receive(data, arrival):
            self.streams.receive(data, arrival)

    def _lost(self, reason: str) -> None:
        if self._link.live is None or not self._link.live.connected:
            self._around.pacer.remove(self.streams)
        self._tell(MediaLost(self.name, reason))

    def _make_transport(
        self, deliver: Deliver, controlling: bool, anew: bool, lost: Callable[[str], None]
    ) -> SecureTransport:
        return SecureTransport(
            controlling=controlling,
            deliver=deliver,
            lost=lost,
            address=self._around.address,
            stun=self._around.stun,
            certificate=None if anew else self._around.certificate,
        )

    def _local(self, transport: SecureTransport) -> LocalEnd:
        return local_end(transport, ssrc=self.streams.outbound.ssrc, cname=self._cname, stream=self._stream)

    def _peer_streams(self, name: str) -> AudioStreams | None:
        peer = self._around.peer(name)
        return None if peer is None else peer.streams

    def _tell(self, event: EngineEvent) -> None:
        if not self.closed:
            self._around.tell(event)

    def _fail(self, request: Ordered, code: str, detail: str) -> None:
        if not isinstance(request, Rollback):
            self._around.tell(EngineFailed(request.id, self.name, code, detail))


def _session_id(flavour: Flavour) -> int:
    """FreeSWITCH's are about the time in seconds; a browser's have 62 random bits."""
    return 1_795_310_000 + secrets.randbelow(10_000) if flavour == "freeswitch" else secrets.randbits(62)


def _token(length: int) -> str:
    alphabet = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
    return "".join(secrets.choice(alphabet) for _ in range(length))
