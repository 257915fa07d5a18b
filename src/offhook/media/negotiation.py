"""Offer and answer (RFC 3264) of one media session: one audio stream over ICE and DTLS-SRTP, where it is wished one of
video (VP8), everything else rejected. Video has a transport of its own, unless the other side offers it on that of the
audio alone (BUNDLE, RFC 9143).

`OfferAnswer` is pure: it is told what the local end looks like (`LocalEnd`, made by whoever has the sockets), reads
what the other side writes, and says what was agreed. The text itself is written by `description`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from offhook.errors import MediaError, ParseError
from offhook.media.description import (
    CODECS,
    VP8,
    Codec,
    Flavour,
    Layout,
    LocalEnd,
    Offered,
    Setup,
    VideoShown,
    write_answer,
    write_offer,
)
from offhook.media.engine import Direction
from offhook.media.sdp import (
    Candidate,
    Fingerprint,
    Media,
    PayloadFormat,
    Session,
    answer_direction,
)

Role = Literal["client", "server"]

_ICE_CHARACTERS = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")


class NegotiationError(MediaError):
    """An SDP that cannot be used; `code` is the one of `EngineFailed`."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code


@dataclass(frozen=True, slots=True)
class RemoteEnd:
    """The far side of a transport. Two that are equal but for `candidates` and `setup` are the same transport."""

    ufrag: str
    password: str = field(repr=False)
    fingerprints: tuple[Fingerprint, ...]
    setup: str | None = None
    candidates: tuple[Candidate, ...] = ()

    def same_transport(self, other: RemoteEnd | None) -> bool:
        """Whether neither ICE nor DTLS begins anew (RFC 8839 §4.4.1.1.1, RFC 8842 §4)."""
        return other is not None and (self.ufrag, self.password, self.fingerprints) == (
            other.ufrag,
            other.password,
            other.fingerprints,
        )


@dataclass(frozen=True, slots=True)
class VideoAgreement:
    """What both sides agreed on for video: as `Agreement`. `pli` and `fir`: how they may be asked for a key frame.
    `bundled`: it goes over the transport of the audio."""

    remote: RemoteEnd
    codec: PayloadFormat
    receive: frozenset[int]
    direction: Direction
    pli: bool = False
    fir: bool = False
    bundled: bool = False

    @property
    def sends(self) -> bool:
        return self.direction in (Direction.SENDRECV, Direction.SENDONLY)

    @property
    def receives(self) -> bool:
        return self.direction in (Direction.SENDRECV, Direction.RECVONLY)


@dataclass(frozen=True, slots=True)
class Agreement:
    """What both sides agreed on. `sends` and `receives` are ours; `codec` and `dtmf` have the payload types we send."""

    remote: RemoteEnd
    codec: PayloadFormat
    dtmf: PayloadFormat | None
    receive: Mapping[int, PayloadFormat]
    sends: bool
    receives: bool
    video: VideoAgreement | None = None


@dataclass(frozen=True, slots=True)
class RemoteVideo:
    """A video section of theirs that could be taken; `bundled`: on the audio's transport, and on no other."""

    section: Media
    remote: RemoteEnd
    codec: PayloadFormat
    bundled: bool = False

    def agree(self, direction: Direction, receive: int) -> VideoAgreement:
        """`direction` is ours; `receive` the payload type that we named."""
        number = str(self.codec.payload_type)
        takes = [value.split() for value in self.section.attributes("rtcp-fb")]
        return VideoAgreement(
            remote=self.remote,
            codec=self.codec,
            receive=frozenset((receive, self.codec.payload_type)),
            direction=direction,
            pli=any(each[:1] in ([number], ["*"]) and each[1:] == ["nack", "pli"] for each in takes),
            fir=any(each[:1] in ([number], ["*"]) and each[1:3] == ["ccm", "fir"] for each in takes),
            bundled=self.bundled,
        )


@dataclass(frozen=True, slots=True)
class RemoteOffer:
    """An offer that was read and can be answered; `video` may be taken or not."""

    session: Session
    audio: Media
    remote: RemoteEnd
    codec: PayloadFormat
    dtmf: PayloadFormat | None
    video: RemoteVideo | None = None


@dataclass(frozen=True, slots=True)
class VideoWish:
    """Video is to be in the description: our end (where it is bundled: that of the audio, with an SSRC of its own), and
    the direction wished."""

    local: LocalEnd
    direction: Direction
    role: Role | None = None  # in an answer


