"""The engine that carries nothing: negotiates like the real one, opens no socket, is connected at once.

For controllers, tests and load runs that care for signalling alone. Pure: every event comes from within `perform`, two
runs with the same requests give the same SDP. It needs no numpy.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from offhook.media.description import Flavour, LocalEnd
from offhook.media.dtmf import DIGITS
from offhook.media.engine import (
    AnswerApplied,
    AnswerCreated,
    ApplyAnswer,
    AudioStats,
    CloseMedia,
    CreateAnswer,
    CreateOffer,
    DigitsSent,
    EngineEvent,
    EngineFailed,
    EngineRequest,
    MediaConnected,
    OfferCreated,
    Rollback,
    SendDigits,
    SetMuted,
    SetSink,
    SetSource,
    Stats,
)
from offhook.media.negotiation import NegotiationError, OfferAnswer, RemoteEnd, Role
from offhook.media.sdp import Candidate

_FIRST_PORT = 16384


@dataclass(slots=True)
class _NullMedia:
    negotiation: OfferAnswer
    local: LocalEnd
    remote: RemoteEnd | None = None
    role: Role | None = None


class NullEngine:
    """`MediaEngine` without media. `performed` keeps the last `keep` requests, for tests to look at."""

    def __init__(
        self, *, codecs: Sequence[str] = ("opus", "PCMU", "PCMA"), flavour: Flavour = "offhook", keep: int = 1000
    ) -> None:
        self.performed: list[EngineRequest] = []
        self._codecs = tuple(codecs)
        self._flavour: Flavour = flavour
        self._keep = keep
        self._deliver: Callable[[EngineEvent], None] = lambda event: None
        self._media: dict[str, _NullMedia] = {}
        self._made = 0

    def start(self, deliver: Callable[[EngineEvent], None]) -> None:
        self._deliver = deliver

    def perform(self, request: EngineRequest) -> None:
        """Does it, and delivers what comes of it before it returns."""
        self.performed.append(request)
        del self.performed[: -self._keep]
        try:
            for event in self._perform(request):
                self._deliver(event)
        except NegotiationError as error:
            if isinstance(request, CreateOffer | CreateAnswer | ApplyAnswer):
                self._deliver(EngineFailed(request.id, request.media, error.code, str(error)))

    async def close(self) -> None:
        self._media.clear()
        self._deliver = lambda event: None

    def tell(self, event: EngineEvent) -> None:
        """Deliver an event as if it had happened: `DigitReceived`, `MediaLost` ..."""
        self._deliver(event)

    def _perform(self, request: EngineRequest) -> list[EngineEvent]:
        if isinstance(request, CreateOffer | CreateAnswer) and request.video is not None:
            return [EngineFailed(request.id, request.media, "unsupported", "this engine has no video")]
        if isinstance(request, CreateOffer):
            media = self._known_or_new(request.media)
            text = media.negotiation.offer(media.local, request.direction)
            return [OfferCreated(request.id, request.media, text)]
        if isinstance(request, CreateAnswer):
            return self._answer(request)
        if isinstance(request, CloseMedia):
            self._media.pop(request.media, None)
            return []
        if isinstance(request, SetMuted | SetSource | SetSink):
            return []
        known = self._media.get(request.media)
        if known is None:
            if isinstance(request, Rollback):
                return []
            return [EngineFailed(request.id, request.media, "unknown-media", "there is no such media session")]
        if isinstance(request, Rollback):
            known.negotiation.rollback()
            return []
        if isinstance(request, ApplyAnswer):
            agreement = known.negotiation.accept_answer(request.answer)
            known.role = known.negotiation.role(agreement.remote, offered_by_us=True)
            return [AnswerApplied(request.id, request.media), *self._connect(request.media, known, agreement.remote)]
        if isinstance(request, SendDigits):
            return [self._digits(request, known)]
        agreed = known.negotiation.agreement
        return [Stats(request.id, request.media, AudioStats(codec=None if agreed is None else agreed.codec.name))]

    def _answer(self, request: CreateAnswer) -> list[EngineEvent]:
        media = self._media.get(request.media) or self._new()
        offer = media.negotiation.read_offer(request.offer)
        self._media[request.media] = media
        # The association that is there keeps its roles (RFC 8842 §5.5).
        kept = media.role if offer.remote.same_transport(media.remote) else None
        role = media.role = kept or media.negotiation.role(offer.remote, offered_by_us=False)
        text = media.negotiation.answer(offer, media.local, role, request.direction)
        created: list[EngineEvent] = [AnswerCreated(request.id, request.media, text)]
        return created + self._connect(request.media, media, offer.remote)

    def _connect(self, name: str, media: _NullMedia, remote: RemoteEnd) -> list[EngineEvent]:
        if remote.same_transport(media.remote):
            return []
        media.remote = remote
        return [MediaConnected(name)]

    def _digits(self, request: SendDigits, media: _NullMedia) -> EngineEvent:
        agreement = media.negotiation.agreement
        if agreement is None or agreement.dtmf is None:
            return EngineFailed(request.id, request.media, "unsupported", "telephone-event was not agreed on")
        if not request.digits or any(digit not in DIGITS for digit in request.digits):
            return EngineFailed(request.id, request.media, "unsupported", "only 0-9, A-D, * and # can be sent")
        return DigitsSent(request.id, request.media)

    def _known_or_new(self, name: str) -> _NullMedia:
        media = self._media.get(name)
        if media is None:
            media = self._media[name] = self._new()
        return media

    def _new(self) -> _NullMedia:
        self._made += 1
        number = self._made
        port = _FIRST_PORT + 2 * (number % 16000)
        digest = f"{number:064X}"
        local = LocalEnd(
            address="127.0.0.1",
            port=port,
            candidates=(Candidate(f"{number:010d}", 1, "udp", 2130706431, "127.0.0.1", port, "host"),),
            ufrag=f"null{number:08d}",
            password=f"nullpassword{number:012d}",
            fingerprint=":".join(digest[at : at + 2] for at in range(0, 64, 2)),
            ssrc=number & 0xFFFFFFFF,
            cname=f"null{number:012d}",
            stream=f"nullstream{number:022d}",
        )
        return _NullMedia(OfferAnswer(1_000_000_000 + number, self._codecs, self._flavour), local)