class OfferAnswer:
    """The negotiation of one media session; survives re-offers, a second answer to one offer, and rollback.

    `session_id` is for the o= line (a decimal number); `codecs` are names out of `CODECS`, the best first.
    """

    def __init__(self, session_id: int, codecs: Sequence[str], flavour: Flavour = "offhook") -> None:
        self.flavour: Flavour = flavour
        self.agreement: Agreement | None = None
        self._codecs: tuple[Codec, ...] = tuple(CODECS[name] for name in codecs)
        self._session_id = session_id
        self._version = session_id if flavour == "freeswitch" else 1
        self._text = ""  # the last local description
        self._offer: Offered | None = None  # our last offer; stays for a second answer
        self._before_offer: Offered | None = None
        self._numbers: dict[tuple[str, int], int] = {}  # payload types in use: they must not change (RFC 3264 §8.3.2)
        self._layout: list[tuple[str, str, list[str]]] = []  # the m= lines of the session
        self._audio_at = 0
        self._mids: tuple[str | None, ...] = ()  # as the other side named the m= lines; they keep them (RFC 9143 §7.2)

    @property
    def bundled(self) -> bool:
        """Audio and video are agreed on one transport: so they are in our next offer."""
        return self.agreement is not None and self.agreement.video is not None and self.agreement.video.bundled

    def offer(self, local: LocalEnd, direction: Direction, video: VideoWish | None = None) -> str:
        """Our next offer; an m= line for video is added, or the one there was is used, if there is a wish for it."""
        layout = self._layout or [("audio", "", [])]
        shown = video_at = None
        if video is not None:
            number = self._numbers.get(("vp8", VP8.clock_rate), VP8.payload_type)
            codec = replace(VP8, payload_type=number)
            shown = VideoShown(local=video.local, direction=video.direction, format=codec, bundled=self.bundled)
            video_at = self._video_at(layout)
        offered = Offered(
            local=local,
            direction=direction,
            formats=tuple(self._formats_to_offer()),
            again=self.agreement is not None,
            video=shown,
            video_at=video_at,
            mids=self._mids,
        )
        layout = _layout_of(offered, layout)
        text = self._settle(
            lambda version: write_offer(self.flavour, self._origin(version), offered, layout, self._audio_at)
        )
        self._before_offer, self._offer = self._offer, offered
        return text

    def rollback(self) -> None:
        """Our last offer was refused."""
        self._offer, self._before_offer = self._before_offer, None

    def accept_answer(self, text: str) -> Agreement:
        """The answer to our last offer; raises NegotiationError. After a provisional one another may come."""
        offered = self._offer
        if offered is None:
            raise NegotiationError("bad-sdp", "there is no offer that this could be the answer to")
        session = _parse(text)
        audio = self._answered_audio(session)
        remote = _read_remote(audio)
        codec, dtmf = self._choose(audio)
        direction = answer_direction(audio.direction, offered.direction)
        self.agreement = Agreement(
            remote=remote,
            codec=codec,
            dtmf=dtmf,
            receive={each.payload_type: each for each in offered.formats},
            sends=direction in (Direction.SENDRECV, Direction.SENDONLY),
            receives=direction in (Direction.SENDRECV, Direction.RECVONLY),
            video=_answered_video(session, audio, offered),
        )
        self._remember(codec, dtmf, None if offered.video is None else offered.video.format)
        if offered.video is not None:
            self._layout = _layout_of(offered, self._layout or [("audio", "", [])])
        self._before_offer = offered
        return self.agreement

    def read_offer(self, text: str) -> RemoteOffer:
        """Read a remote offer, changing nothing; raises NegotiationError."""
        session = _parse(text)
        audio = _usable_audio(session)
        codec, dtmf = self._choose(audio)
        return RemoteOffer(session, audio, _read_remote(audio), codec, dtmf, self._read_video(session, audio))

    def answer(
        self, offer: RemoteOffer, local: LocalEnd, role: Role, direction: Direction, video: VideoWish | None = None
    ) -> str:
        """Answer an offer that was read; it becomes the agreement. Without a wish for it video is rejected."""
        agreed = answer_direction(offer.audio.direction, direction)
        formats = [offer.codec] if offer.dtmf is None else [offer.codec, offer.dtmf]
        agreed_video = shown = None
        if video is not None and offer.video is not None:
            theirs = offer.video
            cut = answer_direction(theirs.section.direction, video.direction)
            agreed_video = theirs.agree(cut, theirs.codec.payload_type)
            codec = replace(theirs.codec, parameters=None)
            show = VideoShown(local=video.local, direction=cut, format=codec, bundled=theirs.bundled)
            shown = (theirs.section, show, _setup(video.role or "server"))
        text = self._settle(
            lambda version: write_answer(
                self.flavour,
                self._origin(version),
                offer.session,
                offer.audio,
                local,
                formats,
                _setup(role),
                agreed,
                shown,
            )
        )
        self._remember(*formats)
        self._layout = [(each.type, each.protocol, each.formats) for each in offer.session.media]
        self._mids = tuple(each.mid for each in offer.session.media)
        self._audio_at = next(at for at, each in enumerate(offer.session.media) if each is offer.audio)
        self._offer = self._before_offer = None
        self.agreement = Agreement(
            remote=offer.remote,
            codec=offer.codec,
            dtmf=offer.dtmf,
            receive={each.payload_type: each for each in formats},
            sends=agreed in (Direction.SENDRECV, Direction.SENDONLY),
            receives=agreed in (Direction.SENDRECV, Direction.RECVONLY),
            video=agreed_video,
        )
        self._remember(None if agreed_video is None else agreed_video.codec)
        return text

    def role(self, remote: RemoteEnd, *, offered_by_us: bool) -> Role:
        """Who we are in the DTLS handshake with that end (RFC 5763 §5).

        Ours is the server wherever we may choose: FreeSWITCH is then the client, which always works
        (freeswitch/recovery.md, C03). As FreeSWITCH itself we are the client of those who offer.
        """
        if remote.setup == "active":
            return "server"
        if remote.setup == "passive":
            return "client"
        return "client" if self.flavour == "freeswitch" and not offered_by_us else "server"

    def _read_video(self, session: Session, audio: Media) -> RemoteVideo | None:
        """The first video section that could be taken. One that is no good is as if it were not there."""
        found = (
            _read_video_section(audio, section, bundled=_needs_bundle(session, audio, section))
            for section in session.media
        )
        # FreeSWITCH knows of no bundle: what comes in one it cannot take.
        taken = (each for each in found if each is not None and not (each.bundled and self.flavour == "freeswitch"))
        return next(taken, None)

    def _video_at(self, layout: Layout) -> int:
        """The m= line of video: the one that was used last, else one that was rejected, else a new one at the end."""
        places = [index for index, (kind, _, _) in enumerate(layout) if kind == "video"]
        used = None if self._offer is None else self._offer.video_at
        return used if used in places else next(iter(places), len(layout))

    def _formats_to_offer(self) -> list[PayloadFormat]:
        """Every codec we have, the one in use first; FreeSWITCH's own re-offers hold that one alone."""
        current = self.agreement.codec.name.lower() if self.agreement is not None else None
        codecs = sorted(self._codecs, key=lambda codec: codec.name.lower() != current)
        if current is not None and self.flavour == "freeswitch":
            codecs = codecs[:1]
        taken = set(self._numbers.values())
        formats = []
        for codec in codecs:
            number = self._number(codec.name, codec.clock_rate, codec.payload_type(self.flavour), taken)
            parameters = codec.parameters(self.flavour, again=current is not None)
            formats.append(PayloadFormat(number, codec.name, codec.clock_rate, codec.channels, parameters))
        for rate in sorted({codec.clock_rate for codec in codecs}, reverse=True):
            wanted = CODECS[f"telephone-event/{rate}"]
            number = self._number(wanted.name, rate, wanted.payload_type(self.flavour), taken)
            formats.append(PayloadFormat(number, wanted.name, rate, 1, wanted.parameters(self.flavour, again=False)))
        return formats

    def _number(self, name: str, rate: int, wanted: int, taken: set[int]) -> int:
        """The payload type in use for that codec, else the wanted one, else a free one."""
        known = self._numbers.get((name.lower(), rate))
        if known is not None:
            return known
        number = wanted if wanted not in taken else next(free for free in range(96, 128) if free not in taken)
        taken.add(number)
        return number

    def _remember(self, *formats: PayloadFormat | None) -> None:
        for each in formats:
            if each is not None:
                self._numbers[(each.name.lower(), each.clock_rate)] = each.payload_type

    def _choose(self, audio: Media) -> tuple[PayloadFormat, PayloadFormat | None]:
        """The first codec of theirs that we have (RFC 3264 §6.1), and the telephone-event at its clock rate."""
        ours = {(codec.name.lower(), codec.clock_rate) for codec in self._codecs}
        formats = audio.payload_formats
        codec = next((each for each in formats if (each.name.lower(), each.clock_rate) in ours), None)
        if codec is None:
            names = ", ".join(each.name for each in self._codecs)
            raise NegotiationError("no-common-codec", f"the other side has none of the codecs {names}")
        events = [
            each for each in formats if each.name.lower() == "telephone-event" and each.clock_rate in _EVENT_RATES
        ]
        same_rate = [each for each in events if each.clock_rate == codec.clock_rate]
        return codec, next(iter(same_rate or events), None)

    def _answered_audio(self, session: Session) -> Media:
        """The section that answers our audio: by place, as RFC 3264 §6 has it; else the only audio there is."""
        if self._audio_at < len(session.media):
            audio = session.media[self._audio_at]
            if audio.type == "audio" and not audio.rejected:
                _check(audio)
                return audio
        return _usable_audio(session)

    def _settle(self, write: Callable[[int], str]) -> str:
        """The local description, with a new version in its o= line if anything in it has changed (RFC 3264 §8)."""
        if self._text and write(self._version) == self._text:
            return self._text
        self._version += 1
        self._text = write(self._version)
        return self._text

    def _origin(self, version: int) -> tuple[int, int]:
        return self._session_id, version


_EVENT_RATES = (8000, 48000)


def _layout_of(offered: Offered, layout: list[tuple[str, str, list[str]]]) -> list[tuple[str, str, list[str]]]:
    """With a line for the video of the offer, if it is to have a new one."""
    if offered.video is None or offered.video_at != len(layout):
        return layout
    return [*layout, ("video", "UDP/TLS/RTP/SAVPF", [str(offered.video.format.payload_type)])]


def _setup(role: Role) -> Setup:
    return "passive" if role == "server" else "active"


def _parse(text: str) -> Session:
    try:
        return Session.parse(text)
    except ParseError as error:
        raise NegotiationError("bad-sdp", str(error)) from error


def _usable_audio(session: Session) -> Media:
    audio = session.audio
    if audio is None or audio.rejected:
        raise NegotiationError("no-common-codec", "the other side has no audio")
    _check(audio)
    return audio


def _answered_video(session: Session, audio: Media, offered: Offered) -> VideoAgreement | None:
    """The answer to our video: by its place alone (RFC 3264 §6), and bundled if and only if we offered it so.

    aiortc's answer names a bundle though none was offered, and has two transports all the same.
    """
    if offered.video is None or offered.video_at is None or offered.video_at >= len(session.media):
        return None
    section, bundled = session.media[offered.video_at], offered.video.bundled
    theirs = _read_video_section(audio, section, bundled=bundled)
    if theirs is None or (bundled and not session.bundles(audio, section)):
        return None
    direction = answer_direction(theirs.section.direction, offered.video.direction)
    return theirs.agree(direction, offered.video.format.payload_type)


def _read_video_section(audio: Media, section: Media, *, bundled: bool) -> RemoteVideo | None:
    codec = next((each for each in section.payload_formats if _is_vp8(each)), None)
    if section.type != "video" or section.rejected or codec is None:
        return None
    try:
        if bundled:
            _check_protocol(section)
            # On one transport the payload type alone tells what a packet is (RFC 9143 §9.2).
            told_apart = str(codec.payload_type) not in audio.formats
            return RemoteVideo(section, _read_remote(audio), codec, bundled=True) if told_apart else None
        _check(section)
        return RemoteVideo(section, _read_remote(section), codec) if section.port else None
    except NegotiationError:
        return None


def _needs_bundle(session: Session, audio: Media, section: Media) -> bool:
    """Whether this section of an offer can be taken on the audio's transport alone: it has no address of its own."""
    return session.bundles(audio, section) and (section.has("bundle-only") or section.port == audio.port)


def _is_vp8(format: PayloadFormat) -> bool:
    return format.name.lower() == "vp8" and format.clock_rate == VP8.clock_rate


def _check_protocol(section: Media) -> None:
    if section.protocol.upper() not in ("UDP/TLS/RTP/SAVPF", "RTP/SAVPF", "UDP/TLS/RTP/SAVP", "RTP/SAVP"):
        what = f"{section.type[:40]} over {section.protocol[:40]}"
        raise NegotiationError("unsupported", f"{what} is not supported, only DTLS-SRTP")


def _check(audio: Media) -> None:
    _check_protocol(audio)
    if not audio.rtcp_mux:
        raise NegotiationError("unsupported", "the other side does not take RTCP on the port of RTP (a=rtcp-mux)")


def _read_remote(audio: Media) -> RemoteEnd:
    ufrag, password = (audio.ice_ufrag or "").strip(), (audio.ice_pwd or "").strip()
    if not 4 <= len(ufrag) <= 256 or not 22 <= len(password) <= 256 or not _ICE_CHARACTERS.issuperset(ufrag + password):
        raise NegotiationError("bad-sdp", "a=ice-ufrag or a=ice-pwd is missing or malformed")
    fingerprints = tuple(each for each in audio.fingerprints if each.hash in ("sha-256", "sha-384", "sha-512"))
    if not fingerprints:
        raise NegotiationError("bad-sdp", "a=fingerprint with sha-256 is missing")
    return RemoteEnd(
        ufrag=ufrag,
        password=password,
        fingerprints=fingerprints,
        setup=audio.setup,
        candidates=tuple(audio.candidates),
    )
